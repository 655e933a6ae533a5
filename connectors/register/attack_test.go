package register_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"oncegate/connectors/register"
	"oncegate/connectors/register/care"
	"oncegate/schemas/canon"
)

// lockedBuffer takes logs of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestNothingOfAReplyIsToldOn: whatever a register writes where, no error, no record
// and no log repeats it.
func TestNothingOfAReplyIsToldOn(t *testing.T) {
	const person = "Kranjec-19940317"
	found := string(sample(t, "companies/testdata/found.reply.xml"))
	body := func(contentType, text string) string {
		return head(contentType, fmt.Sprintf("Connection: close\r\nContent-Length: %d\r\n\r\n", len(text)), text)
	}
	for rule, reply := range map[string]string{
		"no HTTP at all":             person + "\r\n\r\n",
		"a version":                  "HTTP/" + person + " 200 OK\r\n\r\n",
		"a status":                   "HTTP/1.1 " + person + "\r\n\r\n",
		"a reason":                   "HTTP/1.1 500 " + person + "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"a line that is no header":   "HTTP/1.1 200 OK\r\n" + person + "\r\n\r\n",
		"a name of a header":         "HTTP/1.1 200 OK\r\n" + person + " x: y\r\n\r\n",
		"a length":                   "HTTP/1.1 200 OK\r\nContent-Length: " + person + "\r\n\r\n",
		"two lengths":                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2" + person + "\r\n\r\n",
		"a transfer encoding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + person + "\r\n\r\n",
		"a trailer":                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length, " + person + "\r\n\r\n",
		"a chunk":                    head("application/xml", "Transfer-Encoding: chunked\r\n\r\n"+person+"\r\n"),
		"a redirect":                 "HTTP/1.1 302 Found\r\nLocation: http://" + person + ".example/%zz\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		"a media type":               body(person+"/xml", found),
		"a media type that is none":  body(person+";;", found),
		"a charset":                  body("application/xml; charset="+person, found),
		"an encoding":                body("application/xml", `<?xml version="1.0" encoding="`+person+`"?><a/>`),
		"two encodings":              body("application/xml; charset=utf-8", `<?xml version="1.0" encoding="`+person+`"?><a/>`),
		"a name of an element":       body("application/xml", "<"+person+"/>"),
		"tags that do not match":     body("application/xml", "<"+person+"></a>"),
		"a prefix":                   body("application/xml", "<a><"+person+":b/></a>"),
		"an entity":                  body("application/xml", "<a>&"+person+";</a>"),
		"an instruction":             body("application/xml", "<?"+person+" "+person+"<a/>"),
		"a DOCTYPE":                  body("application/xml", "<!DOCTYPE "+person+"><a/>"),
		"a text where a date is due": body("application/xml", strings.Replace(found, `made="`, `made="`+person, 1)),
		"another company":            body("application/xml", strings.ReplaceAll(found, "test-B-00731", person)),
		"every text of the answer":   body("application/xml", replaceTexts(found, person)),
	} {
		t.Run(rule, func(t *testing.T) {
			logs := &lockedBuffer{}
			address := misbehave(t, func(c net.Conn, _ <-chan struct{}) {
				asked(c)
				io.WriteString(c, reply)
			})
			c, err := register.New(withCare(t, "companies", "breaker: {failures: 1000}"), register.Endpoint{URL: "http://" + address, Timeout: 2 * time.Second},
				register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			if err != nil {
				t.Fatal(err)
			}
			ms, err := c.Handle(t.Context(), query(t, "companies"))
			c.Close()
			told := logs.String()
			if err != nil {
				told += err.Error()
			}
			for _, m := range ms {
				text, err := json.Marshal(m.Body)
				if err != nil {
					t.Fatal(err)
				}
				told += string(text)
			}
			for _, part := range []string{"kranjec", "19940317"} {
				if strings.Contains(strings.ToLower(told), part) {
					t.Errorf("told on: %s", told)
				}
			}
		})
	}
}

// replaceTexts puts one text in place of every other.
func replaceTexts(doc, text string) string {
	var out strings.Builder
	for i, piece := range strings.Split(doc, ">") {
		content, tag, found := strings.Cut(piece, "<")
		if i > 0 {
			out.WriteByte('>')
		}
		if strings.TrimSpace(content) != "" {
			content = text
		}
		out.WriteString(content)
		if found {
			out.WriteString("<" + tag)
		}
	}
	return out.String()
}

// TestNoCallIsMadeBehindTheBudget: what the register sees is what was counted, though
// it ends connections that were used before, which makes clients send again by
// themselves, and refuses tokens.
func TestNoCallIsMadeBehindTheBudget(t *testing.T) {
	var seen, counted atomic.Int32
	found := string(sample(t, "companies/testdata/found.reply.xml"))
	address := misbehave(t, func(c net.Conn, _ <-chan struct{}) {
		for n := 0; ; n++ {
			if asked(c) == nil {
				return
			}
			seen.Add(1)
			if n > 0 {
				return // it may have done what it was asked
			}
			io.WriteString(c, head("application/xml", fmt.Sprintf("Content-Length: %d\r\n\r\n", len(found)), found))
		}
	})
	c, err := register.New(withCare(t, "companies", "repeat: never\nbreaker: {failures: 1000}"), register.Endpoint{URL: "http://" + address, Timeout: 2 * time.Second},
		register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Observe: func(o care.Observation) {
			if o.Call != 0 {
				counted.Add(1)
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 4 {
		m := query(t, "companies")
		m.ID = canon.Derive(m.ID, fmt.Sprint(i))
		ms, err := c.Handle(t.Context(), m)
		record(t, ms, err)
	}
	if seen.Load() != counted.Load() || counted.Load() != 4 {
		t.Errorf("the register was asked %d times, %d calls were counted, want 4", seen.Load(), counted.Load())
	}
}

// TestOneAnswerOfTheCacheServesManyAtOnce: each gets pages of its own.
func TestOneAnswerOfTheCacheServesManyAtOnce(t *testing.T) {
	const name = "marriages"
	c := cachedRegister(t, name)
	first := query(t, name)
	ms, err := c.Handle(t.Context(), first)
	want := len(record(t, ms, err).Documents)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			m := query(t, name)
			m.ID = canon.Derive(m.ID, fmt.Sprint(i))
			ms, err := c.Handle(context.Background(), m)
			if err != nil || len(ms) != 1 {
				t.Errorf("got %v, %v", ms, err)
				return
			}
			if rec := ms[0].Body.(*canon.RegisterRecord); len(rec.Documents) != want || !strings.Contains(rec.Detail, "from the cache") {
				t.Errorf("got %d documents, %q", len(rec.Documents), rec.Detail)
			}
		})
	}
	wg.Wait()
}

func cachedRegister(t *testing.T, name string) *register.Connector {
	t.Helper()
	def := withCare(t, name, "cache: {for: 1m}")
	server := httptest.NewServer(reply(200, xmlType, sample(t, name+"/testdata/found.reply.xml")))
	t.Cleanup(server.Close)
	c, err := register.New(def, register.Endpoint{URL: server.URL}, register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// A path that no request could be made of is a fault of the definition, not of every
// query.
func TestPathsOfAddresses(t *testing.T) {
	text := string(sample(t, "companies/register.yaml"))
	for path, good := range map[string]bool{
		"/companies/v1/extract": true, "/a%20b/{procedure}/c": true, "/a b": false, "/a/%zz": false, "/{procedure}%2": false, `/a\b`: false, "/a\tb": false,
	} {
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, "  path: ") {
				lines[i] = fmt.Sprintf("  path: '%s'", path)
			}
		}
		_, err := register.Load(fstest.MapFS{"companies/register.yaml": {Data: []byte(strings.Join(lines, "\n"))}})
		if told := err != nil && strings.Contains(err.Error(), "cannot stand in the path"); told == good {
			t.Errorf("%q: got %v", path, err)
		}
	}
}

// A key of two lines, or a mistyped name, is told when the register is made, and not by
// calls that seem to get no answer.
func TestHeadersThatCannotBeSent(t *testing.T) {
	for _, auth := range []register.Auth{{Header: "X Key", Value: "k"}, {Header: "X-Key:", Value: "k"}, {Header: "X-Key", Value: "s3cret\nsecond"}, {Header: "X-Key", Value: "s3cret\x00"}} {
		err := register.Endpoint{URL: "https://register.example", Auth: auth}.Validate()
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: got %v", auth.Header, err)
		}
	}
	if err := (register.Endpoint{URL: "https://register.example", Auth: register.Auth{Header: "X-Key", Value: "s3cret"}}).Validate(); err != nil {
		t.Error(err)
	}
}

