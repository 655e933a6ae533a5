package edelivery

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// Config is what an access point needs.
type Config struct {
	PModes     pmode.Source   // Required. Asked once for each message.
	Codec      Codec          // Required.
	Payloads   canon.Payloads // Default none. Handed to the codec.
	Publish    canon.Publish  // Required by the Receiver.
	Remembered Remembered     // Required. Shared by all processes of one access point.
	Journal    Journal        // Default none. What operators see of each message.
	Recorder   Recorder       // Default none. The legal record of each message; needs Publish.
	// Shelf is where messages wait: for partners that fetch them, and for their next
	// attempt. Required where partners fetch. Without one Handle waits in place through
	// all attempts of a message. Shared by Receiver and Sender and by all processes.
	Shelf Shelf

	// Discovery is asked where no static agreement is found. Default none.
	Discovery Discovery

	// Unsent calls yield with every message on the outward leg that may still be sent:
	// those on the log without a DeliveryReceipt. It is how a Shelf that was lost is
	// filled. Required with Shelf, unless the shelf is never lost.
	Unsent func(ctx context.Context, yield func(canon.Message) error) error

	// Taken reports whether the log has m, which cannot have been written before
	// since. It is asked for a message of a forgotten exchange: the resend of what
	// was taken when its receipt was lost deserves one. Default: no.
	Taken func(ctx context.Context, m canon.Message, since time.Time) (bool, error)

	Now    func() time.Time // Default time.Now.
	Rand   io.Reader        // Default crypto/rand. For ids and boundaries only.
	Logger *slog.Logger     // Default none.
	HTTP   *http.Client     // Default Client(nil). For partners without TLS settings of their own; redirects are never followed.

	Limits     swa.Limits    // Default as swa says. Part and Message hold until the agreement is known, whose own limits follow.
	Refusals   int           // Default 60. Refusals a minute and client that are signed and recorded one by one.
	Concurrent int           // Default 128. Messages that the Receiver works on at once.
	PerClient  int           // Default three quarters of Concurrent. Those of one client: nobody takes every slot by being slow.
	Patience   time.Duration // Default 30s. How long the body of a message may take, and a second more for each 64 KiB.
	Deadline   time.Duration // Default 30s. For the work on one inbound message; also how long a claim holds.
	Retention  time.Duration // Default 336h. How long a MessageId is remembered; older messages are refused.
	Skew       time.Duration // Default 10m. How far in the future a Timestamp may lie.
	// Client names whose refusals and messages are counted together. Default: the address of the
	// connection. Behind a proxy that is to be trusted it may read a header.
	Client     func(*http.Request) string
	SOAPFaults bool // Default false. Errors come with HTTP 500 instead of 200, unsigned ones with a SOAP fault too.

	Observe func(Observation) // Default none. Called once for each message, for metrics.
}

// A Discovery finds agreements with partners whom no table names.
type Discovery interface {
	// Resolve returns the agreement for sending an action to a final recipient. A
	// canon.Fault says whether to ask again later.
	Resolve(ctx context.Context, to canon.Participant, action string) (*pmode.Partner, ebms.Service, error)
	// Inbound returns the agreement under which a message with this header would have
	// to verify.
	Inbound(h *ebms.UserMessage) (*pmode.Partner, error)
}

// An Observation is how the work on one message ended.
type Observation struct {
	Inbound  bool
	Outcome  string // accepted, duplicate, conflict, refused, muted, busy, shed, signal, pulled, empty; acknowledged, failed
	Code     string // ebMS error code, if any
	Attempts int    // outbound
	Duration time.Duration
}

func (c Config) withDefaults() (Config, error) {
	var es []error
	need := func(ok bool, name string) {
		if !ok {
			es = append(es, fmt.Errorf("%s is required", name))
		}
	}
	need(c.PModes != nil, "PModes")
	need(c.Codec != nil, "Codec")
	need(c.Remembered != nil, "Remembered")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.WithDefaults()
	if c.Concurrent == 0 {
		c.Concurrent = 128
	}
	if c.PerClient == 0 {
		c.PerClient = c.Concurrent - c.Concurrent/4
	}
	if c.Refusals == 0 {
		c.Refusals = 60
	}
	if c.Client == nil {
		c.Client = remoteClient
	}
	if c.Patience == 0 {
		c.Patience = 30 * time.Second
	}
	if c.Deadline == 0 {
		c.Deadline = 30 * time.Second
	}
	if c.Retention == 0 {
		c.Retention = 14 * 24 * time.Hour
	}
	if c.Skew == 0 {
		c.Skew = 10 * time.Minute
	}
	if c.Taken == nil {
		c.Taken = func(context.Context, canon.Message, time.Time) (bool, error) { return false, nil }
	}
	if c.Recorder == nil {
		c.Recorder = noRecorder{}
	}
	if c.Journal == nil {
		c.Journal = noJournal{}
	}
	if c.Observe == nil {
		c.Observe = func(Observation) {}
	}
	return c, errors.Join(es...)
}

// node is what Receiver and Sender have in common.
type node struct {
	Config
	gzip    *wssec.Gzip
	buffers *swa.Buffers // of a Receiver
	lines   *lines       // of a Sender
}

// random returns n random bytes in hex.
func (n *node) random(size int) (string, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(n.Rand, b); err != nil {
		return "", fmt.Errorf("reading random bytes: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// newMessageID returns a fresh MessageId for a signal.
func (n *node) newMessageID(own *pmode.Own) (string, error) {
	r, err := n.random(16)
	if err != nil {
		return "", err
	}
	return canon.DeriveUUID("signal", r) + "@" + own.Domain, nil
}
