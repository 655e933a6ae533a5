package edelivery

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"oncegate/schemas/canon"
)

// A guard counts refused messages of senders who proved nothing, by the address that
// they come from. Beyond the limit a refusal costs no signature and no record of its
// own; messages that can be taken are taken all the same, since partners may share an
// address with the one who floods, as behind a proxy. The audit trail gets one event a
// minute with the number of what it was spared.
type guard struct {
	burst int // refusals an address has in hand; they come back within a minute

	mu      sync.Mutex
	clients map[string]*bucket
	muted   int       // since the last event
	since   time.Time // of the first of them
}

type bucket struct {
	left float64
	at   time.Time
}

const (
	maxClients = 4096        // addresses that are counted apart
	muteFor    = time.Minute // in which a used-up bucket fills again, and between two events
)

func newGuard(burst int) *guard { return &guard{burst: burst, clients: map[string]*bucket{}} }

// spend counts one refusal and reports whether it is within the limit.
func (g *guard) spend(client string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.clients[client]
	if b == nil {
		if len(g.clients) >= maxClients {
			g.forget(now)
		}
		if len(g.clients) >= maxClients {
			client = "" // too many at once: they share what is left
			b = g.clients[client]
		}
		if b == nil {
			b = &bucket{left: float64(g.burst), at: now}
			g.clients[client] = b
		}
	}
	b.fill(now, g.burst)
	if b.left >= 1 {
		b.left--
		return true
	}
	if g.muted == 0 {
		g.since = now
	}
	g.muted++
	return false
}

func (b *bucket) fill(now time.Time, burst int) {
	if passed := now.Sub(b.at); passed > 0 {
		b.left = min(float64(burst), b.left+float64(burst)*passed.Seconds()/muteFor.Seconds())
		b.at = now
	}
}

// forget drops the addresses that have all in hand again.
func (g *guard) forget(now time.Time) {
	for client, b := range g.clients {
		if b.fill(now, g.burst); b.left >= float64(g.burst) {
			delete(g.clients, client)
		}
	}
}

// report returns, once a minute, how many refusals were muted and since when.
func (g *guard) report(now time.Time) (muted int, since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.muted == 0 || now.Sub(g.since) < muteFor {
		return 0, since
	}
	muted, since = g.muted, g.since
	g.muted = 0
	return muted, since
}

// seats counts the messages that are worked on at once for each client: who needs no
// key to be slow shall not hold every slot of the receiver (i.8).
type seats struct {
	each int

	mu   sync.Mutex
	held map[string]int // no more than there are slots
}

func newSeats(each int) seats { return seats{each: each, held: map[string]int{}} }

// seat gives the client a slot, if there is one for it.
func (r *Receiver) seat(client string) bool {
	r.seats.mu.Lock()
	defer r.seats.mu.Unlock()
	if r.seats.held[client] >= r.seats.each {
		return false
	}
	select {
	case r.slots <- struct{}{}:
		r.seats.held[client]++
		return true
	default:
		return false
	}
}

func (r *Receiver) unseat(client string) {
	r.seats.mu.Lock()
	defer r.seats.mu.Unlock()
	if r.seats.held[client]--; r.seats.held[client] == 0 {
		delete(r.seats.held, client)
	}
	<-r.slots
}

// tellMuted writes the one audit event for refusals that had none. It is asked by
// whoever comes next, so that nobody has to wait for the minute to end.
func (r *Receiver) tellMuted(ctx context.Context) {
	now := r.Now()
	muted, since := r.guard.report(now)
	if muted == 0 {
		return
	}
	nonce, err := r.random(16)
	if err != nil {
		nonce = now.Format(time.RFC3339Nano)
	}
	r.Logger.WarnContext(ctx, "refused messages were not recorded one by one", slog.Int("messages", muted), slog.Time("since", since))
	m := canon.Message{
		ID: canon.MessageID(canon.DeriveUUID("as4 muted", nonce)), Kind: canon.KindAudit,
		Conversation: canon.ConversationID(canon.DeriveUUID("as4", "muted")), At: now.UTC(),
		Body: &canon.AuditEvent{Step: stepRefused, Room: room, Outcome: "muted",
			Reason: strconv.Itoa(muted) + " more messages of senders not proven since " + since.UTC().Format(time.RFC3339)},
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Deadline)
	defer cancel()
	if err := r.Publish(ctx, m); err != nil {
		r.Logger.ErrorContext(ctx, "audit event lost", slog.Any("error", err))
	}
}

// remoteClient is the address of the connection; of IPv6 the network, since a client
// has as many addresses as it likes.
func remoteClient(req *http.Request) string {
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		return req.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil || a.Unmap().Is4() {
		return host
	}
	if p, err := a.WithZone("").Prefix(64); err == nil {
		return p.String()
	}
	return host
}
