package ebms

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ebMS3 6.7, Part 2 and AS4 1.0, as eDelivery has them; 4001 is phase4's own.
var specified = map[Code]Entry{
	"EBMS:0001": {"ValueNotRecognized", "failure", "Content", "ebMS", false},
	"EBMS:0002": {"FeatureNotSupported", "warning", "Content", "ebMS", false},
	"EBMS:0003": {"ValueInconsistent", "failure", "Content", "ebMS", false},
	"EBMS:0004": {"Other", "failure", "Content", "ebMS", false},
	"EBMS:0005": {"ConnectionFailure", "failure", "Communication", "ebMS", true},
	"EBMS:0006": {"EmptyMessagePartitionChannel", "warning", "Communication", "ebMS", false},
	"EBMS:0007": {"MimeInconsistency", "failure", "Unpackaging", "ebMS", false},
	"EBMS:0008": {"FeatureNotSupported", "failure", "Unpackaging", "ebMS", false},
	"EBMS:0009": {"InvalidHeader", "failure", "Unpackaging", "ebMS", false},
	"EBMS:0010": {"ProcessingModeMismatch", "failure", "Processing", "ebMS", false},
	"EBMS:0011": {"ExternalPayloadError", "failure", "Content", "ebMS", false},
	"EBMS:0020": {"RoutingFailure", "failure", "Processing", "ebMS", false},
	"EBMS:0021": {"MPCCapacityExceeded", "failure", "Processing", "ebMS", true},
	"EBMS:0022": {"MessagePersistenceTimeout", "failure", "Processing", "ebMS", false},
	"EBMS:0023": {"MessageExpired", "warning", "Processing", "ebMS", false},
	"EBMS:0030": {"BundlingError", "failure", "Content", "ebMS", false},
	"EBMS:0031": {"RelatedMessageFailed", "failure", "Processing", "ebMS", false},
	"EBMS:0040": {"BadFragmentGroup", "failure", "Content", "ebMS", false},
	"EBMS:0041": {"DuplicateMessageSize", "failure", "Content", "ebMS", false},
	"EBMS:0042": {"DuplicateFragmentCount", "failure", "Content", "ebMS", false},
	"EBMS:0043": {"DuplicateMessageHeader", "failure", "Content", "ebMS", false},
	"EBMS:0044": {"DuplicateAction", "failure", "Content", "ebMS", false},
	"EBMS:0045": {"DuplicateCompressionInfo", "failure", "Content", "ebMS", false},
	"EBMS:0046": {"DuplicateFragment", "failure", "Content", "ebMS", false},
	"EBMS:0047": {"BadFragmentStructure", "failure", "Unpackaging", "ebMS", false},
	"EBMS:0048": {"BadFragmentNum", "failure", "Content", "ebMS", false},
	"EBMS:0049": {"BadFragmentCount", "failure", "Content", "ebMS", false},
	"EBMS:0050": {"FragmentSizeExceeded", "warning", "Unpackaging", "ebMS", false},
	"EBMS:0051": {"ReceiveIntervalExceeded", "failure", "Processing", "ebMS", false},
	"EBMS:0052": {"BadProperties", "warning", "Processing", "ebMS", false},
	"EBMS:0053": {"HeaderMismatch", "failure", "Processing", "ebMS", false},
	"EBMS:0054": {"OutOfStorageSpace", "failure", "Processing", "ebMS", true},
	"EBMS:0055": {"DecompressionError", "failure", "Processing", "ebMS", false},
	"EBMS:0060": {"ResponseUsing-AlternateMEP", "warning", "Processing", "ebMS", false},
	"EBMS:0101": {"FailedAuthentication", "failure", "Processing", "security", false},
	"EBMS:0102": {"FailedDecryption", "failure", "Processing", "security", false},
	"EBMS:0103": {"PolicyNoncompliance", "failure", "Processing", "security", false},
	"EBMS:0201": {"DysfunctionalReliability", "failure", "Processing", "reliability", false},
	"EBMS:0202": {"DeliveryFailure", "failure", "Communication", "reliability", true},
	"EBMS:0301": {"MissingReceipt", "failure", "Communication", "ebMS", false},
	"EBMS:0302": {"InvalidReceipt", "failure", "Communication", "ebMS", false},
	"EBMS:0303": {"DecompressionFailure", "failure", "Communication", "ebMS", false},
	"EBMS:4001": {"DuplicateDetected", "failure", "Processing", "ebMS", false},
}

func TestTableIsThatOfTheSpecification(t *testing.T) {
	got := map[Code]Entry{}
	for _, c := range Codes() {
		got[c], _ = c.Entry()
	}
	if diff := cmp.Diff(specified, got); diff != "" {
		t.Errorf("table (-specified +got):\n%s", diff)
	}
}

// A new constant cannot be forgotten in the table.
func TestEveryCodeIsInTheTable(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			return true
		}
		v, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := Code(v).Entry(); !ok || !Code(v).wellFormed() {
			t.Errorf("%s %s is not in the table", spec.Names[0], v)
		}
		n++
		return true
	})
	if n != len(specified) {
		t.Errorf("%d constants for %d codes", n, len(specified))
	}
}
