package edelivery

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"oncegate/connectors/edelivery/swa"
)

// holding is a connection that goes on reading what it was given after Write returned,
// as that of HTTP/2 does when a stream ends while its frame is being written.
type holding struct {
	header http.Header
	held   [][]byte
}

func (h *holding) Header() http.Header         { return h.header }
func (h *holding) WriteHeader(int)             {}
func (h *holding) Write(b []byte) (int, error) { h.held = append(h.held, b); return len(b), nil }

// The bytes of a letter lie in mapped files that are given up once it was written: the
// connection gets copies only.
func TestLetterIsNotLentToTheConnection(t *testing.T) {
	r := newRig(t)
	content := make([]byte, 1<<20)
	l := &letter{body: swa.Write([]byte("<e/>"), []swa.OutPart{{ID: "p@x", MediaType: "application/gzip", Content: content}}, "boundary")}
	w := &holding{header: http.Header{}}
	sent := false
	if err := r.receiver.write(context.Background(), w, answer{status: http.StatusOK, letter: l, sent: func(context.Context) { sent = true }}); err != nil || !sent {
		t.Fatalf("sent %t, %v", sent, err)
	}
	for i := range content { // as if they were given up
		content[i] = 0xff
	}
	for _, b := range w.held {
		for _, c := range b {
			if c == 0xff {
				t.Fatal("the connection holds bytes of the letter")
			}
		}
	}
}

// A message may take longer to come than the server gives an exchange from its head
// on; its answer is written all the same.
func TestAnswerAfterTheTimeOfTheServer(t *testing.T) {
	for _, proto := range []string{"h2", "http/1.1"} {
		t.Run(proto, func(t *testing.T) {
			r := newRig(t)
			const term = 300 * time.Millisecond
			server := httptest.NewUnstartedServer(r.receiver)
			server.EnableHTTP2 = proto == "h2"
			server.Config.WriteTimeout = term
			server.StartTLS()
			t.Cleanup(server.Close)
			client := server.Client()
			client.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{proto}
			contentType, body := r.letter(t, r.message("slow", xmlDocument(1)))
			pr, pw := io.Pipe()
			go func() {
				_, err := pw.Write(body[:len(body)/2])
				<-time.After(2 * term)
				if err == nil {
					_, err = pw.Write(body[len(body)/2:])
				}
				_ = pw.CloseWithError(err)
			}()
			resp, err := client.Post(server.URL, contentType, pr)
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || len(b) == 0 {
				t.Fatalf("answer %d of %d bytes, %v", resp.StatusCode, len(b), err)
			}
			if got := resp.ProtoMajor; (got == 2) != (proto == "h2") {
				t.Errorf("HTTP/%d", got)
			}
		})
	}
}
