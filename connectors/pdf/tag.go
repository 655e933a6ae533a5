package pdf

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

// An update is a section that is appended to a finished file: new objects and
// new versions of old ones, with a table of where they stand (ISO 32000-1,
// 7.5.6). What was there stays as it is.
type update struct {
	base    []byte
	table   []int // offsets of the base's objects, by number
	xref    int   // where the base's table stands
	out     bytes.Buffer
	next    int
	written map[int]int
}

var endOfFile = regexp.MustCompile(`trailer\n<<\n/Size ([0-9]+)\n/Root ([0-9]+) 0 R\n/Info ([0-9]+) 0 R\n>>\nstartxref\n([0-9]+)\n%%EOF\n$`)

// newUpdate reads the table of a file as fpdf writes it, which is the only one
// that it has to understand.
func newUpdate(base []byte) (*update, error) {
	m := endOfFile.FindSubmatch(base)
	if m == nil {
		return nil, errors.New("the file of the pages has another end than expected")
	}
	size, _ := strconv.Atoi(string(m[1])) // digits, by the expression
	xref, _ := strconv.Atoi(string(m[4]))
	head := fmt.Sprintf("xref\n0 %d\n", size)
	if xref > len(base) || !bytes.HasPrefix(base[xref:], []byte(head)) {
		return nil, errors.New("the file of the pages has no table where it says")
	}
	u := &update{base: base, xref: xref, next: size, written: map[int]int{}}
	const entry = 20
	rows := base[xref+len(head):]
	if len(rows) < size*entry {
		return nil, errors.New("the table of the file is too short")
	}
	for i := range size {
		at, err := strconv.Atoi(string(rows[i*entry : i*entry+10]))
		if err != nil || at >= len(base) {
			return nil, errors.New("the table of the file cannot be read")
		}
		u.table = append(u.table, at)
	}
	return u, nil
}

// object returns the body of an object of the base.
func (u *update) object(n int) (string, error) {
	if n >= len(u.table) {
		return "", fmt.Errorf("the file has no object %d", n)
	}
	rest := u.base[u.table[n]:]
	head := fmt.Sprintf("%d 0 obj\n", n)
	end := bytes.Index(rest, []byte("\nendobj"))
	if !bytes.HasPrefix(rest, []byte(head)) || end < len(head) {
		return "", fmt.Errorf("object %d is not where the table says", n)
	}
	return string(rest[len(head):end]), nil
}

// number reserves the number of a new object.
func (u *update) number() int {
	u.next++
	return u.next - 1
}

func (u *update) write(n int, body string) {
	u.written[n] = len(u.base) + u.out.Len()
	fmt.Fprintf(&u.out, "%d 0 obj\n%s\nendobj\n", n, body)
}

func (u *update) stream(n int, dict string, data []byte) {
	u.write(n, fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(data), data))
}

// close appends table and trailer. The identifier is made of the content.
func (u *update) close(root, info int) []byte {
	sum := sha256.Sum256(append(append([]byte{}, u.base...), u.out.Bytes()...))
	id := strings.ToUpper(hex.EncodeToString(sum[:16]))
	at := len(u.base) + u.out.Len()
	u.out.WriteString("xref\n")
	for n := 0; n < u.next; n++ {
		if _, ok := u.written[n]; !ok {
			continue
		}
		last := n
		for _, ok := u.written[last+1]; ok; _, ok = u.written[last+1] {
			last++
		}
		fmt.Fprintf(&u.out, "%d %d\n", n, last-n+1)
		for ; n <= last; n++ {
			fmt.Fprintf(&u.out, "%010d 00000 n \n", u.written[n])
		}
	}
	fmt.Fprintf(&u.out, "trailer\n<</Size %d/Root %d 0 R/Info %d 0 R/Prev %d/ID[<%s><%s>]>>\nstartxref\n%d\n%%%%EOF\n",
		u.next, root, info, u.xref, id, id, at)
	return append(u.base, u.out.Bytes()...)
}

