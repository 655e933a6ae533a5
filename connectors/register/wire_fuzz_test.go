package register

import (
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
)

// FuzzMTOM: a reply of several parts is refused or becomes one document, in which no
// include is left and not more than what came in.
func FuzzMTOM(f *testing.F) {
	const media = `multipart/related; type="application/xop+xml"; start="<r@x>"; boundary=b`
	part := func(head, body string) string { return "--b\r\n" + head + "\r\n\r\n" + body + "\r\n" }
	root := `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><a><x:Include xmlns:x="` + xopSpace + `" href="cid:p@x"/></a></S:Body></S:Envelope>`
	f.Add(media, part(`Content-Type: application/xop+xml; type="text/xml"`+"\r\nContent-ID: <r@x>", root)+part("Content-Type: application/pdf\r\nContent-ID: <p@x>", "%PDF")+"--b--\r\n")
	f.Add(`multipart/related; type="application/xop+xml"; boundary=b`, part(`Content-Type: application/xop+xml; type="text/xml"`, "<a/>")+"--b--")
	f.Add("text/xml", root)
	f.Fuzz(func(t *testing.T, media, body string) {
		r := &raw{media: media, body: []byte(body)}
		if err := r.unpack("text/xml", 1<<20); err != nil || r.parts == nil {
			return
		}
		doc, err := r.soap()
		if err != nil {
			return
		}
		if n := len(doc.Root().Raw()); n > 2*len(body)+64 {
			t.Errorf("%d bytes became %d", len(body), n)
		}
		for e := range doc.Root().Descendants() {
			if e.Is(xmldoc.Name{Space: xopSpace, Local: "Include"}) {
				t.Error("an include is left")
			}
		}
	})
}

// FuzzSOAP: whatever comes, there is one element to read or an outcome, and nothing
// that the register wrote is in the detail.
func FuzzSOAP(f *testing.F) {
	for _, v := range []soapVersion{soap11(), soap12()} {
		f.Add(`<S:Envelope xmlns:S="` + v.space + `"><S:Header><h S:mustUnderstand="1"/></S:Header><S:Body><a/></S:Body></S:Envelope>`)
		f.Add(`<S:Envelope xmlns:S="` + v.space + `"><S:Body><S:Fault><faultcode>S:Server.ServerProxy.Mallory</faultcode><S:Code><S:Value>S:Sender</S:Value></S:Code></S:Fault></S:Body></S:Envelope>`)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, v := range []soapVersion{soap11(), soap12()} {
			a := (&soap{version: v}).read(&raw{body: []byte(body)})
			if a.root.IsZero() && a.outcome == outcomeUnset {
				t.Error("neither an answer nor an outcome")
			}
			if strings.Contains(a.detail, "Mallory") {
				t.Errorf("the detail is %s", a.detail)
			}
		}
	})
}
