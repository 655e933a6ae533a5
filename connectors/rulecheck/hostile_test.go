package rulecheck

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/rules"
)

// TestLimit judges documents that make rules cost more than their size allows: each
// ends in the finding limit, soon.
func TestLimit(t *testing.T) {
	wide := "<a>" + strings.Repeat("<b>x</b>", 8_000) + "</a>"
	var deep strings.Builder
	for range 120 {
		deep.WriteString(strings.Repeat("<b>", 40) + strings.Repeat("</b>", 40))
	}
	for name, c := range map[string]struct{ doc, context, test string }{
		"a descendant axis in a predicate":  {wide, "//b", "not(//b[. = 'y'])"},
		"siblings counted from each":        {wide, "//b", "count(preceding-sibling::b) >= 0"},
		"two quantifiers":                   {wide, "/a", "every $x in b, $y in b satisfies $x = $y"},
		"pairs without equals":              {wide, "/a", "not(b != b)"},
		"a predicate of a context":          {wide, "//b[count(../b) > 0]", "true()"},
		"steps that fan out":                {"<b>" + deep.String() + "</b>", "//b", "not(//b//b//b//b[c])"},
		"text of a large element from each": {"<a>" + strings.Repeat("<b>x<!---->y</b>", 5_000) + "</a>", "//b", "string-length(string(..)) > 0"},
		"one large attribute from each":     {"<a c='" + strings.Repeat("x", 1<<19) + "'>" + strings.Repeat("<b/>", 5_000) + "</a>", "//b", "not(ends-with(../@c, 'y')) and matches(../@c, 'x')"},
		"places counted from each":          {wide, "//b", "../b[last()] = 'x'"},
	} {
		s := set(t, c.context, c.test)
		root := parsed(t, c.doc)
		start := time.Now()
		got := s.Check(root)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s takes %v", name, took)
		}
		if len(got) == 0 || got[len(got)-1].Rule != LimitRule || got[len(got)-1].Severity != rules.Fatal {
			t.Errorf("%s: got %d findings, want one of limit", name, len(got))
		}
	}
}

// TestManyAreNotTooMany is the other side: what is large but honest is judged to the end.
func TestManyAreNotTooMany(t *testing.T) {
	var b strings.Builder
	b.WriteString("<a>")
	for i := range 20_000 {
		b.WriteString("<b id='" + strings.Repeat("x", i%7) + "'><c>y</c></b>")
	}
	b.WriteString("</a>")
	s := set(t, "//c", ". = 'y'", "/a/b", "c and not(d)", "/a", "count(b) = count(//c)", "/a", "not(distinct(b/@id))", "/a", "every $x in b satisfies $x/c = 'y'", "/a", "b/c = b/c", "//@id", "string-length(.) < 7")
	if got := s.Check(parsed(t, b.String())); got != nil {
		t.Errorf("got %+v", got[0])
	}
}

// TestFindingsAreBounded lists so many of the many that are wrong, and never loses the
// fatal one among warnings.
func TestFindingsAreBounded(t *testing.T) {
	doc := "<a>" + strings.Repeat("<b/>", 5000) + "<c/></a>"
	rows := []rules.Rule{
		{ID: "W", Editions: []string{"2.0"}, Severity: rules.Warning, Context: "//b", Test: "@x", Meaning: "m"},
		{ID: "F", Editions: []string{"2.0"}, Severity: rules.Fatal, Context: "//c", Test: "@x", Meaning: "m"},
	}
	p, err := compile(rules.EDMRequest, "2.0", rows)
	if err != nil {
		t.Fatal(err)
	}
	got := p.with(nil).Check(parsed(t, doc))
	if f, ok := FirstFatal(got); !ok || f.Rule != "F" || f.Path != "/a/c" {
		t.Errorf("the fatal finding is %+v", f)
	}
	last := got[len(got)-1]
	if len(got) != maxFindings+2 || last.Rule != LimitRule || last.Severity != rules.Info || !strings.HasPrefix(last.Meaning, "4900 more") {
		t.Errorf("got %d findings, the last %+v", len(got), last)
	}
}

