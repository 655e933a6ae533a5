package register

import (
	"errors"
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
)

// addressingSpace is the namespace of WS-Addressing 1.0.
const addressingSpace = "http://www.w3.org/2005/08/addressing"

// addressing are the WS-Addressing headers of a query.
type addressing struct {
	to string // empty: the address that is called
}

func readAddressing(v yamldoc.Value) *addressing {
	if !v.Exists() {
		return nil
	}
	return &addressing{to: v.Fields("to")["to"].Text()}
}

func addressed(local, text string) *mapping.Element {
	return &mapping.Element{Name: mapping.Name{Prefix: "wsa", Space: addressingSpace, Local: local}, Text: text}
}

// headers are the blocks of one query (WS-Addressing 1.0 Core, 3.2).
func (a *addressing) headers(r *request, action, url string) []*mapping.Element {
	if a == nil {
		return nil
	}
	to := a.to
	if to == "" {
		to = url
	}
	return []*mapping.Element{addressed("To", to), addressed("Action", action), addressed("MessageID", messageURI(r))}
}

func messageURI(r *request) string { return "urn:uuid:" + string(r.id) }

// check refuses the answer to another query. An answer that names none is believed:
// it came on the connection of this one. may says whether a header may be read.
func (a *addressing) check(header xmldoc.Element, r *request, may func(xmldoc.Element) bool) error {
	if a == nil || header.IsZero() {
		return nil
	}
	for e := range header.All(xmldoc.Name{Space: addressingSpace, Local: "RelatesTo"}) {
		kind, _ := e.Attr(xmldoc.Name{Local: "RelationshipType"})
		if kind != "" && kind != addressingSpace+"/reply" {
			continue
		}
		if !may(e) || strings.TrimSpace(e.Text()) != messageURI(r) {
			return errors.New("the reply relates to another query (wsa:RelatesTo)")
		}
	}
	return nil
}
