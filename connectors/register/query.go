package register

import (
	"fmt"
	"slices"

	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
)

// unaskedRule names a query that is answered without a call: the register knows
// nobody without a number of its country, and need not learn of who has none.
type unaskedRule struct {
	when  *mapping.Lookup // over the query
	means outcome
	line  int
}

// querySection reads how the register is asked, and when it is not.
func (d *Definition) querySection(root, v yamldoc.Value, scope *mapping.Scope) {
	if d.transport == nil {
		return
	}
	direction := mapping.ValueToXML
	if t, ok := d.transport.(valueTransport); ok && t.sendsValue() {
		direction = mapping.ValueToValue
	}
	d.asks = querySchema(v, direction)
	f := v.Fields("rules", "outcomes", "schema", "catalog")
	for _, item := range f["outcomes"].Items() {
		d.unasked = append(d.unasked, readUnasked(item, scope))
	}
	switch {
	case d.transport.needsDocument() && !v.Exists():
		root.Fault("missing key %q: the document to send", "query")
	case d.transport.needsDocument() && !f["rules"].Exists():
		v.Fault("missing key %q", "rules")
	case d.transport.needsDocument():
		d.query = scope.Query(f["rules"], direction)
	case f["rules"].Exists():
		f["rules"].Fault("this transport sends no document")
	case v.Exists() && !f["outcomes"].Exists():
		v.Fault("this transport sends no document")
	}
}

func readUnasked(item yamldoc.Value, scope *mapping.Scope) unaskedRule {
	f := item.Fields("when", "means", "note")
	if !f["when"].Exists() {
		item.Fault("missing key %q", "when")
	}
	words := []string{outcomeNotFound.String(), outcomeInvalid.String()}
	word := f["means"].RequiredText(item, "means")
	means, ok := outcomeOf(word)
	if word != "" && (!ok || !slices.Contains(words, word)) {
		f["means"].Fault("want %s or %s: nobody was asked", words[0], words[1])
	}
	line, _ := item.Place()
	return unaskedRule{scope.Lookup(f["when"]), means, line}
}

// answerUnasked is the result of a query for which nothing is sent.
func (d *Definition) answerUnasked(in any) (result, bool) {
	for _, r := range d.unasked {
		holds, err := r.when.True(in)
		if err != nil {
			return result{outcome: outcomeInvalid, detail: firstFault(err), err: err}, true
		}
		if holds {
			return result{outcome: r.means, detail: fmt.Sprintf("nothing was sent: the definition answers such a query (%s, outcomes of query, line %d)", DefinitionFile, r.line)}, true
		}
	}
	return result{}, false
}

// hasSecrets wants a value for every secret that the query rules name.
func (d *Definition) hasSecrets(e Endpoint) error {
	if d.query == nil {
		return nil
	}
	for _, name := range d.query.Secrets() {
		if e.Secrets[name] == "" {
			return fmt.Errorf("the query rules name secret('%s'): secrets.%s is required", name, name)
		}
	}
	return nil
}

// secret gives what a query rule writes; it goes into a request and nowhere else.
func (e Endpoint) secret(name string) string { return string(e.Secrets[name]) }

// sameRule says what a record must share with the query: a register that answers
// about somebody else must not be believed.
type sameRule struct {
	asked *mapping.Lookup // over the query
	among *mapping.Lookup // over the record: nodes of which one must be the same; nil: the record
	got   *mapping.Lookup // over the record, or at each of those nodes
	line  int
}

func readSame(item yamldoc.Value, scope *mapping.Scope) sameRule {
	f := item.Fields("asked", "among", "got", "note")
	for _, key := range []string{"asked", "got"} {
		if !f[key].Exists() {
			item.Fault("missing key %q", key)
		}
	}
	line, _ := item.Place()
	return sameRule{scope.Lookup(f["asked"]), scope.LookupPath(f["among"]), scope.Lookup(f["got"]), line}
}

// samePerson compares record and query where the definition says so and both
// sides hold something. One of several that holds nothing could be the one asked for.
func (d *Definition) samePerson(in, record any) error {
	if in == nil {
		return nil
	}
	for _, s := range d.reply.same {
		asked, err := s.asked.Text(in)
		if err != nil {
			return err
		}
		got, err := s.answers(record)
		if err != nil {
			return err
		}
		if asked != "" && len(got) > 0 && !slices.Contains(got, "") && !slices.Contains(got, asked) {
			return fmt.Errorf("the register answered about somebody else (%s, same, line %d)", DefinitionFile, s.line)
		}
	}
	return nil
}

func (s *sameRule) answers(record any) ([]string, error) {
	if s.among != nil {
		return s.got.Texts(record, s.among)
	}
	text, err := s.got.Text(record)
	return []string{text}, err
}
