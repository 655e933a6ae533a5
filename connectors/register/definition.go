package register

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"oncegate/connectors/evidence"
	"oncegate/connectors/register/capture"
	"oncegate/connectors/register/care"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
	"oncegate/schemas/canon"
)

// DefinitionFile is the name of the file that makes a folder a register.
const DefinitionFile = "register.yaml"

// A Definition is what a register.yaml says, compiled. It is immutable and safe
// for concurrent use. It holds knowledge, never an address or a secret.
type Definition struct {
	Name         string // the folder
	Version      string // name@digest of the file, and + that of the evidence type: what made a record can be found again
	Title        string
	Country      string // two-letter code
	About        Subject
	EvidenceType canon.EvidenceType
	Issuer       canon.Agent
	Transport    string // kind

	folder    fs.FS
	transport transport
	care      care.Terms
	query     *mapping.Program // nil for a transport that sends no document
	unasked   []unaskedRule    // queries that are answered without a call
	asks      *schemaRule      // of the document that the query rules make; nil: none
	reply     reply
	evidence  *mapping.Program
	kind      *evidence.Kind // of the canonical record; nil where rules make a record of their own

	supplements []supplement
	pseudonyms  *capture.Rules // of the recorder
}

// Subject says whom a register knows.
type Subject string

// The subjects.
const (
	AboutNatural Subject = "natural-person"
	AboutLegal   Subject = "legal-person"
)

// reply is how an answer is read.
type reply struct {
	outcomes []outcomeRule
	hits     *mapping.Expr
	issuedOn *mapping.Expr
	record   *mapping.Program
	same     []sameRule
	encoding xmldoc.Encoding
	schema   *schemaRule
}

// outcomeRule names an answer that is no record.
type outcomeRule struct {
	when      *mapping.Expr // nil: any answer with the status
	status    int           // of HTTP; 0: any
	means     outcome
	available *mapping.Expr // deferred: when there will be a record
}

