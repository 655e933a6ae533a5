package register

import (
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

var _ mapping.Placer = node{}

// Place tells lineage where an element of the reply stands.
func (n node) Place(path []int) (line, col int) {
	at := n.e
	for _, number := range path {
		child := at.Node().FirstChild()
		for ; !child.IsZero(); child = child.NextSibling() {
			if child.Kind() != xmldoc.KindElement {
				continue
			}
			if number == 0 {
				break
			}
			number--
		}
		next, ok := child.Element()
		if !ok {
			return 0, 0
		}
		at = next
	}
	return at.Position()
}
