package rulecheck

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
	"oncegate/schemas/codes"
	"oncegate/schemas/rules"
)

// TestPublishedMessages judges every message, answer and submission of the assets, of all
// editions. Each is clean but for what is really wrong with it.
func TestPublishedMessages(t *testing.T) {
	dir := assets.Path(t, "oots")
	got := make(map[string][]string)
	judged := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".xml") || strings.Contains(path, "/LCM/Snippets/") { // those hold one object of a submission
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
		if err != nil {
			return nil // PROVENANCE.md: not well-formed
		}
		d, ok := Detect(doc.Root())
		if !ok {
			return nil
		}
		set, err := Rules(d.Document, d.Edition, codes.Default())
		if err != nil {
			t.Fatal(err)
		}
		judged++
		for _, f := range set.Check(doc.Root()) {
			if f.Severity == rules.Fatal && !slices.Contains(got[e.Name()], f.Rule) {
				got[e.Name()] = append(got[e.Name()], f.Rule)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	parties := []string{"TDD 4.7.1 originalSender", "TDD 4.7.1 finalRecipient"}
	want := map[string][]string{
		// A template without slots, of which nothing tells the edition.
		"ebRIM_QueryRequest_tempate.xml": {"R-EDM-REQ-S005", "R-EDM-REQ-S006", "R-EDM-REQ-S007", "R-EDM-REQ-S009",
			"R-EDM-REQ-S010", "R-EDM-REQ-S011", "R-EDM-REQ-S012", "R-EDM-REQ-S013", "R-EDM-REQ-S059", "R-EDM-REQ-S015", "R-EDM-REQ-S016"},
		"2.1_ebRIM_QueryResponseError_example.xml": {"R-EDM-ERR-S009", "R-EDM-ERR-S010", "R-EDM-ERR-S011", "R-EDM-ERR-S012", "R-EDM-ERR-S013"},
		// The address of the representative is in GR; Greece is EL.
		"4.1_Step_1_Evidence_Request_-_Tax_-_full_example.xml": {"R-EDM-REQ-C067"},
		// The severity ends in an invisible U+007F.
		"3.2_Step_2_Error_Response_-_Education_-_full_example.xml": {"R-EDM-ERR-C014"},
		// xml:lang became xsi:lang on its way into that project.
		"EDM_Ferst_Response.xml": {"R-EDM-ERR-C020"},
		// The snippets leave out the forms of the evidence type.
		"4.4.3.3_Example_of_a_DSD_Error_Response_with_Jurisdiction_Determination.xml":                    {"R-EDM-REQ-S021"},
		"4.4.3.4_Example_of_a_DSD_Error_Response_with_Classification_Concepts_requested_by_the_user.xml": {"R-EDM-REQ-S021"},
		"4.8.4._Evidence_Requester_Query_with_exception-based_flow_I.xml":                                {"R-EDM-REQ-S021"},
		// The scheme of the parties stands in the value instead of @type.
		"oots_request_header.xml":  parties,
		"oots_response_header.xml": parties,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("fatal findings (-want +got):\n%s", d)
	}
	if judged < 96 {
		t.Errorf("%d documents were judged, want 96", judged)
	}
}
