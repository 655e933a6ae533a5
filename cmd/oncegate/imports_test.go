package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A pkg is what `go list -json` says of one package.
type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

const module = "oncegate/"

// TestImports holds the arrows of docs/architecture.md: who may import whom.
//
// Covers: B-058
func TestImports(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Standard", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		room := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			if why := forbidden(room, imp); why != "" {
				t.Errorf("%s imports %s: %s", room, imp, why)
			}
		}
		name := room[strings.LastIndexByte(room, '/')+1:]
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "shared", "base", "misc", "types", "models", "manager"}, name) {
			t.Errorf("%s: %q is not one thing", room, name)
		}
	}
}

// under reports whether room is one of the given rooms or below it.
func under(room string, rooms ...string) bool {
	for _, r := range rooms {
		if room == r || strings.HasPrefix(room, r+"/") {
			return true
		}
	}
	return false
}

func forbidden(room, imp string) string {
	if under(room, "cmd") {
		return "" // builds the house, may import everything
	}
	ours, isOurs := strings.CutPrefix(imp, module)
	std := !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") && !isOurs
	switch {
	case under(room, "schemas/canon") && !std:
		return "canon imports the standard library only"
	case under(room, "schemas/canon") && slices.Contains([]string{"net/http", "encoding/xml"}, imp):
		return "canon knows no HTTP and no XML"
	case under(room, "schemas") && isOurs && !under(ours, "schemas"):
		return "the contracts know nobody"
	case under(room, "mapping") && !std && !isOurs && !strings.HasPrefix(imp, "github.com/antchfx/xpath") && !strings.HasPrefix(imp, "go.yaml.in/yaml/"):
		return "mapping uses an XPath and a YAML library only"
	case under(room, "mapping") && isOurs && !under(ours, "mapping"):
		return "mapping sees XML through its own node interface"
	case under(room, "connectors") && isOurs && under(ours, "gateway", "cmd"):
		return "connectors and gateway meet only as canonical messages"
	case under(room, "connectors/certpath", "connectors/mapxml", "connectors/naptr", "connectors/netguard", "connectors/pdf", "connectors/pkitest", "connectors/remember", "connectors/rulecheck", "connectors/xmldoc", "connectors/xmlsec", "connectors/xsd") && isOurs && under(ours, "connectors") && !under(ours, "connectors/xmldoc"):
		return "what all connectors stand on knows none of them"
	case under(room, "connectors/edelivery") && isOurs && under(ours, "connectors/directory", "connectors/register", "connectors/registers", "connectors/regrep", "connectors/rulecheck", "schemas/rules"):
		return "the access point knows no business document"
	case under(room, "gateway") && isOurs && under(ours, "connectors", "mapping", "cmd"):
		return "connectors and gateway meet only as canonical messages"
	case under(room, "gateway") && imp == "encoding/xml":
		return "the gateway knows no XML"
	case under(room, "gateway/exchange", "gateway/imi") && isOurs && !under(ours, "gateway/exchange", "gateway/imi", "gateway/consent", "gateway/preview", "gateway/routing", "schemas/canon"):
		return "a core imports its neighbours of domain and canon only"
	case under(room, "gateway/choice") && isOurs && !under(ours, "gateway/choice", "schemas/canon", "schemas/codes"):
		return "choosing knows the nouns and the code lists only"
	case under(room, "gateway/audit", "gateway/choice", "gateway/consent", "gateway/exchangelog", "gateway/preview", "gateway/routing", "gateway/messages", "gateway/replay") && isOurs && under(ours, "gateway/kafkalog", "gateway/redisstore", "gateway/api", "gateway/web"):
		return "the domain does not know its technology"
	case strings.HasPrefix(imp, "github.com/segmentio/kafka-go") && !under(room, "gateway/kafkalog"):
		return "Kafka has one room"
	case strings.HasPrefix(imp, "github.com/twmb/franz-go") && !under(room, "gateway/kafkalog"):
		return "Kafka has one room"
	case strings.HasPrefix(imp, "github.com/redis/go-redis") && !under(room, "gateway/redisstore"):
		return "Redis has one room"
	case (strings.HasPrefix(imp, "github.com/miekg/pkcs11") || strings.HasPrefix(imp, "software.sslmate.com/src/go-pkcs12")) && !under(room, "connectors/edelivery/keystore"):
		return "keys come from one room"
	case (strings.HasPrefix(imp, "github.com/miekg/dns") || strings.HasPrefix(imp, "golang.org/x/net/dns")) && !under(room, "connectors/naptr"):
		return "DNS has one room"
	case under(room, "connectors/register/care", "connectors/register/capture", "connectors/register/filedrop", "connectors/register/jsonxml", "connectors/register/pgfake", "connectors/register/pgread", "connectors/register/soapsec") && ours == "connectors/register":
		return "what the engine stands on does not know it"
	case strings.HasPrefix(imp, "github.com/jackc/pgx") && !under(room, "connectors/register/pgread", "connectors/register/pgfake"):
		return "PostgreSQL has one room, and its fake another"
	case (strings.HasPrefix(imp, "github.com/pkg/sftp") || strings.HasPrefix(imp, "golang.org/x/crypto/ssh")) && !under(room, "connectors/register/filedrop"):
		return "SFTP has one room"
	case (strings.HasPrefix(imp, "codeberg.org/go-pdf") || strings.HasPrefix(imp, "codeberg.org/go-fonts") || strings.HasPrefix(imp, "golang.org/x/image")) && !under(room, "connectors/pdf"):
		return "PDF has one room"
	case strings.HasPrefix(imp, "github.com/beevik/etree") && !under(room, "connectors/xmldoc"):
		return "etree has one room"
	case imp == "net/http" && !under(room, "gateway/api", "gateway/web", "connectors/edelivery", "connectors/register", "connectors/directory", "connectors/netguard") ||
		imp == "net/http" && under(room, "connectors/register/care", "connectors/register/capture", "connectors/register/filedrop", "connectors/register/jsonxml", "connectors/register/pgfake", "connectors/register/pgread"):
		return "this room does no HTTP"
	}
	return ""
}