// TestPlacesOfLargeDocuments does not read a large document again for every finding.
func TestPlacesOfLargeDocuments(t *testing.T) {
	doc := "<a>" + strings.Repeat("\n<b>"+strings.Repeat("x", 3000)+"</b>", 1000) + "</a>"
	got := set(t, "//b", "@x").Check(parsed(t, doc))
	placed := 0
	for _, f := range got {
		if f.Line > 0 {
			placed++
		} else if f.Rule != LimitRule && f.Path != "//b" {
			t.Fatalf("a finding without a line is at %q", f.Path)
		}
	}
	if placed == 0 || placed > placeCost/len(doc)+1 {
		t.Errorf("%d findings have a line", placed)
	}
}

// TestHappyPath allocates nothing for a document that keeps the rules.
func TestHappyPath(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s := set(t, "/query:QueryRequest", "count(rim:Slot) = 3 and uuid(substring-after(@id, 'urn:uuid:'))", "//rim:Slot", "@name", "//sdg:Name", "in-list('EN', 'LanguageCode')",
		"//rim:SlotValue", "type(@xsi:type) = 'StringValueType' or expanded(@xsi:type) = '{urn:oasis:names:tc:ebxml-regrep:xsd:rim:4.0}CollectionValueType'",
		"/query:QueryRequest", "every $s in rim:Slot satisfies $s/@name != 'D'", "/*", "matches(@id, '^urn:uuid:[0-9a-f]{8}-') and distinct(rim:Slot/@name)")
	root := parsed(t, sample)
	if got := s.Check(root); got != nil {
		t.Fatalf("got %+v", got)
	}
	if n := testing.AllocsPerRun(100, func() { s.Check(root) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzExpression compiles any text and evaluates what compiles.
func FuzzExpression(f *testing.F) {
	for _, d := range rules.Documents() {
		rows, _ := rules.Of(d)
		for _, r := range rows {
			f.Add(r.Context, r.Test)
		}
	}
	f.Add("//a[b]|/c//@*", "some $x in tokens(., ',') satisfies $x = ('a', \"b\")")
	f.Add("/*[.//a]", "if (../a) then count(ancestor-or-self::*[last()]) - 1 else false()")
	doc, err := xmldoc.ParseBytes([]byte(sample), xmldoc.Limits{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, context, test string) {
		if len(context)+len(test) > 4000 {
			return
		}
		s, err := trySet(context, test)
		if err != nil {
			if context != "" && test != "" && !strings.Contains(err.Error(), "^") {
				t.Errorf("no caret: %v", err)
			}
			return
		}
		s.Check(doc.Root())
	})
}

// FuzzCheck judges any document by all rules: findings have their place and show
// nothing of it.
func FuzzCheck(f *testing.F) {
	for _, name := range []string{"2.0-edm-request.xml", "1.2-edm-response.xml", "2.0-edm-response.xml", "2.0-edm-error.xml", "2.0-edm-ebms-request.xml"} {
		f.Add(readBase(f, name))
	}
	f.Add([]byte(sample))
	var sets []*Set
	for _, d := range rules.Documents() {
		for _, e := range rules.Editions() {
			if s, err := Rules(d, e, nil); err == nil {
				sets = append(sets, s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{MaxBytes: 1 << 16})
		if err != nil {
			return
		}
		d, _ := Detect(doc.Root())
		for _, s := range sets {
			if d.Document != "" && s.Document() != d.Document {
				continue
			}
			for _, f := range s.Check(doc.Root()) {
				if f.Rule == "" || f.Meaning == "" || f.Path == "" || f.Severity == rules.SeverityUnset || !utf8.ValidString(f.Path) {
					t.Fatalf("got %+v", f)
				}
			}
		}
	})
}

// FuzzPattern compares the tables with package regexp.
func FuzzPattern(f *testing.F) {
	for _, p := range []string{"^https://", "^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}$", "[a-z]{2}/[a-z]{2}/[^ ]{6,256}", "^(a|b)*c?$", "", "a|^b$|c$", "(?s).*", "x*", "\\bfoo", "^$", "[^a]", "é"} {
		f.Add(p, "https://a urn:uuid:01234567-89ab aa/bb/123456 é\n", true)
		f.Add(p, "b", false)
	}
	f.Fuzz(func(t *testing.T, text, in string, fold bool) {
		if len(text) > 200 || len(in) > 1000 {
			return
		}
		p, err := compilePattern(text, fold)
		if fold {
			text = "(?i:" + text + ")"
		}
		re, err2 := regexp.Compile(text)
		if err != nil || err2 != nil {
			return
		}
		if got, want := p.match(in), re.MatchString(in); got != want {
			t.Errorf("%q on %q: %t, want %t", text, in, got, want)
		}
	})
}
