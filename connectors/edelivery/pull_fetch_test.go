package edelivery

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// What is fetched goes the way of what is pushed: the same refusals, told to the
// partner with a signed error.
func TestFetchedMessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	keys := ring()
	for _, tt := range []struct {
		name string
		opt  pullOption
		code ebms.Code
	}{
		{"signed by somebody else", func(h, f *Config, req, prov *pmode.Partner) {
			h.PModes = table(ringT{}, providerID, keys.stranger, *req)
		}, ebms.FailedAuthentication},
		{"encrypted for somebody else", func(h, f *Config, req, prov *pmode.Partner) {
			req.Encrypt[0] = keys.stranger.cert
		}, ebms.FailedDecryption},
		{"larger than agreed", func(h, f *Config, req, prov *pmode.Partner) {
			prov.Limits = pmode.Limits{Part: 10, Message: 10, Ratio: 200}
		}, ebms.DecompressionFailure},
		{"of a service that was not agreed", func(h, f *Config, req, prov *pmode.Partner) {
			prov.Services = []pmode.Service{{Service: ebms.Service{Value: "urn:other"}, Actions: []string{"x"}}}
		}, ebms.ProcessingModeMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newPullRig(t, tt.opt)
			r.lay("a", document{"a@example.org", "application/pdf", strings.Repeat("incompressible? ", 1000)})
			_, _ = r.fetcher.puller.drain(context.Background(), "provider")
			if got := r.fetcher.topic.of(canon.KindEvidenceRequest); len(got) != 0 {
				t.Fatal("the message was published")
			}
			if tt.name == "signed by somebody else" {
				return // the holder does not know its own signature as the partner's; it learns nothing here
			}
			r.one(canon.DeliveryFailed, 1, tt.code)
		})
	}
}

// ringT is a testing.TB for tables that are made in a table of tests.
type ringT struct{ testing.TB }

func (ringT) Helper()           {}
func (ringT) Fatal(args ...any) { panic(args) }

// The asked partner alone answers: a message of another one is not taken, though its
// agreement would allow it.
func TestAnotherPartnersMessageIsNotTaken(t *testing.T) {
	t.Parallel()
	keys := ring()
	var other pmode.Partner
	r := newPullRig(t, func(h, f *Config, req, prov *pmode.Partner) {
		other = *prov
		other.Name, other.Party.ID.ID = "other", "AP_XX_09"
		other.Trust = wssec.Trust{Pinned: other.Trust.Pinned}
		other.Fetch = pmode.Fetch{}
		f.PModes = table(ringT{}, requesterID, keys.requester, *prov, other)
		own := canon.Participant{Scheme: providerID.Scheme, ID: "AP_XX_09"}
		h.PModes = table(ringT{}, own, keys.provider, *req)
	})
	r.lay("a", xmlDocument(1))
	_, _ = r.fetcher.puller.drain(context.Background(), "provider")
	if got := r.fetcher.topic.of(canon.KindEvidenceRequest); len(got) != 0 {
		t.Fatal("a message of another partner was published")
	}
	r.one(canon.DeliveryFailed, 1, ebms.ProcessingModeMismatch)
}

func TestAnswersToAPullRequestThatAreNone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		write http.HandlerFunc
		want  string
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "status 404"},
		{"nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "cannot be taken"},
		{"a redirect", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/other")
			w.WriteHeader(http.StatusFound)
		}, "status 302"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newPullRig(t)
			r.wire = func(w http.ResponseWriter, req *http.Request, _ []byte, _ http.Handler) { tt.write(w, req) }
			n, err := r.fetcher.puller.drain(context.Background(), "provider")
			if n != 0 || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("drain = %d, %v; want an error with %q", n, err, tt.want)
			}
			if len(r.posts) != 1 {
				t.Errorf("%d posts, want no error for the partner", len(r.posts))
			}
		})
	}
}

// Of what the log loses nothing follows: without the log there is no receipt, and the
// partner lays the message out again.
func TestFetchedMessageWithoutALog(t *testing.T) {
	t.Parallel()
	r := newPullRig(t)
	r.lay("a", xmlDocument(1))
	down := true
	r.fetcher.topic.fail = func() error {
		if down {
			return errors.New("no broker")
		}
		return nil
	}
	if _, err := r.fetcher.puller.drain(context.Background(), "provider"); err == nil {
		t.Fatal("no error without a log")
	}
	down = false
	if ds := r.deliveries(); len(ds) != 0 {
		t.Fatalf("deliveries = %+v", ds)
	}
	r.pass(time.Minute)
	r.drain(1)
	r.one(canon.DeliveryAcknowledged, 2, "")
}

func TestPullerRunsUntilItIsEnded(t *testing.T) {
	t.Parallel()
	r := newPullRig(t)
	r.lay("a", xmlDocument(1))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	fetched := make(chan struct{})
	r.holder.topic.fail = func() error { close(fetched); return nil }
	go func() { ended <- r.fetcher.puller.Run(ctx) }()
	<-fetched
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// half is a shelf with an item that cannot be read, before all others.
type half struct{ *MemoryShelf }

func (h half) Due(ctx context.Context, now time.Time, most int) ([]canon.Shelved, error) {
	due, err := h.MemoryShelf.Due(ctx, now, most)
	return due, errors.Join(errors.New("damaged item"), err)
}
