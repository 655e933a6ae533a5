package edelivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
)

// A Receiver takes messages of other access points. A signed receipt leaves it
// only after everything the message means is on the log (decision 3). It bounds how
// slowly a body may come; other timeouts of the connection are the server's.
type Receiver struct {
	node
	slots chan struct{}
	seats seats
	guard *guard
}

var _ http.Handler = (*Receiver)(nil)

// NewReceiver returns a receiver.
func NewReceiver(c Config) (*Receiver, error) {
	c, err := c.withDefaults()
	if c.Publish == nil {
		err = errors.Join(err, errors.New("config: Publish is required"))
	}
	if err != nil {
		return nil, fmt.Errorf("configuring receiver: %w", err)
	}
	return &Receiver{node: node{Config: c, gzip: &wssec.Gzip{}, buffers: &swa.Buffers{}}, slots: make(chan struct{}, c.Concurrent), seats: newSeats(c.PerClient), guard: newGuard(c.Refusals)}, nil
}

// An answer is what goes back over HTTP.
type answer struct {
	status  int
	body    []byte
	outcome string
	code    ebms.Code
	signed  bool // body is a signed error
	retry   int  // seconds after which to come again; 0 says nothing

	letter *letter               // in place of body: a message that was pulled; given up once it was written
	sent   func(context.Context) // called once the whole letter was written
}

// drained is how much of a refused message is read all the same.
const drained = 8 << 20

// ServeHTTP takes one message.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body := &paced{r: req.Body, conn: http.NewResponseController(w), end: time.Now().Add(r.Patience), most: wire(r.Limits.Ahead, r.Limits.Envelope)}
	body.bound() // also what the server reads of a body that is not wanted
	if req.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST an AS4 message here.", http.StatusMethodNotAllowed)
		return
	}
	client := r.Client(req)
	if !r.seat(client) { // shed load before reading
		w.Header().Set("Retry-After", "5")
		http.Error(w, "busy", http.StatusServiceUnavailable)
		r.Observe(Observation{Inbound: true, Outcome: "shed"})
		return
	}
	defer r.unseat(client)
	// A large message may take longer than a server gives an exchange; its pace and the
	// term of the work bound it.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	start := r.Now()
	ctx := req.Context()
	r.tellMuted(ctx)
	a := r.take(ctx, req, body)
	// A peer that is still sending would see a broken connection instead of the answer.
	if _, err := io.CopyN(io.Discard, body, drained); err == nil {
		body.bound()
	} else if !errors.Is(err, io.EOF) {
		r.Logger.DebugContext(ctx, "rest of a message not read", slog.Any("error", err))
	}
	// What comes on is not read; and a new connection may show another certificate.
	if body.over() || a.status == http.StatusForbidden {
		w.Header().Set("Connection", "close")
	}
	if a.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.retry))
	}
	if err := r.write(ctx, w, a); err != nil {
		// The peer sends again and gets the same answer.
		r.Logger.InfoContext(ctx, "peer left before the answer", slog.Any("error", err))
	}
	r.Observe(Observation{Inbound: true, Outcome: a.outcome, Code: string(a.code), Duration: r.Now().Sub(start)})
}

// writeBy bounds how long an answer of n bytes may take: a partner takes it as fast as
// any sends, or leaves the slot to others.
func (r *Receiver) writeBy(w http.ResponseWriter, n int64) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(r.Patience + time.Duration(n/pace)*time.Second)) // where the connection knows deadlines
}

func (r *Receiver) write(ctx context.Context, w http.ResponseWriter, a answer) error {
	if l := a.letter; l != nil {
		defer l.close(ctx, r.Logger)
		r.writeBy(w, l.body.Length)
		w.Header().Set("Content-Type", l.body.ContentType)
		w.Header().Set("Content-Length", strconv.FormatInt(l.body.Length, 10))
		w.WriteHeader(a.status)
		// Copies only: HTTP/2 may still read what it was given when Write has returned,
		// and the letter lies in mapped files.
		_, err := io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{l.body.Reader()})
		if err == nil {
			a.sent(ctx)
		}
		return err
	}
	r.writeBy(w, int64(len(a.body)))
	if len(a.body) > 0 {
		w.Header().Set("Content-Type", swa.SOAPType+"; charset=UTF-8")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, err := w.Write(a.body)
	return err
}

// wire is how many bytes content may have on the wire: transfer encodings and part
// headers add to it, and twice is ample.
func wire(parts, envelope int64) int64 {
	if parts > math.MaxInt64/2-envelope {
		return math.MaxInt64
	}
	return 2 * (parts + envelope)
}

// come is the pause that a peer is asked for when we cannot take its message now.
const come = 5