// The same for SOAP, its parts and its faults.
func TestNothingOfAnEnvelopeIsToldOn(t *testing.T) {
	const person = "Kranjec-19940317"
	multipart := func(params, root, rest string) string {
		return `multipart/related; boundary=b; ` + params + "\n--b\r\n" + root + "\r\n--b\r\n" + rest + "\r\n--b--\r\n"
	}
	const soap = `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope">%s</e:Envelope>`
	root := "Content-Type: application/xop+xml; type=\"application/soap+xml\"\r\nContent-ID: <r>\r\n\r\n" + fmt.Sprintf(soap, `<e:Body><a><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:`+person+`"/></a></e:Body>`)
	for rule, text := range map[string]string{
		"a type of the multipart":  multipart("type="+person, root, ""),
		"a part that is not there": multipart(`type="application/xop+xml"; start="<r>"`, root, "Content-ID: <other>\r\n\r\nx"),
		"a part that is not used":  multipart(`type="application/xop+xml"; start="<r>"`, root, "Content-ID: <"+person+">\r\nX-"+person+": "+person+"\r\nX-"+person+": y\r\n\r\nx"),
		"a header of a part":       multipart(`type="application/xop+xml"; start="<r>"`, root, person+"\r\n\r\nx"),
		"a start":                  multipart(`type="application/xop+xml"; start="<`+person+`>"`, root, "Content-ID: <a>\r\n\r\nx"),
		"a fault":                  soapType + "\n" + fmt.Sprintf(soap, `<e:Body><e:Fault><e:Code><e:Value>e:`+person+`</e:Value></e:Code><e:Reason><e:Text xml:lang="en">`+person+`</e:Text></e:Reason></e:Fault></e:Body>`),
		"an envelope of its own":   soapType + "\n<" + person + "/>",
		"a header to understand":   soapType + "\n" + fmt.Sprintf(soap, `<e:Header><p:`+person+` xmlns:p="urn:`+person+`" e:mustUnderstand="1"/></e:Header><e:Body><a/></e:Body>`),
		"a Security header":        soapType + "\n" + fmt.Sprintf(soap, `<e:Header><w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" e:role="`+person+`"><w:`+person+`/></w:Security></e:Header><e:Body><a/></e:Body>`),
		"two children of the body": soapType + "\n" + fmt.Sprintf(soap, `<e:Body><`+person+`/><`+person+`/></e:Body>`),
		"another body":             soapType + "\n" + fmt.Sprintf(soap, `<e:Body><`+person+` `+person+`="`+person+`"/></e:Body>`),
	} {
		t.Run(rule, func(t *testing.T) {
			contentType, body, _ := strings.Cut(text, "\n")
			s := connect(t, "births", reply(200, contentType, []byte(body)), nil)
			ms, err := s.connector.Handle(t.Context(), query(t, "births"))
			told := s.log.String() + fmt.Sprint(err)
			for _, m := range ms {
				text, err := json.Marshal(m.Body)
				if err != nil {
					t.Fatal(err)
				}
				told += string(text)
			}
			for _, part := range []string{"kranjec", "19940317"} {
				if strings.Contains(strings.ToLower(told), part) {
					t.Errorf("told on: %s", told)
				}
			}
		})
	}
}
