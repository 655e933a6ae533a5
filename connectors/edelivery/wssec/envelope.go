package wssec

import (
	"strings"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmldoc"
)

// An Envelope names the elements of a SOAP envelope that AS4 uses, each in the
// one place where it may stand. Nothing in it is verified yet.
type Envelope struct {
	Messaging xmldoc.Element // /Envelope/Header/Messaging
	Security  xmldoc.Element // /Envelope/Header/Security; zero where there is none
	Body      xmldoc.Element // /Envelope/Body
}

// Locate finds the elements by position, never by id or by name alone, and
// refuses what could be taken for one of them (spec i.1). Errors are *ebms.Error.
func Locate(doc *xmldoc.Document) (Envelope, error) {
	var env Envelope
	root := doc.Root()
	if !root.Is(s12("Envelope")) {
		return env, ebms.Errorf(ebms.InvalidHeader, "root is not a SOAP 1.2 envelope")
	}
	var header xmldoc.Element
	n := 0
	for c := range root.Children() {
		switch {
		case n == 0 && c.Is(s12("Header")):
			header = c
		case n == 1 && c.Is(s12("Body")):
			env.Body = c
		default:
			return env, ebms.Errorf(ebms.InvalidHeader, "envelope is not one Header and one Body")
		}
		n++
	}
	if n != 2 {
		return env, ebms.Errorf(ebms.InvalidHeader, "envelope is not one Header and one Body")
	}
	if err := env.blocks(header); err != nil {
		return env, err
	}
	for c := range env.Body.Children() {
		if c.Is(s12("Fault")) {
			continue // says in other words what the header says (ebMS3 6.6)
		}
		return env, ebms.Errorf(ebms.ValueInconsistent, "payload in the SOAP Body is not part of the profile")
	}
	if strings.TrimSpace(env.Body.Text()) != "" {
		return env, ebms.Errorf(ebms.ValueInconsistent, "payload in the SOAP Body is not part of the profile")
	}
	return env, nil
}

// actor11 is the role of SOAP 1.1: who reads it would not take the block for its own (b.4).
var actor11 = xmldoc.Name{Space: "http://schemas.xmlsoap.org/soap/envelope/", Local: "actor"}

func (env *Envelope) blocks(header xmldoc.Element) error {
	for c := range header.Children() {
		switch {
		case c.Is(ebms.MessagingName):
			if !env.Messaging.IsZero() {
				return ebms.Errorf(ebms.ValueInconsistent, "more than one Messaging header")
			}
			env.Messaging = c
		case c.Is(wsse("Security")):
			if !env.Security.IsZero() {
				return ebms.Errorf(ebms.PolicyNoncompliance, "more than one Security header")
			}
			env.Security = c
		case c.Name().Space == ebms.MFNamespace:
			return ebms.Errorf(ebms.HeaderNotSupported, "split and join is not supported")
		case mustUnderstand(c):
			return ebms.Errorf(ebms.HeaderNotSupported, "a header block that must be understood is not")
		}
		role, ok := c.Attr(s12("role"))
		if _, actor := c.Attr(actor11); actor || ok && role != ultimate {
			return ebms.Errorf(ebms.HeaderNotSupported, "a header block is for another role")
		}
	}
	if env.Messaging.IsZero() {
		return ebms.Errorf(ebms.InvalidHeader, "no Messaging header")
	}
	return nil
}

func mustUnderstand(e xmldoc.Element) bool {
	v, _ := e.Attr(s12("mustUnderstand"))
	v = strings.TrimSpace(v)
	return v != "" && v != "false" && v != "0"
}