// Load reads every folder of fsys that holds a register.yaml. All faults of all
// files are reported at once, as mapping.Errors.
func Load(fsys fs.FS) (map[string]*Definition, error) {
	files, err := fs.Glob(fsys, "*/"+DefinitionFile)
	if err != nil {
		return nil, fmt.Errorf("listing registers: %w", err)
	}
	defs := make(map[string]*Definition, len(files))
	var faults mapping.Errors
	for _, file := range files {
		text, err := fs.ReadFile(fsys, file)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		folder, err := fs.Sub(fsys, path.Dir(file))
		if err != nil {
			return nil, fmt.Errorf("opening the folder of %s: %w", file, err)
		}
		def, err := parseDefinition(file, path.Dir(file), text)
		if err != nil {
			var list mapping.Errors
			if !errors.As(err, &list) {
				return nil, fmt.Errorf("reading %s: %w", file, err)
			}
			faults = append(faults, list...)
			continue
		}
		def.folder = folder
		faults = append(faults, def.compileSchemas()...)
		defs[def.Name] = def
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return defs, nil
}

var (
	namePattern           = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	countryPattern        = regexp.MustCompile(`^[A-Z]{2}$`)
	classificationPattern = regexp.MustCompile(`^https://sr\.oots\.tech\.ec\.europa\.eu/evidencetypeclassifications/([A-Z]{2}|oots)/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// parseDefinition reads one register.yaml; folder is empty for one that stands in none.
func parseDefinition(file, folder string, text []byte) (*Definition, error) {
	doc, root := yamldoc.Parse(file, text)
	if !root.Exists() {
		return nil, doc.Err()
	}
	f := root.Fields("apiVersion", "kind", "name", "title", "country", "about", "evidence_type", "issuer",
		"transport", "prefixes", "code_lists", "groups", "care", "query", "reply", "record", "evidence", "supplements", "pseudonymise")
	f["apiVersion"].RequiredText(root, "apiVersion")
	f["apiVersion"].Word(mapping.APIVersion)
	f["kind"].RequiredText(root, "kind")
	f["kind"].Word("Register")
	digest := sha256.Sum256(text)
	d := &Definition{
		Name:    f["name"].RequiredText(root, "name"),
		Title:   f["title"].RequiredText(root, "title"),
		Country: f["country"].RequiredText(root, "country"),
		About:   Subject(f["about"].Word(string(AboutNatural), string(AboutLegal))),
	}
	d.Version = d.Name + "@" + hex.EncodeToString(digest[:6])
	switch {
	case d.Name == "":
	case !namePattern.MatchString(d.Name):
		f["name"].Fault("want lower-case letters, digits and -")
	case folder != "" && d.Name != folder:
		f["name"].Fault("the register stands in the folder %q and must have its name", folder)
	}
	if d.Country != "" && !countryPattern.MatchString(d.Country) {
		f["country"].Fault("want a two-letter country code in upper case")
	}
	d.care = care.Parse(f["care"])
	d.evidenceType(root, f["evidence_type"])
	d.issuer(root, f["issuer"])

	scope := mapping.NewScope(f["prefixes"], f["code_lists"])
	scope.Groups(f["groups"])
	d.recordSection(root, f["record"], f["evidence"], scope)
	d.supplementsSection(f["supplements"], scope)
	d.pseudonyms = capture.Parse(f["pseudonymise"], scope.Prefixes(), scope.Use)
	d.replySection(root, f["reply"], scope)
	d.knownTargets()
	d.transportSection(root, f["transport"], scope)
	d.querySection(root, f["query"], scope)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return d, nil
}

// section reads rules that make XML of a record.
func section(root, v yamldoc.Value, key string, scope *mapping.Scope) *mapping.Program {
	if !v.Exists() {
		root.Fault("missing key %q", key)
		return nil
	}
	f := v.Fields("rules")
	if !f["rules"].Exists() {
		v.Fault("missing key %q", "rules")
	}
	return scope.Program(f["rules"], mapping.ValueToXML)
}

func (d *Definition) evidenceType(root, v yamldoc.Value) {
	if !v.Exists() {
		root.Fault("missing key %q", "evidence_type")
		return
	}
	f := v.Fields("id", "classification", "titles", "languages", "conforms_to")
	t := canon.EvidenceType{
		ID:             f["id"].RequiredText(v, "id"),
		Classification: f["classification"].RequiredText(v, "classification"),
		Titles:         texts(v, f["titles"], "titles"),
	}
	if t.ID != "" && !canon.ValidUUID(t.ID) {
		f["id"].Fault("want a UUID in lower case")
	}
	if t.Classification != "" && !classificationPattern.MatchString(t.Classification) { // R-EDM-REQ-C027
		f["classification"].Fault("want https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/<country>/<uuid>")
	}
	dist := canon.Distribution{Format: "application/xml", ConformsTo: f["conforms_to"].Text()}
	for _, l := range f["languages"].Items() {
		dist.Languages = append(dist.Languages, l.Text())
		if !countryPattern.MatchString(l.Text()) {
			l.Fault("want a two-letter language code in upper case")
		}
	}
	t.Distributions = []canon.Distribution{dist}
	d.EvidenceType = t
}

func (d *Definition) issuer(root, v yamldoc.Value) {
	if !v.Exists() {
		root.Fault("missing key %q", "issuer")
		return
	}
	f := v.Fields("scheme", "id", "names")
	d.Issuer = canon.Agent{
		ID:      canon.Participant{Scheme: f["scheme"].RequiredText(v, "scheme"), ID: f["id"].RequiredText(v, "id")},
		Names:   texts(v, f["names"], "names"),
		Country: d.Country,
	}
}

// texts reads a map of language and text.
func texts(owner, v yamldoc.Value, key string) []canon.Text {
	if !v.Exists() {
		owner.Fault("missing key %q", key)
		return nil
	}
	var out []canon.Text
	for _, e := range v.Entries() {
		if !countryPattern.MatchString(e.Key) {
			e.At.Fault("want a two-letter language code in upper case")
		}
		out = append(out, canon.Text{Lang: e.Key, Text: e.Value.RequiredText(v, e.Key)})
	}
	return out
}

func (d *Definition) replySection(root, v yamldoc.Value, scope *mapping.Scope) {
	if !v.Exists() {
		root.Fault("missing key %q", "reply")
		return
	}
	f := v.Fields("outcomes", "hits", "issued_on", "rules", "unread", "same", "encoding", "schema", "catalog")
	d.reply.encoding = readEncoding(f["encoding"])
	d.reply.schema = readSchema(f["schema"], f["catalog"])
	for _, item := range f["outcomes"].Items() {
		o := item.Fields("when", "status", "means", "available")
		if !o["when"].Exists() && !o["status"].Exists() {
			item.Fault("missing key %q or %q", "when", "status")
		}
		word := o["means"].RequiredText(item, "means")
		means, ok := outcomeOf(word)
		if word != "" && !ok {
			o["means"].Fault("want one of %s", strings.Join(outcomeWords(), ", "))
		}
		if (means == outcomeDeferred) != o["available"].Exists() {
			item.Fault("available says when a deferred record will be there, and stands with means: deferred alone")
		}
		rule := outcomeRule{means: means}
		if o["when"].Exists() {
			rule.when = scope.Expr(o["when"], mapping.TypeBool)
		}
		if o["status"].Exists() {
			rule.status = int(o["status"].Int(100, 599))
		}
		if o["available"].Exists() {
			rule.available = scope.Expr(o["available"], mapping.TypeText)
		}
		d.reply.outcomes = append(d.reply.outcomes, rule)
	}
	for _, item := range f["same"].Items() {
		d.reply.same = append(d.reply.same, readSame(item, scope))
	}
	if !f["hits"].Exists() {
		v.Fault("missing key %q: the path of the records in a reply", "hits")
	}
	if !f["rules"].Exists() {
		v.Fault("missing key %q", "rules")
	}
	d.reply.hits = scope.Expr(f["hits"], mapping.TypeNodes)
	d.reply.issuedOn = scope.Expr(f["issued_on"], mapping.TypeText)
	d.reply.record = scope.Program(f["rules"], mapping.XMLToValue)
	d.reply.record.Unread(f["unread"])
}

func (d *Definition) transportSection(root, v yamldoc.Value, scope *mapping.Scope) {
	if !v.Exists() {
		root.Fault("missing key %q", "transport")
		return
	}
	var kind yamldoc.Value
	for _, e := range v.Entries() {
		if e.Key == "kind" {
			kind = e.Value
		}
	}
	kinds := transports()
	if !kind.Exists() {
		v.Fault("missing key %q", "kind")
		return
	}
	d.Transport = kind.Text()
	read, ok := kinds[d.Transport]
	if !ok {
		words := make([]string, 0, len(kinds))
		for k := range kinds {
			words = append(words, k)
		}
		slices.Sort(words)
		kind.Fault("want one of %s", strings.Join(words, ", "))
		return
	}
	d.transport = read(v, scope)
}
