package canon

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func note(change ...func(*MessageNote)) MessageNote {
	n := MessageNote{
		AS4: "m-1@gate.example", Direction: MessageOut, Peer: Participant{Scheme: "urn:x", ID: "AP_SI_01"},
		State: MessageSendInProgress, Attempts: 1, At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	for _, c := range change {
		c(&n)
	}
	return n
}

func TestMessageNoteNamesEveryFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*MessageNote)
		want   []string
	}{
		"a good one":                {func(*MessageNote) {}, nil},
		"no id and no peer":         {func(n *MessageNote) { n.AS4, n.Peer.ID = "", "" }, []string{"as4 is missing", "peer is missing"}},
		"a line in an id":           {func(n *MessageNote) { n.AS4 = "a\nb" }, []string{"not printable"}},
		"bytes that are no text":    {func(n *MessageNote) { n.Exchange = "\xff" }, []string{"exchange", "not printable"}},
		"a long action":             {func(n *MessageNote) { n.Action = strings.Repeat("a", 256) }, []string{"action is longer"}},
		"received and going":        {func(n *MessageNote) { n.State = MessageReceived }, []string{"that goes"}},
		"sent and coming":           {func(n *MessageNote) { n.Direction = MessageIn }, []string{"that came"}},
		"no direction":              {func(n *MessageNote) { n.Direction = "" }, []string{"neither in nor out"}},
		"an unknown kind":           {func(n *MessageNote) { n.Kind = "x" }, []string{"kind"}},
		"a code of nobody":          {func(n *MessageNote) { n.Code = "OG-XXX-0001" }, []string{"catalogue"}},
		"a sentence for a code":     {func(n *MessageNote) { n.Error = "EBMS:0004 Ana" }, []string{"not an ebMS code"}},
		"no time":                   {func(n *MessageNote) { n.At = time.Time{} }, []string{"at is missing"}},
		"numbers of nobody's count": {func(n *MessageNote) { n.Series, n.Attempts, n.Parts, n.Bytes = -1, -1, -1, -1 }, []string{"series", "attempts", "parts", "bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := note(c.change).Validate()
			if len(c.want) == 0 && err != nil {
				t.Fatalf("Validate: %v, want none", err)
			}
			for _, w := range c.want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("Validate: %v, want %q in it", err, w)
				}
			}
		})
	}
}

func TestNewestNoteIsTheSameInEveryOrder(t *testing.T) {
	t.Parallel()
	at := func(minutes int, s MessageState, attempts, series int) MessageNote {
		return note(func(n *MessageNote) {
			n.At, n.State, n.Attempts, n.Series = n.At.Add(time.Duration(minutes)*time.Minute), s, attempts, series
		})
	}
	for name, c := range map[string]struct {
		notes []MessageNote
		want  MessageState
	}{
		"the latest of what is going on": {[]MessageNote{at(0, MessageReadyToSend, 0, 0), at(1, MessageSendInProgress, 1, 0), at(2, MessageWaitingForRetry, 1, 0)}, MessageWaitingForRetry},
		"the end, though noted early":    {[]MessageNote{at(0, MessageAcknowledged, 1, 0), at(5, MessageSendInProgress, 2, 0)}, MessageAcknowledged},
		"a receipt before a failure":     {[]MessageNote{at(0, MessageAcknowledged, 1, 0), at(5, MessageSendFailure, 4, 0)}, MessageAcknowledged},
		"a receipt before a warning":     {[]MessageNote{at(0, MessageAcknowledgedWithWarning, 1, 0), at(0, MessageAcknowledged, 1, 0)}, MessageAcknowledged},
		"a resend before its failure":    {[]MessageNote{at(9, MessageSendFailure, 4, 0), at(8, MessageSendInProgress, 1, 1)}, MessageSendInProgress},
		"the attempt at one time":        {[]MessageNote{at(0, MessageSendInProgress, 1, 0), at(0, MessageWaitingForRetry, 2, 0)}, MessageWaitingForRetry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 20 {
				rand.Shuffle(len(c.notes), func(i, j int) { c.notes[i], c.notes[j] = c.notes[j], c.notes[i] })
				newest := c.notes[0]
				for _, n := range c.notes[1:] {
					if n.Supersedes(newest) {
						newest = n
					}
				}
				if newest.State != c.want {
					t.Fatalf("newest of %v is %s, want %s", c.notes, newest.State, c.want)
				}
			}
		})
	}
}

func TestEveryStateHasADirectionAndAnEnd(t *testing.T) {
	t.Parallel()
	final := map[MessageState]bool{MessageAcknowledged: true, MessageAcknowledgedWithWarning: true, MessageSendFailure: true, MessageReceived: true}
	for _, s := range MessageStates() {
		in := note(func(n *MessageNote) { n.State, n.Direction = s, MessageIn }).Validate() == nil
		out := note(func(n *MessageNote) { n.State, n.Direction = s, MessageOut }).Validate() == nil
		if in == out {
			t.Errorf("%s: fits in %v and out %v, want one of both", s, in, out)
		}
		if s.Final() != final[s] {
			t.Errorf("%s: final is %v, want %v", s, s.Final(), final[s])
		}
	}
}
