package kafkalog

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"oncegate/schemas/canon"
)

func routeOf(n int, provider string) *canon.Route {
	return &canon.Route{
		EvidenceType: canon.EvidenceType{ID: canon.DeriveUUID("type"), Classification: "https://sr.example/birth"},
		Provider:     canon.Agent{ID: canon.Participant{Scheme: "urn:x", ID: provider}}, Country: "LV",
		AccessPoint: canon.Participant{Scheme: "urn:x", ID: "ap"}, Specifications: []string{fmt.Sprintf("oots-edm:v2.%d", n)},
		Provenance: canon.Provenance{Edition: "oots-cs:v2.0", Source: "https://dsd.example/", At: time.Unix(1_800_000_000, 0).UTC()},
	}
}

// Everything that is there is read before Read returns, and what comes after it by
// Run, in order; what is no message is passed over and told.
func TestFollower(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, TopicOf(canon.KindRoute))
		codec, err := NewCodec(CodecConfig{Source: "/test"})
		if err != nil {
			t.Fatal(err)
		}
		p := s.producer(t, c)
		w := NewWriter(codec, p)
		at := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
		write := func(n int, providers ...string) {
			t.Helper()
			for _, name := range providers {
				if err := w.Publish(deadline(t), routeOf(n, name).Message(at.Add(time.Duration(n)*time.Minute))); err != nil {
					t.Fatal(err)
				}
			}
		}
		write(1, "a", "b", "c", "d")
		write(2, "b", "d")
		if err := p.Produce(deadline(t), &Record{Topic: TopicOf(canon.KindRoute), Partition: 0, Key: []byte("x"), Value: []byte("{}")}); err != nil {
			t.Fatal(err)
		}

		var mu sync.Mutex
		state, refused := map[string]string{}, 0
		f, err := NewFollower(c, FollowerConfig{
			Kind: canon.KindRoute, Codec: codec,
			Apply: func(ms []canon.Message) {
				mu.Lock()
				defer mu.Unlock()
				for _, m := range ms {
					r := m.Body.(*canon.Route)
					state[r.Provider.ID.ID] = r.Specifications[0]
				}
			},
			Refused: func(Position, error) { refused++ },
		})
		if err != nil {
			t.Fatal(err)
		}
		look := func() string {
			mu.Lock()
			defer mu.Unlock()
			var out []string
			for k, v := range state {
				out = append(out, k+" "+v)
			}
			slices.Sort(out)
			return fmt.Sprint(out)
		}
		if err := f.Read(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if got, want := look(), "[a oots-edm:v2.1 b oots-edm:v2.2 c oots-edm:v2.1 d oots-edm:v2.2]"; got != want || refused != 1 {
			t.Errorf("read %s and refused %d, want %s and 1", got, refused, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		write(3, "a", "e")
		await(t, "what was written after", func() bool {
			return look() == "[a oots-edm:v2.3 b oots-edm:v2.2 c oots-edm:v2.1 d oots-edm:v2.2 e oots-edm:v2.3]"
		})
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestFollowerWantsAState(t *testing.T) {
	if _, err := NewFollower(nil, FollowerConfig{Kind: canon.KindAudit}); err == nil {
		t.Error("a history is followed")
	}
	if err := new(Follower).Run(t.Context()); err == nil {
		t.Error("what was not read first is followed")
	}
}
