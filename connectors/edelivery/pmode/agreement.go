package pmode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math"
	"syscall"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/revocation"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// Own is our side of every agreement.
type Own struct {
	Party  ebms.Party // Required. Role defaults to OOTSRole.
	Domain string     // Required. The right side of our MessageIds.
	// Signing holds the identities that sign: the first one that is valid and whose
	// kind of key the agreement's profile wants (Identity). Required.
	Signing []wssec.Identity
	Sign    wssec.Identity     // where there is one identity only, instead of Signing
	Decrypt []wssec.Decryption // Required. Two while a certificate rolls over.
}

// MEP says who opens the connection on which our messages reach a partner.
type MEP string

// The message exchange patterns (a.5). Two-way exchanges are two one-way ones; see
// Service.Replies.
const (
	Push MEP = "push" // we post to its URL
	Pull MEP = "pull" // it asks for them
)

// Direction says which messages an agreement is for.
type Direction string

// The directions, as seen from here.
const (
	Both Direction = "both"
	In   Direction = "in"
	Out  Direction = "out"
)

// A Partner is one agreement with one access point.
type Partner struct {
	Name    string     // Required. For the log and the operator.
	Party   ebms.Party // Required. Role defaults to OOTSRole.
	OwnRole string     // Default that of Own.

	Direction Direction // Default both.
	MEP       MEP       // Default push. How our messages reach the partner.
	URL       string    // Required to push and to fetch.
	AllowHTTP bool      // http:// is allowed although the host is not this one
	MPC       string    // Default ebms.DefaultMPC. Partition of our messages; of its own and required for pull.
	Fetch     Fetch     // Default none. How we pull the partner's messages.

	Profile      wssec.Profile       // Default 1.15. Algorithms and kinds of key.
	SignOnly     bool                // parts are not encrypted, in neither direction
	Trust        wssec.Trust         // Required. Who signs for this party.
	Revocation   revocation.Policy   // Default off. What Trust.Revocation was made of.
	Encrypt      []*x509.Certificate // Required to send. The first one that is valid is used.
	Token        wssec.Token         // Default bst. How we refer to certificates, but for:
	SignToken    wssec.Token         // Default Token. How we refer to ours.
	EncryptToken wssec.Token         // Default Token. How we refer to theirs.
	Allow        wssec.Algorithms    // Default those of the profile. What is accepted from the partner.

	Agreement  ebms.Agreement // Default none; with a value it is written and must be there.
	Services   []Service      // Default the service and actions of OOTS.
	Corners    Corners        // Default any.
	TwoWay     bool           // messages with an action of Service.Replies name the message that they answer
	Plain      bool           // do not compress; default is gzip
	SOAPFaults bool           // errors for this partner come with HTTP 500 and a SOAP fault

	Retry     Retry
	Timeout   time.Duration // Default 60s. Of one attempt.
	Limits    Limits
	Retention time.Duration // Default the access point's. How long its MessageIds are remembered.
	TLS       TLS

	verifier *wssec.Verifier
}

// Fetch says how often and from which partition we pull; none without Every.
type Fetch struct {
	Every time.Duration
	MPC   string // Default the partner's MPC.
}

// A Service is a service with the actions that the agreement covers, and what its
// messages may hold.
type Service struct {
	Service    ebms.Service
	Actions    []string
	Replies    []string   // those of Actions that answer a message, where the agreement is two-way
	Properties []Property // Default any. The message properties; those not named are refused.
	Payloads   Payloads
}

// A Property is a message property that a service allows.
type Property struct {
	Name     string
	Required bool
	Datatype Datatype // Default string.
}

// Datatype is that of a property's value, as Domibus has them.
type Datatype string

// The data types of properties.
const (
	String  Datatype = "string"
	Integer Datatype = "int"
	Boolean Datatype = "boolean"
)

// Payloads is the payload profile of a service; zero values mean no bound but
// those of Limits.
type Payloads struct {
	Max   int       // parts
	Size  int64     // clear bytes of all parts
	Types []string  // media types of parts
	Parts []Payload // the only parts that there may be, by their Content-ID
}

// A Payload is one part of a payload profile.
type Payload struct {
	ID       string // Content-ID, without cid:
	Type     string // Default any. The media type.
	Required bool
	Size     int64 // Default no bound but those of Limits. Clear bytes.
}

// Corners are the authorities behind the two access points. Where a list is not
// empty, originalSender and finalRecipient must be in it (i.22).
type Corners struct {
	Theirs []canon.Participant
	Ours   []canon.Participant
}

// Retry says how often and when a message is sent again.
type Retry struct {
	Attempts int           // Default 5. All attempts, the first included.
	Initial  time.Duration // Default 1s. The first pause.
	Factor   float64       // Default 2.
	Max      time.Duration // Default 1m. The longest pause.
	Jitter   float64       // Default 0.1. Share of a pause by which it may be longer or shorter; below zero none.
	Expiry   time.Duration // Default none. No attempt begins so long after the first.
}

// Pause returns how long to wait after the given attempt, counted from 1.
func (r Retry) Pause(attempt int) time.Duration {
	d := float64(r.Initial)
	for range attempt - 1 {
		if d *= r.Factor; d >= float64(r.Max) {
			return r.Max
		}
	}
	return min(time.Duration(d), r.Max)
}

// Spread moves a pause by up to the jitter; random is from 0 to 1.
func (r Retry) Spread(pause time.Duration, random float64) time.Duration {
	if r.Jitter <= 0 {
		return pause
	}
	return time.Duration(math.Round(float64(pause) * (1 + r.Jitter*(2*random-1))))
}

// Next returns when the next attempt begins after the given one, counted from 1,
// has failed at now, and false where that was the last one.
func (r Retry) Next(attempt int, first, now time.Time, random float64) (time.Time, bool) {
	if attempt >= r.Attempts {
		return time.Time{}, false
	}
	at := now.Add(r.Spread(r.Pause(attempt), random))
	return at, r.Expiry <= 0 || at.Before(first.Add(r.Expiry))
}

// Limits bound one message.
type Limits struct {
	Part    int64 // Default 64 MiB. Clear bytes of one part.
	Message int64 // Default 128 MiB. Clear bytes of all parts.
	Ratio   int64 // Default 200. Clear bytes for one compressed byte, after the first MiB.
	Parts   int   // Default 28, as many as Domibus takes. Parts of a message that we send.
}

// TLS is what the agreement says about the connection.
type TLS struct {
	CA         []*x509.Certificate // Default the access point's. Authorities of the partner's server.
	Own        *tls.Certificate    // Default none. Our client certificate.
	ServerName string              // Default the host of the URL.
	Min        uint16              // Default tls.VersionTLS12.
	Clients    Clients             // Default any. Who may connect for the partner.
	// Control is asked before each connection, with the address it really goes to: the
	// URL of a partner that was discovered is a stranger's (i.19). Default none.
	Control func(ctx context.Context, network, address string, c syscall.RawConn) error
}

// Clients are the client certificates of a partner: those pinned, and those of
// CA with one of Names, as common name or DNS name.
type Clients struct {
	Pinned []*x509.Certificate
	CA     []*x509.Certificate
	Names  []string
}

// None reports that the agreement asks for no client certificate.
func (c Clients) None() bool { return len(c.Pinned) == 0 && len(c.CA) == 0 }
