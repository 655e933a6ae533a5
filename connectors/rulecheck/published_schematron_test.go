package rulecheck

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/rules"
)

// published names the Schematron files of a kind of document.
var published = map[rules.Document][]string{
	rules.EDMRequest:       {"EDM-REQ-S", "EDM-REQ-C"},
	rules.EDMResponse:      {"EDM-RESP-S", "EDM-RESP-C"},
	rules.EDMError:         {"EDM-ERR-S", "EDM-ERR-C"},
	rules.EBRequirements:   {"EB-REQ-S", "EB-REQ-C"},
	rules.EBEvidenceTypes:  {"EB-EVI-S", "EB-EVI-C"},
	rules.EBError:          {"EB-ERR"},
	rules.DSDServices:      {"DSD-RESP-S", "DSD-RESP-C"},
	rules.DSDError:         {"DSD-ERR-S", "DSD-ERR-C"},
	rules.EBSubmission:     {"EB-SUB-S", "EB-SUB-C"},
	rules.DSDSubmission:    {"DSD-SUB-S", "DSD-SUB-C"},
	rules.SubmissionAnswer: {"LCM-SUC", "LCM-ERR"},
}

// publishedFiles are copies of the published Schematron files that can be run, and
// the ids of their assertions.
type publishedFiles struct {
	dir string
	ids map[string][]string // by file
}

func (p *publishedFiles) path(file string) string { return filepath.Join(p.dir, file+".sch") }

// of are the files for a document. Of the two for answers to submissions one is for
// those that refuse.
func (p *publishedFiles) of(doc rules.Document, root xmldoc.Element) []string {
	if doc != rules.SubmissionAnswer {
		return published[doc]
	}
	if child(root, name("rs", "Exception")).IsZero() {
		return []string{"LCM-SUC"}
	}
	return []string{"LCM-ERR"}
}

// stops is an assertion that ends every judgement with a type error where its context
// matches: count(rim:Slot[...]=1). It is left out.
const stops = "R-EDM-ERR-C022"

var (
	schComment   = regexp.MustCompile(`(?s)<!--.*?-->`)
	schAssertion = regexp.MustCompile(`<sch:(?:assert|report)(?:\s+[a-z]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*>`)
	schID        = regexp.MustCompile(`\sid="([^"]*)"`)
	schStops     = regexp.MustCompile(`(?s)<sch:assert [^<]*id="` + stops + `".*?</sch:assert>`)
	// a function of one string over a path that several nodes may answer to
	schFirst = regexp.MustCompile(`\b(normalize-space|string-length|starts-with|matches|substring-after|contains)\(((?:[a-z]+:[A-Za-z0-9]+(?:\[@name='[A-Za-z]+'\])?/?)+|text\(\))([,)])`)
)

// publishedIn copies the files and makes those run that do not. What a test says stays
// as it is; a patch changes where it is applied or how it reads its operands:
//   - files without a query binding get that of all others, which their tests need;
//   - the root is /* and not /node(), which are two nodes where a comment comes first;
//   - a function that takes one string reads the first of several nodes, as XPath 1.0
//     and our rules do, and does not end in a type error;
//   - an assertion without an id gets its file and its number there, as in our rows.
func publishedIn(t *testing.T, dir string) *publishedFiles {
	t.Helper()
	p := &publishedFiles{dir: t.TempDir(), ids: map[string][]string{}}
	total := 0
	for _, files := range published {
		for _, file := range files {
			text, err := os.ReadFile(filepath.Join(dir, file+".sch"))
			if err != nil {
				t.Fatal(err)
			}
			s := schComment.ReplaceAllString(string(text), "")
			if !strings.Contains(s, "queryBinding=") {
				const space = `xmlns:sch="http://purl.oclc.org/dsdl/schematron"`
				s = strings.Replace(s, space, space+` queryBinding="xslt2"`, 1)
			}
			s = strings.ReplaceAll(s, "/node()", "/*")
			s = schFirst.ReplaceAllString(s, "$1(($2)[1]$3")
			n := 0
			s = schAssertion.ReplaceAllStringFunc(s, func(tag string) string {
				n++
				if m := schID.FindStringSubmatch(tag); m != nil {
					p.ids[file] = append(p.ids[file], m[1])
					return tag
				}
				id := fmt.Sprintf("%s#%d", file, n)
				p.ids[file] = append(p.ids[file], id)
				return strings.TrimSuffix(tag, ">") + ` id="` + id + `">`
			})
			total += n
			s = schStops.ReplaceAllString(s, "")
			if err := os.WriteFile(p.path(file), []byte(s), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d published assertions", total)
	return p
}
