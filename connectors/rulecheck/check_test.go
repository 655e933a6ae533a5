package rulecheck

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/rules"
)

const sample = `<q:QueryRequest xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0" xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:4.0"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:sdg="http://data.europa.eu/p4s" id="urn:uuid:4ffb5281-179d-4578-adf2-39fd13ccc797" n="3">
  <rim:Slot name="A"><rim:SlotValue xsi:type="rim:StringValueType"><rim:Value>  one  two </rim:Value></rim:SlotValue></rim:Slot>
  <rim:Slot name="B"><rim:SlotValue xsi:type="rim:CollectionValueType">
    <rim:Element><sdg:Name lang="EN">x</sdg:Name></rim:Element>
    <rim:Element><sdg:Name lang="fr">y<!-- c -->z</sdg:Name></rim:Element>
    <rim:Element><sdg:Name>x</sdg:Name></rim:Element>
  </rim:SlotValue></rim:Slot>
  <rim:Slot name="C"/>
  <rim:Day>2026-02-28</rim:Day><rim:Time>2026-02-28T10:11:12.5Z</rim:Time><rim:Yes>true</rim:Yes><rim:Scope>X1, X2,X3</rim:Scope>
</q:QueryRequest>`

func parsed(t testing.TB, s string) xmldoc.Element {
	t.Helper()
	doc, err := xmldoc.ParseBytes([]byte(s), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return doc.Root()
}

// set compiles rules that are given as context, test, context, test.
func set(t testing.TB, pairs ...string) *Set {
	t.Helper()
	s, err := trySet(pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func trySet(pairs ...string) (*Set, error) {
	var rows []rules.Rule
	for i := 0; i+1 < len(pairs); i += 2 {
		rows = append(rows, rules.Rule{ID: fmt.Sprintf("R%d", i/2+1), Editions: []string{"2.0"}, Severity: rules.Fatal, Context: pairs[i], Test: pairs[i+1], Meaning: "m"})
	}
	p, err := compile(rules.EDMRequest, "2.0", rows)
	if err != nil {
		return nil, err
	}
	return p.with(nil), nil
}

func TestExpressions(t *testing.T) {
	root := parsed(t, sample)
	for test, want := range map[string]bool{
		"true()":                       true,
		"false()":                      false,
		"not(false())":                 true,
		"true() and false() or true()": true,
		"rim:Slot":                     true,
		"rim:Slots":                    false,
		"@id":                          true,
		"@q":                           false,
		"count(rim:Slot) = 3":          true,
		"having('name', 'B')/rim:SlotValue/rim:Element":  true,
		"having('name', @none) or having('name', 'Z')":   false,
		"having('id', @id) = current()":                  true,
		"count(rim:Slot) > 3":                            false,
		"count(rim:Slot) >= 3 and count(rim:Slot) <= 3":  true,
		"count(//rim:Element) = 3":                       true,
		"count(//*) = 17":                                true,
		"count(//@lang) = 2":                             true,
		"count(rim:Slot[@name='B']//sdg:Name) = 3":       true,
		"count(rim:Slot | rim:Day | rim:Slot) = 4":       true,
		"count((rim:Slot | rim:Day)/@name) = 3":          true,
		"count(rim:*) = 7":                               true,
		"count(*) = 7":                                   true,
		"count(sdg:*) = 0":                               true,
		"count(//sdg:*) = 3":                             true,
		"rim:Slot[2]/@name = 'B'":                        true,
		"rim:Slot[last()]/@name = 'C'":                   true,
		"rim:Slot[position() = 1]/@name = 'A'":           true,
		"rim:Slot[position() < last()]/@name = 'C'":      false,
		"(rim:Slot)[3]/@name = 'C'":                      true,
		"count(rim:Slot[2]/preceding-sibling::*) = 1":    true,
		"count(rim:Slot[2]/following-sibling::*) = 5":    true,
		"count(//sdg:Name/ancestor::rim:Slot) = 1":       true,
		"count(//sdg:Name/..) = 3":                       true,
		"count(//sdg:Name/ancestor-or-self::*) = 9":      true,
		"//sdg:Name[2]":                                  false,
		"(//sdg:Name)[2]":                                true,
		"count(/query:QueryRequest/rim:Slot) = 3":        true,
		"/query:QueryRequest/@id = @id":                  true,
		"rim:Slot/@name = 'C'":                           true,
		"rim:Slot/@name != 'C'":                          true,
		"not(rim:Slot/@name = 'D')":                      true,
		"rim:Slot/@name = ('X', 'C')":                    true,
		"@n = 3":                                         true,
		"@n < 4":                                         true,
		"4 > @n":                                         true,
		"@n + 1 = 4":                                     true,
		"@n - 1 = 2":                                     true,
		"number(@n) = 3.0":                               true,
		"number(@id) = number(@id)":                      false,
		"@id = 3":                                        false,
		"rim:Yes = true()":                               true,
		"rim:Yes = false()":                              false,
		"rim:Yes != false()":                             true,
		"(1 = 1) = true()":                               true,
		"'a' < 'b'":                                      true,
		"rim:Day < '2026-03-01'":                         true,
		"rim:Time > rim:Day":                             true,
		"normalize-space(rim:Slot[1]) = 'one two'":       true,
		"string(rim:Slot[1]//rim:Value) = '  one  two '": true,
		"normalize-space(rim:Slot[3]) = ''":              true,
		"normalize-space(rim:Nope) != ''":                false,
		"string-length(@id) = 45":                        true,
		"string-length('łąka') = 4":                      true,
		"starts-with(@id, 'urn:uuid:')":                  true,
		"ends-with(@id, '797')":                          true,
		"contains(@id, '179d')":                          true,
		"substring-before(@id, ':') = 'urn'":             true,
		"substring-after(@id, 'uuid:')":                  true,
		"substring-after(@id, 'nope') = ''":              true,
		"upper-case('aé') = 'AÉ'":                        true,
		"lower-case('AÉ') = 'aé'":                        true,
		"concat('a', @n, 'b') = 'a3b'":                   true,
		"local-name() = 'QueryRequest'":                  true,
		"local-name(rim:Slot[1]/@name) = 'name'":         true,
		"namespace-uri() = 'urn:oasis:names:tc:ebxml-regrep:xsd:query:4.0'": true,
		"uuid(substring-after(@id, 'urn:uuid:'))":                           true,
		"uuid(@id)":           false,
		"date(rim:Day)":       true,
		"date(rim:Time)":      false,
		"date-time(rim:Time)": true,
		"date-time(rim:Day)":  false,
		"type(rim:Slot[1]/rim:SlotValue/@xsi:type) = 'StringValueType'":                                                  true,
		"expanded(rim:Slot[1]/rim:SlotValue/@xsi:type) = '{urn:oasis:names:tc:ebxml-regrep:xsd:rim:4.0}StringValueType'": true,
		"expanded(rim:Slot[1]/rim:SlotValue/@xsi:type) != '{x}StringValueType'":                                          true,
		"starts-with(expanded(rim:Slot[1]/rim:SlotValue/@xsi:type), '{urn:oasis')":                                       true,
		"matches(@id, '^urn:uuid:[0-9a-f]{8}-')":                                                                         true,
		"matches(@id, 'URN', 'i')":                                                                                       true,
		"matches(@id, 'URN')":                                                                                            false,
		"in-list('EN', 'LanguageCode')":                                                                                  true,
		"in-list('en ', 'LanguageCode')":                                                                                 false,
		"every $s in rim:Slot satisfies $s/@name":                                                                        true,
		"every $s in rim:Slot satisfies $s/rim:SlotValue":                                                                false,
		"some $s in rim:Slot satisfies $s/@name = 'C'":                                                                   true,
		"some $a in rim:Slot, $b in rim:Slot satisfies $a/@name = 'A' and $b/@name = 'B'":                                true,
		"some $s in rim:Slot satisfies rim:Slot[@name = $s/@name][rim:SlotValue]":                                        true,
		"every $t in tokens(rim:Scope, ',') satisfies starts-with($t, 'X')":                                              true,
		"every $t in tokens(rim:Scope, ',') satisfies $t != 'X3'":                                                        false,
		"some $t in tokens(rim:Scope, ',') satisfies $t = 'X2'":                                                          true,
		"count(tokens(rim:Scope, ',')) = 3":                                                                              true,
		"distinct(rim:Slot/@name)":                                                                                       true,
		"distinct(//sdg:Name)":                                                                                           false,
		"distinct(tokens('a,b,a', ','))":                                                                                 false,
		"count(distinct-values(//sdg:Name)) = 2":                                                                         true,
		"exists(rim:Day) and empty(rim:Nope)":                                                                            true,
		"if (rim:Nope) then false() else rim:Day":                                                                        true,
		"if (rim:Day) then false() else true()":                                                                          false,
		"//sdg:Name = 'yz'":                                                                                              true,
		"rim:Slot[rim:SlotValue/rim:Element[2]/sdg:Name/@lang = 'fr']/@name = 'B'":                                       true,
		"rim:Slot[@name = current()/rim:Slot[2]/@name]/rim:SlotValue/rim:Element":                                        true,
		"rim:Slot/self::rim:Slot/.":                                                                                      true,
		"boolean(rim:Day)":                                                                                               true,
		"boolean('')":                                                                                                    false,
		"0":                                                                                                              false,
		"1":                                                                                                              true,
		"rim:Slot/descendant::sdg:Name":                                                                                  true,
		"count(descendant-or-self::*) = 17":                                                                              true,
		"count(rim:Slot/attribute::name) = 3":                                                                            true,
		"count(rim:Slot/child::rim:SlotValue) = 2":                                                                       true,
		"count(rim:Slot[3]/parent::query:QueryRequest) = 1":                                                              true,
		"count(//rim:Slot//sdg:Name//ancestor::*) = 6":                                                                   true,
	} {
		s, err := trySet("/query:QueryRequest", test)
		if err != nil {
			t.Errorf("%s: %v", test, err)
			continue
		}
		if fired := s.Fired(root); fired["R1"] != 1 {
			t.Errorf("%s: evaluated %d times", test, fired["R1"])
		}
		if got := s.Check(root) == nil; got != want {
			t.Errorf("%s is %t", test, got)
		}
	}
}

func TestContexts(t *testing.T) {
	root := parsed(t, sample)
	for context, want := range map[string]int{
		"/query:QueryRequest":          1,
		"/*":                           1,
		"/rim:Slot":                    0,
		"//rim:Slot":                   3,
		"/query:QueryRequest/rim:Slot": 3,
		"/query:QueryRequest/rim:Slot[@name='B']":                1,
		"/query:QueryRequest/rim:Slot[@name='B']/rim:SlotValue":  1,
		"/query:QueryRequest/rim:Slot[rim:SlotValue]":            2,
		"/query:QueryRequest/rim:Slot[rim:SlotValue][@name='A']": 1,
		"/query:QueryRequest/@id":                                1,
		"/query:QueryRequest/@*":                                 2,
		"//@lang":                                                2,
		"//sdg:Name/@lang[. = 'EN']":                             1,
		"//sdg:Name[@lang='EN'] | //sdg:Name":                    3,
		"//rim:Element//sdg:Name":                                3,
		"/query:QueryRequest//sdg:Name":                          3,
		"//*":                                                    17,
		"//rim:*":                                                13,
		"/*/*/rim:SlotValue/rim:Element":                         3,
		"//rim:Slot[@name='B']//sdg:*":                           3,
	} {
		s := set(t, context, "false()", "//nothing", "false()", context, "true()")
		if got := s.Fired(root)["R1"]; got != want {
			t.Errorf("%s selects %d nodes, want %d", context, got, want)
		}
		if got := s.Check(root); len(got) != want {
			t.Errorf("%s: %d findings, want %d", context, len(got), want)
		}
	}
}

// TestNested selects each node once, however many ways lead there.
func TestNested(t *testing.T) {
	root := parsed(t, "<a><a><b><a><b/></a></b></a></a>")
	s := set(t, "//a//b", "false()", "//a//a//b | //b", "false()")
	if got := s.Fired(root); got["R1"] != 2 || got["R2"] != 2 {
		t.Errorf("evaluated %v", got)
	}
}

func TestFindings(t *testing.T) {
	s := set(t, "//sdg:Name", "@lang = 'EN'", "/query:QueryRequest/@n", ". = 4")
	got := s.Check(parsed(t, sample))
	want := []Finding{
		{Rule: "R2", Path: "/q:QueryRequest/@n", Line: 2, Column: 146},
		{Rule: "R1", Path: "/q:QueryRequest/rim:Slot[2]/rim:SlotValue/rim:Element[2]/sdg:Name", Line: 6, Column: 18},
		{Rule: "R1", Path: "/q:QueryRequest/rim:Slot[2]/rim:SlotValue/rim:Element[3]/sdg:Name", Line: 7, Column: 18},
	}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i, w := range want {
		if g := got[i]; g.Rule != w.Rule || g.Path != w.Path || g.Line != w.Line || g.Column != w.Column || g.Edition != "2.0" || g.Severity != rules.Fatal || g.Layer != LayerRule {
			t.Errorf("got %+v, want %+v", g, w)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for test, want := range map[string]string{
		"":                               "want a path",
		"a =":                            "ends too early",
		"'a":                             "the literal has no end",
		"foo:a":                          "there is no prefix foo",
		"foo(1)":                         "there is no function foo",
		"count(1)":                       "want nodes or a sequence to count, not a number",
		"count()":                        "count takes 1 arguments, not 0",
		"$x":                             "there is no variable $x here",
		"a[":                             "ends too early",
		"a]":                             "want an operator or the end",
		"matches(., '(')":                "the pattern cannot be read",
		"matches(., .)":                  "the pattern is a literal",
		"matches(., 'a', 'x')":           "the only flag is 'i'",
		"in-list(., 'Weather')":          "there is no list of this name",
		"position() = 1":                 "belong into predicates",
		"true() < false()":               "compared by = and != only",
		"'a' | b":                        "want nodes on both sides of |",
		"every $x in 1 satisfies true()": "want nodes or a sequence",
		"some $x in tokens(., ',') satisfies $x/b": "is text and has no nodes below",
		"a#b":                     "this character has no meaning here",
		"sideways::a":             "there is no axis sideways",
		"if (a) then b":           "want else",
		"()":                      "the parentheses are empty",
		"preceding-sibling::a[1]": "not counted among preceding siblings",
		strings.Repeat("(", 40) + "a" + strings.Repeat(")", 40): "nested deeper",
		"a" + strings.Repeat(" or a", 700):                      "has more than",
	} {
		_, err := trySet("/*", test)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: got %v, want %q", test, err, want)
		}
	}
	for context, want := range map[string]string{
		"query:QueryRequest": "a context is an absolute path", "/": "absolute path", "/a/..": "a context goes down",
		"/a[1]": "places are not counted", "/a/@b/c": "a context goes down", "count(a)": "absolute path", "/a | b": "absolute path",
	} {
		if _, err := trySet(context, "true()"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", context, err, want)
		}
	}
}

// TestTogether judges different documents at the same time.
func TestTogether(t *testing.T) {
	s := set(t, "//sdg:Name", "@lang = 'EN'", "/query:QueryRequest", "every $n in tokens(rim:Scope, ',') satisfies starts-with($n, 'X') and count(rim:Slot) = 3")
	good := parsed(t, strings.NewReplacer(`<sdg:Name lang="fr">`, `<sdg:Name lang="EN">`, "<sdg:Name>", `<sdg:Name lang="EN">`).Replace(sample))
	bad := parsed(t, sample)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if n := len(s.Check(good)); n != 0 {
					t.Errorf("%d findings in the good one", n)
				}
				if n := len(s.Check(bad)); n != 2 {
					t.Errorf("%d findings in the bad one", n)
				}
			}
		})
	}
	wg.Wait()
}
