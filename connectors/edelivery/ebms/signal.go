package ebms

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"oncegate/connectors/xmldoc"
)

// A Signal answers a user message, with a receipt or errors, or asks for one.
type Signal struct {
	Timestamp      time.Time
	MessageID      string
	RefToMessageID string
	Pull           *PullRequest
	Receipt        *Receipt
	Errors         []SignalError
}

// A PullRequest asks for the oldest message of a partition.
type PullRequest struct {
	MPC string // DefaultMPC where the request names none
}

// A Receipt is proof of receipt with non-repudiation information.
type Receipt struct {
	References []Reference
}

// A Reference is one ds:Reference of the message that the receipt is for.
type Reference struct {
	URI    string
	Digest string // base64 without white space
}

// A SignalError is one eb:Error.
type SignalError struct {
	Code        Code
	Severity    string
	RefTo       string
	Description string
	Detail      string
}

const (
	maxErrors     = 20
	maxReferences = 102 // Messaging, Body and 100 parts
	maxText       = 16 << 10
)

func readSignal(e xmldoc.Element) (*Signal, error) {
	var err error
	sig := &Signal{}
	s := scanOf(e, &err)
	if info, ok := s.need("MessageInfo"); ok {
		sig.Timestamp, sig.MessageID, sig.RefToMessageID = readInfo(info, &err)
	}
	if p, ok := s.maybe("PullRequest"); ok {
		if sig.Pull = (&PullRequest{MPC: s.attr(p, "mpc")}); sig.Pull.MPC == "" {
			sig.Pull.MPC = DefaultMPC // ebMS3 5.2.3.1
		}
		if !p.First().IsZero() {
			s.fail(FeatureNotSupported, "selection within a partition is not supported") // Part 2, not in the profile
		}
	}
	if r, ok := s.maybe("Receipt"); ok {
		sig.Receipt = readReceipt(r, &s)
	}
	for {
		er, ok := s.maybe("Error")
		if !ok {
			break
		}
		if len(sig.Errors) == maxErrors {
			s.fail(InvalidHeader, "more than %d errors", maxErrors)
			break
		}
		sig.Errors = append(sig.Errors, readError(er, &s))
	}
	s.end()
	if n := given(sig.Pull != nil) + given(sig.Receipt != nil) + given(len(sig.Errors) > 0); err == nil && n != 1 {
		s.fail(InvalidHeader, "signal is not just one of pull request, receipt and error")
	}
	return sig, err
}

func given(b bool) int {
	if b {
		return 1
	}
	return 0
}

func readReceipt(e xmldoc.Element, s *scan) *Receipt {
	// phase4 puts a remark of its own beside it.
	info, err := e.Only(xmldoc.Name{Space: NRRNamespace, Local: "NonRepudiationInformation"})
	if err != nil {
		s.fail(InvalidHeader, "receipt without non-repudiation information")
		return nil
	}
	r := &Receipt{}
	for part := range info.Children() {
		ref, err := part.Only(xmldoc.Name{Space: DSNamespace, Local: "Reference"})
		if err != nil || part.Name() != (xmldoc.Name{Space: NRRNamespace, Local: "MessagePartNRInformation"}) || len(r.References) == maxReferences {
			s.fail(InvalidHeader, "non-repudiation information is not a list of references")
			return nil
		}
		uri, _ := ref.Attr(xmldoc.Name{Local: "URI"})
		digest, err := ref.OnlyText(xmldoc.Name{Space: DSNamespace, Local: "DigestValue"})
		if err != nil {
			s.fail(InvalidHeader, "reference without a digest")
			return nil
		}
		r.References = append(r.References, Reference{URI: uri, Digest: joined(digest)})
	}
	return r
}

// joined returns s without white space, which a stack may break base64 with.
func joined(s string) string {
	if !strings.ContainsFunc(s, unicode.IsSpace) {
		return s
	}
	return strings.Join(strings.Fields(s), "")
}

func readError(e xmldoc.Element, s *scan) SignalError {
	out := SignalError{
		Code:     Code(s.attr(e, "errorCode")),
		Severity: strings.ToLower(s.attr(e, "severity")),
		RefTo:    s.attr(e, "refToMessageInError"),
	}
	if out.Code != "" && !out.Code.wellFormed() {
		out.Code = Other // the code goes on into our records, whatever a peer writes
	}
	if out.Code == "" || out.Severity == "" {
		s.fail(InvalidHeader, "error without code or severity")
	}
	for c := range e.Children() {
		switch c.Name() {
		case eb("Description"):
			out.Description = s.token(c, maxText)
		case eb("ErrorDetail"):
			out.Detail = s.token(c, maxText)
		}
	}
	return out
}

// Answers reports whether the signal is about the message, and about no other.
func (s *Signal) Answers(messageID string) bool {
	if s.RefToMessageID != messageID {
		return false
	}
	return !slices.ContainsFunc(s.Errors, func(e SignalError) bool { return e.RefTo != "" && e.RefTo != messageID })
}
