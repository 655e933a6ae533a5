package ebms

import (
	"fmt"
	"time"

	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/xmldoc"
)

// TimeLayout has exactly three fraction digits: Domibus unmarshals and marshals
// again, and any other form breaks the signature.
const TimeLayout = "2006-01-02T15:04:05.000Z"

// The writers below emit the header block in its own canonical form: every
// namespace is declared on the block, and attributes are in canonical order.

// open starts the block. The order of declarations is that of their prefixes, the
// order of attributes that of their namespaces.
func open(dst []byte, id string) []byte {
	dst = append(dst, `<eb:Messaging xmlns:S12="`+SOAPNamespace+`" xmlns:eb="`+Namespace+`" xmlns:wsu="`+WSUNamespace+`" wsu:Id="`...)
	dst = xmldoc.AppendAttr(dst, id)
	return append(dst, `" S12:mustUnderstand="true">`...)
}

func element(dst []byte, name, text string) []byte {
	dst = append(append(append(dst, "<eb:"...), name...), '>')
	dst = xmldoc.AppendText(dst, text)
	return append(append(append(dst, "</eb:"...), name...), '>')
}

// attribute writes name="value", nothing for an empty value.
func attribute(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(append(dst, ' '), name...), `="`...)
	return append(xmldoc.AppendAttr(dst, value), '"')
}

func info(dst []byte, at time.Time, id, ref string) []byte {
	dst = append(dst, "<eb:MessageInfo>"...)
	dst = element(dst, "Timestamp", at.UTC().Format(TimeLayout))
	dst = element(dst, "MessageId", id)
	if ref != "" {
		dst = element(dst, "RefToMessageId", ref)
	}
	return append(dst, "</eb:MessageInfo>"...)
}

// AppendUserMessage appends the header block of m with the given wsu:Id.
func AppendUserMessage(dst []byte, m *UserMessage, id string) ([]byte, error) {
	if err := m.validText(); err != nil {
		return nil, err
	}
	dst = open(dst, id)
	dst = append(dst, "<eb:UserMessage"...)
	dst = attribute(dst, "mpc", m.MPC)
	dst = append(dst, '>')
	dst = info(dst, m.Timestamp, m.MessageID, m.RefToMessageID)
	dst = append(dst, "<eb:PartyInfo>"...)
	dst = party(dst, "From", m.From)
	dst = party(dst, "To", m.To)
	dst = append(dst, "</eb:PartyInfo><eb:CollaborationInfo>"...)
	if m.Agreement != (Agreement{}) {
		dst = append(dst, "<eb:AgreementRef"...)
		dst = attribute(dst, "pmode", m.Agreement.PMode)
		dst = attribute(dst, "type", m.Agreement.Type)
		dst = append(dst, '>')
		dst = xmldoc.AppendText(dst, m.Agreement.Value)
		dst = append(dst, "</eb:AgreementRef>"...)
	}
	dst = append(dst, "<eb:Service"...)
	dst = attribute(dst, "type", m.Service.Type)
	dst = append(dst, '>')
	dst = xmldoc.AppendText(dst, m.Service.Value)
	dst = append(dst, "</eb:Service>"...)
	dst = element(dst, "Action", m.Action)
	dst = element(dst, "ConversationId", m.ConversationID)
	dst = append(dst, "</eb:CollaborationInfo>"...)
	dst = properties(dst, "MessageProperties", m.Properties)
	if len(m.Parts) > 0 {
		dst = append(dst, "<eb:PayloadInfo>"...)
		for _, p := range m.Parts {
			dst = append(dst, "<eb:PartInfo"...)
			dst = attribute(dst, "href", swa.EncodeCID(p.ID))
			dst = append(dst, '>')
			dst = properties(dst, "PartProperties", p.Properties)
			dst = append(dst, "</eb:PartInfo>"...)
		}
		dst = append(dst, "</eb:PayloadInfo>"...)
	}
	return append(dst, "</eb:UserMessage></eb:Messaging>"...), nil
}

func party(dst []byte, name string, p Party) []byte {
	dst = append(append(append(dst, "<eb:"...), name...), "><eb:PartyId"...)
	dst = attribute(dst, "type", p.Type())
	dst = append(dst, '>')
	dst = xmldoc.AppendText(dst, p.ID.ID)
	dst = append(dst, "</eb:PartyId>"...)
	dst = element(dst, "Role", p.Role)
	return append(append(append(dst, "</eb:"...), name...), '>')
}

