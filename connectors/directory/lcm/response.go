package lcm

import (
	"fmt"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
)

// A Response is rs:RegistryResponse: what a submission is answered with.
type Response struct {
	RequestID string // of the submission; may be empty where that could not be read
	Faults    []Fault
}

// OK reports that the submission was accepted.
func (r Response) OK() bool { return len(r.Faults) == 0 }

// maxFaults bounds the exceptions of one response.
const maxFaults = 50

// messages are the fixed texts of the codes (list LCMErrorCodes).
var messages = map[string]string{
	CodeObject:      "A registry object in the Request does not comply with the specification",
	CodeAssociation: "An association in the Request does not comply with the specification",
	CodeDataset:     "The dataset provided failed to pass the validation and integrity check",
}

// WriteResponse writes a response.
func WriteResponse(r Response) ([]byte, error) {
	w := &rim.Writer{}
	status := rim.StatusSuccess
	if !r.OK() {
		status = rim.StatusFailure
	}
	w.Root("rs:RegistryResponse", "status", status, "requestId", r.RequestID)
	for i, f := range r.Faults {
		if i == maxFaults {
			break
		}
		w.OpenException(rim.Exception{Type: rim.RS("InvalidRequestExceptionType"), Code: f.Code, Message: messages[f.Code], Severity: rim.SeverityError, Detail: f.Detail()})
		w.Close("rs:Exception")
	}
	w.Close("rs:RegistryResponse")
	out, err := w.Done()
	if err != nil {
		return nil, fmt.Errorf("writing registry response: %w", err)
	}
	return out, nil
}

// ReadResponse reads a response. A fault is a *rim.Fault.
func ReadResponse(root xmldoc.Element) (Response, error) {
	var r rim.Reader
	if !root.Is(rim.RS("RegistryResponse")) {
		r.Fail(root, "the document is not an rs:RegistryResponse")
	}
	status := r.NeedAttr(root, rim.Plain("status"))
	out := Response{RequestID: r.Attr(root, rim.Plain("requestId"))}
	if out.RequestID != "" && !rim.IsURN(out.RequestID) { // R-LCM-ERR-004
		r.Fail(root, "requestId is not urn:uuid: and a UUID")
	}
	s := r.Sequence(root)
	r.Slots(&s)
	for e := range s.Many(rim.RS("Exception"), 0, rim.Many) {
		x, _ := r.Exception(e)
		line, _ := e.Position()
		text := x.Detail
		if text == "" {
			text = x.Message
		}
		out.Faults = append(out.Faults, Fault{Code: x.Code, Text: text, Line: line})
	}
	s.End() // R-LCM-ERR-007: no objects
	if !r.Failed() && (status == rim.StatusSuccess) != out.OK() {
		r.Fail(root, "status and content of the response do not go together") // R-LCM-ERR-006, 008
	}
	if err := r.Err(); err != nil {
		return Response{}, fmt.Errorf("reading registry response: %w", err)
	}
	return out, nil
}
