package answers

import (
	"strings"
	"testing"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
)

// TestTextsOfACatalogue: an empty or endless description of one requirement leaves the
// others readable.
func TestTextsOfACatalogue(t *testing.T) {
	doc := `<sdg:Requirement xmlns:sdg="` + rim.SpaceSDG + `"><sdg:Identifier>https://sr.example/requirements/1</sdg:Identifier>` +
		`<sdg:Name lang="en">n</sdg:Name><sdg:Description lang="EN"/><sdg:Description lang="FR"> </sdg:Description>` +
		`<sdg:Description>` + strings.Repeat("ä", rim.MaxText+1) + `</sdg:Description></sdg:Requirement>`
	d, err := xmldoc.ParseBytes([]byte(doc), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r := &Reader{}
	v := r.Requirement(d.Root())
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	if len(v.Names) != 1 || v.Names[0].Lang != "EN" || len(v.Descriptions) != 1 || len([]rune(v.Descriptions[0].Text)) != rim.MaxText || v.Descriptions[0].Lang != "EN" {
		t.Errorf("got %d names, %d descriptions", len(v.Names), len(v.Descriptions))
	}
}