func properties(dst []byte, name string, ps []Property) []byte {
	if len(ps) == 0 {
		return dst
	}
	dst = append(append(append(dst, "<eb:"...), name...), '>')
	for _, p := range ps {
		dst = append(dst, "<eb:Property"...)
		dst = attribute(dst, "name", p.Name)
		dst = attribute(dst, "type", p.Type)
		dst = append(dst, '>')
		dst = xmldoc.AppendText(dst, p.Value)
		dst = append(dst, "</eb:Property>"...)
	}
	return append(append(append(dst, "</eb:"...), name...), '>')
}

// AppendReceipt appends the header block of a receipt. references are the
// ds:Reference elements of the message's SignedInfo, each complete with its
// namespaces.
func AppendReceipt(dst []byte, s *Signal, references [][]byte, id string) []byte {
	dst = signal(dst, s, id)
	dst = append(dst, `<eb:Receipt><ebbp:NonRepudiationInformation xmlns:ebbp="`+NRRNamespace+`">`...)
	for _, r := range references {
		dst = append(dst, "<ebbp:MessagePartNRInformation>"...)
		dst = append(dst, r...)
		dst = append(dst, "</ebbp:MessagePartNRInformation>"...)
	}
	return append(dst, "</ebbp:NonRepudiationInformation></eb:Receipt></eb:SignalMessage></eb:Messaging>"...)
}

// AppendPullRequest appends the header block of a request for the oldest message of
// a partition.
func AppendPullRequest(dst []byte, s *Signal, mpc, id string) []byte {
	dst = signal(dst, s, id)
	dst = append(dst, "<eb:PullRequest"...)
	dst = attribute(dst, "mpc", mpc)
	return append(dst, "></eb:PullRequest></eb:SignalMessage></eb:Messaging>"...)
}

// AppendError appends the header block of an error signal. A code that is not in
// the table is written as Other.
func AppendError(dst []byte, s *Signal, e *Error, id string) []byte {
	code := e.Code
	entry, ok := code.Entry()
	if !ok {
		code = Other
		entry, _ = code.Entry()
	}
	dst = signal(dst, s, id)
	dst = append(dst, "<eb:Error"...)
	dst = attribute(dst, "category", entry.Category)
	dst = attribute(dst, "errorCode", string(code))
	dst = attribute(dst, "origin", entry.Origin)
	dst = attribute(dst, "refToMessageInError", s.RefToMessageID)
	dst = attribute(dst, "severity", entry.Severity)
	dst = attribute(dst, "shortDescription", entry.Short)
	dst = append(dst, '>')
	if e.Detail != "" {
		dst = append(dst, `<eb:Description xml:lang="en">`...)
		dst = xmldoc.AppendText(dst, e.Detail)
		dst = append(dst, "</eb:Description>"...)
	}
	return append(dst, "</eb:Error></eb:SignalMessage></eb:Messaging>"...)
}

func signal(dst []byte, s *Signal, id string) []byte {
	dst = open(dst, id)
	dst = append(dst, "<eb:SignalMessage>"...)
	return info(dst, s.Timestamp, s.MessageID, s.RefToMessageID)
}

// validText refuses values that cannot be written, and those that a reader could
// not read back.
func (m *UserMessage) validText() error {
	for _, v := range []struct{ name, value string }{
		{"mpc", m.MPC}, {"MessageId", m.MessageID}, {"RefToMessageId", m.RefToMessageID},
		{"From", m.From.ID.ID}, {"From type", m.From.ID.Scheme}, {"From role", m.From.Role},
		{"To", m.To.ID.ID}, {"To type", m.To.ID.Scheme}, {"To role", m.To.Role},
		{"AgreementRef", m.Agreement.Value}, {"AgreementRef type", m.Agreement.Type}, {"AgreementRef pmode", m.Agreement.PMode},
		{"Service", m.Service.Value}, {"Service type", m.Service.Type}, {"Action", m.Action}, {"ConversationId", m.ConversationID},
	} {
		if !xmldoc.ValidText(v.value) || len(v.value) > maxValue {
			return fmt.Errorf("writing header: %s cannot stand in XML", v.name)
		}
	}
	for _, p := range []Party{m.From, m.To} {
		if p.Type() == "" && !IsURI(p.ID.ID) {
			return fmt.Errorf("writing header: a party id without a type is not a URI")
		}
	}
	ok := func(ps []Property) bool {
		for _, p := range ps {
			if p.Name == "" || !xmldoc.ValidText(p.Name) || !xmldoc.ValidText(p.Type) || !xmldoc.ValidText(p.Value) || len(p.Value) > maxValue {
				return false
			}
		}
		return true
	}
	if !ok(m.Properties) {
		return fmt.Errorf("writing header: a message property cannot stand in XML")
	}
	for _, p := range m.Parts {
		if !swa.ValidID(p.ID) || !ok(p.Properties) {
			return fmt.Errorf("writing header: a part cannot be named in XML")
		}
	}
	return nil
}