// tag adds to the file of fpdf what makes it a tagged one: the tree of its
// structure, which content belongs to which element, language, title, metadata
// and the colours that are meant. owners has, by page and mark, the elements.
func tag(base []byte, d *Document, title string, root *element, owners [][]*element) ([]byte, error) {
	u, err := newUpdate(base)
	if err != nil {
		return nil, err
	}
	// fpdf numbers its pages 3, 5, 7 ...
	pageObject := func(page int) int { return 3 + 2*page }
	for page := range owners {
		n := pageObject(page)
		body, err := u.object(n)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(body, "<</Type /Page\n") || !strings.HasSuffix(body, ">>") {
			return nil, fmt.Errorf("object %d is no page", n)
		}
		u.write(n, strings.TrimSuffix(body, ">>")+fmt.Sprintf("/StructParents %d/Tabs /S>>", page))
	}
	if err := u.characters(); err != nil {
		return nil, err
	}
	tree, parents := u.number(), u.number()
	root.walk(func(e *element) { e.object = u.number() })
	root.walk(func(e *element) { u.write(e.object, e.dictionary(tree, pageObject)) })
	u.write(tree, fmt.Sprintf("<</Type/StructTreeRoot/K %d 0 R/ParentTree %d 0 R/ParentTreeNextKey %d>>", root.object, parents, len(owners)))
	var nums strings.Builder
	for page, list := range owners {
		fmt.Fprintf(&nums, "%d[", page)
		for _, e := range list {
			fmt.Fprintf(&nums, "%d 0 R ", e.object)
		}
		nums.WriteString("]\n")
	}
	u.write(parents, "<</Nums["+nums.String()+"]>>")

	meta, profile, info, catalog := u.number(), u.number(), u.number(), u.number()
	u.stream(meta, "/Type/Metadata/Subtype/XML", metadata(d, title)) // not compressed: PDF/A wants it legible
	packed, err := deflate(colours())
	if err != nil {
		return nil, err
	}
	u.stream(profile, "/N 3/Alternate/DeviceRGB/Filter/FlateDecode", packed)
	made := d.Made.UTC().Format("20060102150405")
	u.write(info, fmt.Sprintf("<</Title %s/Producer %s/CreationDate(D:%sZ)/ModDate(D:%sZ)>>", textString(title), textString(d.Producer), made, made))
	u.write(catalog, fmt.Sprintf("<</Type/Catalog/Version/1.7/Pages 1 0 R/Lang %s/MarkInfo<</Marked true>>"+
		"/ViewerPreferences<</DisplayDocTitle true>>/StructTreeRoot %d 0 R/Metadata %d 0 R"+
		"/OutputIntents[<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB)/Info(sRGB)/DestOutputProfile %d 0 R>>]>>",
		textString(d.Language), tree, meta, profile))
	return u.close(catalog, info), nil
}

var toUnicode = regexp.MustCompile(`^<</Type /Font\n/Subtype /Type0\n(?s:.*)/ToUnicode ([0-9]+) 0 R>>$`)

// characters writes anew which characters the codes of the fonts mean. The codes
// are UTF-16 itself, but fpdf says so in one range over all of them, and a range
// may only go over the last of the two bytes (9.10.3).
func (u *update) characters() error {
	var b strings.Builder
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n" +
		"/CIDSystemInfo <</Registry (Adobe)/Ordering (UCS)/Supplement 0>> def\n/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n" +
		"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n")
	const block = 64 // at most 100 ranges stand together
	for high := 0; high < 256; high += block {
		fmt.Fprintf(&b, "%d beginbfrange\n", block)
		for h := high; h < high+block; h++ {
			fmt.Fprintf(&b, "<%02X00> <%02XFF> <%02X00>\n", h, h, h)
		}
		b.WriteString("endbfrange\n")
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend")
	packed, err := deflate([]byte(b.String()))
	if err != nil {
		return err
	}
	for n := 1; n < len(u.table); n++ {
		body, err := u.object(n)
		if err != nil {
			return err
		}
		if m := toUnicode.FindStringSubmatch(body); m != nil {
			at, _ := strconv.Atoi(m[1]) // digits, by the expression
			u.stream(at, "/Filter/FlateDecode", packed)
		}
	}
	return nil
}

// dictionary is the element as the file has it.
func (e *element) dictionary(tree int, pageObject func(int) int) string {
	var b strings.Builder
	parent := tree
	if e.parent != nil {
		parent = e.parent.object
	}
	fmt.Fprintf(&b, "<</Type/StructElem/S/%s/P %d 0 R", e.kind, parent)
	if e.scope != "" {
		fmt.Fprintf(&b, "/A<</O/Table/Scope/%s>>", e.scope)
	}
	if len(e.marks) > 0 {
		fmt.Fprintf(&b, "/Pg %d 0 R", pageObject(e.marks[0].page))
	}
	b.WriteString("/K[")
	for _, c := range e.children {
		fmt.Fprintf(&b, "%d 0 R ", c.object)
	}
	for i, m := range e.marks {
		if i > 0 && m.page != e.marks[0].page {
			fmt.Fprintf(&b, "<</Type/MCR/Pg %d 0 R/MCID %d>>", pageObject(m.page), m.id)
		} else {
			fmt.Fprintf(&b, "%d ", m.id)
		}
	}
	b.WriteString("]>>")
	return b.String()
}

// textString is a text of the file's own language: UTF-16 with its mark.
func textString(s string) string {
	var b strings.Builder
	b.WriteString("<FEFF")
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, "%04X", u)
	}
	b.WriteString(">")
	return b.String()
}

func deflate(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		return nil, fmt.Errorf("packing: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("packing: %w", err)
	}
	return b.Bytes(), nil
}
