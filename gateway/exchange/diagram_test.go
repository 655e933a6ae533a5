package exchange_test

import (
	"fmt"
	"testing"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/schemas/canon"
)

// An alphabet is every word that can come, by name.
type alphabet map[string]func(s *side) canon.Message

func providerWords() alphabet {
	private := func(f func(*canon.RequestPrivate)) func(*canon.EvidenceRequest, *canon.RequestPrivate) {
		return func(_ *canon.EvidenceRequest, p *canon.RequestPrivate) { f(p) }
	}
	return alphabet{
		"first":           func(s *side) canon.Message { return s.request(canon.StepFirst, "r1") },
		"second":          func(s *side) canon.Message { return s.request(canon.StepPreview, "r2") },
		"second, same id": func(s *side) canon.Message { return s.request(canon.StepPreview, "r1") },
		"second, other location": func(s *side) canon.Message {
			return s.request(canon.StepPreview, "r2", private(func(p *canon.RequestPrivate) { p.PreviewLocation += "x" }))
		},
		"second, http return": func(s *side) canon.Message {
			return s.request(canon.StepPreview, "r2", private(func(p *canon.RequestPrivate) { p.ReturnLocation = "http://portal.example/" }))
		},
		"second, other person": func(s *side) canon.Message {
			return s.request(canon.StepPreview, "r2", private(func(p *canon.RequestPrivate) { p.Subject = stranger() }))
		},
		"second, other type": func(s *side) canon.Message {
			return s.request(canon.StepPreview, "r2", func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.EvidenceType.Classification += "2" })
		},
		"second, other representative": func(s *side) canon.Message {
			return s.request(canon.StepPreview, "r2", private(func(p *canon.RequestPrivate) { p.Representative.Natural = stranger().Natural }))
		},
		"withdrawn": func(s *side) canon.Message {
			return s.message(&canon.Withdrawal{Portal: "portal", Exchange: exchangeID})
		},
		"person":   func(s *side) canon.Message { return s.opened(exchangetest.Person()) },
		"stranger": func(s *side) canon.Message { return s.opened(stranger()) },
		"found":    func(s *side) canon.Message { return s.record(canon.RecordFound, documents()...) },
		"found, other type": func(s *side) canon.Message {
			return s.record(canon.RecordFound, document("main", canon.RoleMain, birth+"2", ""))
		},
		"found, nothing": func(s *side) canon.Message { return s.record(canon.RecordFound) },
		"found, other form": func(s *side) canon.Message {
			return s.record(canon.RecordFound, inForm("image/png", documents())...)
		},
		"deferred":        func(s *side) canon.Message { return s.deferred(t0.AddDate(0, 0, 3)) },
		"deferred, past":  func(s *side) canon.Message { return s.deferred(t0.AddDate(0, 0, -3)) },
		"not found":       func(s *side) canon.Message { return s.record(canon.RecordNotFound) },
		"ambiguous":       func(s *side) canon.Message { return s.record(canon.RecordAmbiguous) },
		"register failed": func(s *side) canon.Message { return s.record(canon.RecordFailed) },
		"record, other query": func(s *side) canon.Message {
			m := s.record(canon.RecordFound, documents()...)
			m.Body.(*canon.RegisterRecord).Query = "another"
			return m
		},
		"approve":          func(s *side) canon.Message { return s.decided("main") },
		"decline":          func(s *side) canon.Message { return s.decided("-main") },
		"approve unshown":  func(s *side) canon.Message { return s.decided("nowhere") },
		"answer arrived":   func(s *side) canon.Message { return s.receipt("answer", canon.DeliveryAcknowledged) },
		"answer lost":      func(s *side) canon.Message { return s.receipt("answer", canon.DeliveryFailed) },
		"offer arrived":    func(s *side) canon.Message { return s.receipt("preview", canon.DeliveryAcknowledged) },
		"offer lost":       func(s *side) canon.Message { return s.receipt("preview", canon.DeliveryFailed) },
		"deadline":         (*side).deadline,
		"other deadline":   func(s *side) canon.Message { return s.message(&canon.Deadline{Timer: "T2", Due: t0}) },
		"answer of a peer": func(s *side) canon.Message { return s.refusal("EDM:ERR:0004") },
		"portal's request": func(s *side) canon.Message {
			return s.request(canon.StepPreview, "r2", func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Leg, r.Portal = canon.LegPortal, "portal" })
		},
	}
}

func requesterWords() alphabet {
	bad := func(f func(*canon.EvidenceResponse)) func(*side) canon.Message {
		return func(s *side) canon.Message { return s.response(f) }
	}
	return alphabet{
		"first":  func(s *side) canon.Message { return s.request(canon.StepFirst, "") },
		"second": func(s *side) canon.Message { return s.request(canon.StepPreview, "") },
		"second, other type": func(s *side) canon.Message {
			return s.request(canon.StepPreview, "", func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.EvidenceType.Classification += "2" })
		},
		"second, no return": func(s *side) canon.Message {
			return s.request(canon.StepPreview, "", func(_ *canon.EvidenceRequest, p *canon.RequestPrivate) { p.ReturnLocation = "" })
		},
		"second, other portal": func(s *side) canon.Message {
			return s.request(canon.StepPreview, "", func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) { r.Portal = "other" })
		},
		"preview": func(s *side) canon.Message { return s.previewRequired() },
		"preview, script": func(s *side) canon.Message {
			return s.previewRequired(func(b *canon.PreviewRequired) {
				b.Private = canon.Clear(canon.PreviewPrivate{Location: "javascript:alert(1)"})
			})
		},
		"preview, other peer": func(s *side) canon.Message {
			return s.previewRequired(func(b *canon.PreviewRequired) { b.From.ID = "ap-x" })
		},
		"preview, other request": func(s *side) canon.Message {
			return s.previewRequired(func(b *canon.PreviewRequired) { b.Request = uuid("x") })
		},
		"evidence":   func(s *side) canon.Message { return s.response() },
		"empty list": bad(func(b *canon.EvidenceResponse) { b.Status, b.Documents = canon.StatusDeclined, nil }),
		"deferred": bad(func(b *canon.EvidenceResponse) {
			b.Status, b.Documents, b.AvailableAt = canon.StatusDeferred, nil, t0.AddDate(0, 0, 3)
		}),
		"evidence, other peer":      bad(func(b *canon.EvidenceResponse) { b.From.ID = "ap-x" }),
		"evidence, other exchange":  bad(func(b *canon.EvidenceResponse) { b.Exchange = exchangeID }),
		"evidence, other request":   bad(func(b *canon.EvidenceResponse) { b.Request = uuid("x") }),
		"evidence, other requester": bad(func(b *canon.EvidenceResponse) { b.Requester.ID.ID = "x" }),
		"evidence, other authority": bad(func(b *canon.EvidenceResponse) { b.Provider.ID.ID = "x" }),
		"evidence, other person": bad(func(b *canon.EvidenceResponse) {
			b.Private = canon.Clear(canon.ResponsePrivate{Subject: stranger()})
		}),
		"evidence, other type":  bad(func(b *canon.EvidenceResponse) { b.Documents[0].Classification += "2" }),
		"evidence, loose annex": bad(func(b *canon.EvidenceResponse) { b.Documents = b.Documents[1:] }),
		"evidence, other form":  bad(func(b *canon.EvidenceResponse) { b.Documents = inForm("image/png", b.Documents) }),
		"evidence, other state": bad(func(b *canon.EvidenceResponse) { b.Documents[0].Issuer = agent(births, "LT") }),
		"evidence, one id":      bad(func(b *canon.EvidenceResponse) { b.Documents[2].ID = b.Documents[0].ID }),
		"deferred, full":        bad(func(b *canon.EvidenceResponse) { b.Status, b.AvailableAt = canon.StatusDeferred, t0.AddDate(0, 0, 3) }),
		"withdrawn": func(s *side) canon.Message {
			return s.message(&canon.Withdrawal{Portal: "portal", Exchange: canon.ExchangeID(s.id)})
		},
		"withdrawn elsewhere": func(s *side) canon.Message {
			return s.message(&canon.Withdrawal{Portal: "other", Exchange: canon.ExchangeID(s.id)})
		},
		"evidence, none":    bad(func(b *canon.EvidenceResponse) { b.Documents = nil }),
		"empty list, full":  bad(func(b *canon.EvidenceResponse) { b.Status = canon.StatusDeclined }),
		"no status":         bad(func(b *canon.EvidenceResponse) { b.Status = "" }),
		"refusal":           func(s *side) canon.Message { return s.refusal("EDM:ERR:0002") },
		"not found":         func(s *side) canon.Message { return s.refusal("EDM:ERR:0004") },
		"too late there":    func(s *side) canon.Message { return s.refusal("EDM:ERR:0005") },
		"request 1 arrived": func(s *side) canon.Message { return s.receipt("request-1", canon.DeliveryAcknowledged) },
		"request 1 lost":    func(s *side) canon.Message { return s.receipt("request-1", canon.DeliveryFailed) },
		"request 2 arrived": func(s *side) canon.Message { return s.receipt("request-2", canon.DeliveryAcknowledged) },
		"request 2 lost":    func(s *side) canon.Message { return s.receipt("request-2", canon.DeliveryFailed) },
		"deadline":          (*side).deadline,
		"person":            func(s *side) canon.Message { return s.opened(exchangetest.Person()) },
	}
}

// A cell is what follows from a word in a state.
type cell struct {
	phase exchange.Phase
	says  string // without audit events
}

const (
	expires  = "evidence.refusal EDM:ERR:0005"
	reused   = "evidence.refusal EDM:ERR:0003"
	delivers = "evidence.response delivered"
	declines = "evidence.response declined"
	missing  = "evidence.refusal EDM:ERR:0004"
	problem  = "evidence.refusal EDM:ERR:0008"
)

// providerDiagram holds, per state (the words that lead there), the words that
// do something. Any other word leaves the state as it is and says nothing.
var providerDiagram = []struct {
	path  []string
	phase exchange.Phase
	cells map[string]cell
}{
	{[]string{"first"}, exchange.PreviewOffered, map[string]cell{
		"person":     {exchange.Querying, "register.query"},
		"second":     {exchange.PreviewOffered, ""},
		"deadline":   {exchange.Answered, expires},
		"offer lost": {exchange.Failed, ""},
	}},
	{[]string{"first", "second"}, exchange.PreviewOffered, map[string]cell{
		"person":   {exchange.Querying, "register.query"},
		"second":   {exchange.PreviewOffered, reused},
		"deadline": {exchange.Answered, expires},
	}},
	{[]string{"first", "person"}, exchange.Querying, map[string]cell{
		"second":            {exchange.Querying, ""},
		"found, other form": {exchange.Decided, ""},
		"deferred":          {exchange.Decided, ""},
		"deferred, past":    {exchange.Decided, ""},
		"found":             {exchange.Held, ""},
		"found, other type": {exchange.Decided, ""},
		"found, nothing":    {exchange.Decided, ""},
		"not found":         {exchange.Decided, ""},
		"ambiguous":         {exchange.Decided, ""},
		"register failed":   {exchange.Decided, ""},
		"deadline":          {exchange.Answered, expires},
	}},
	{[]string{"first", "second", "person"}, exchange.Querying, map[string]cell{
		"second":            {exchange.Querying, reused},
		"found, other form": {exchange.Answered, "evidence.refusal EDM:ERR:0007"},
		"deferred":          {exchange.Answered, "evidence.response deferred"},
		"deferred, past":    {exchange.Answered, problem},
		"found":             {exchange.Held, ""},
		"found, other type": {exchange.Answered, problem},
		"found, nothing":    {exchange.Answered, problem},
		"not found":         {exchange.Answered, missing},
		"ambiguous":         {exchange.Answered, missing},
		"register failed":   {exchange.Answered, problem},
		"deadline":          {exchange.Answered, expires},
	}},
	{[]string{"first", "person", "found"}, exchange.Held, map[string]cell{
		"second":          {exchange.Held, ""},
		"approve":         {exchange.Decided, ""},
		"decline":         {exchange.Decided, ""},
		"approve unshown": {exchange.Decided, ""},
		"deadline":        {exchange.Answered, expires},
	}},
	{[]string{"first", "person", "second", "found"}, exchange.Held, map[string]cell{
		"second":          {exchange.Held, reused},
		"approve":         {exchange.Answered, delivers},
		"decline":         {exchange.Answered, declines},
		"approve unshown": {exchange.Answered, declines},
		"deadline":        {exchange.Answered, expires},
	}},
	{[]string{"first", "person", "found", "approve"}, exchange.Decided, map[string]cell{
		"second":   {exchange.Answered, delivers},
		"deadline": {exchange.Answered, expires},
	}},
	{[]string{"first", "person", "found", "decline"}, exchange.Decided, map[string]cell{
		"second":   {exchange.Answered, declines},
		"deadline": {exchange.Answered, expires},
	}},
	{[]string{"first", "person", "not found"}, exchange.Decided, map[string]cell{
		"second":   {exchange.Answered, missing},
		"deadline": {exchange.Answered, expires},
	}},
	{[]string{"first", "second", "person", "found", "approve"}, exchange.Answered, map[string]cell{
		"deadline":       {exchange.Failed, ""},
		"answer arrived": {exchange.Delivered, ""},
		"answer lost":    {exchange.Failed, ""},
		"second":         {exchange.Answered, reused},
	}},
	{[]string{"first", "second", "person", "found", "decline"}, exchange.Answered, map[string]cell{
		"deadline":       {exchange.Failed, ""},
		"answer arrived": {exchange.Declined, ""},
		"answer lost":    {exchange.Failed, ""},
		"second":         {exchange.Answered, reused},
	}},
	{[]string{"first", "second", "person", "not found"}, exchange.Answered, map[string]cell{
		"deadline":       {exchange.Failed, ""},
		"answer arrived": {exchange.Refused, ""},
		"answer lost":    {exchange.Failed, ""},
		"second":         {exchange.Answered, reused},
	}},
	{[]string{"first", "second", "person", "deferred"}, exchange.Answered, map[string]cell{
		"deadline":       {exchange.Failed, ""},
		"answer arrived": {exchange.Deferred, ""},
		"answer lost":    {exchange.Failed, ""},
		"second":         {exchange.Answered, reused},
	}},
	{[]string{"first", "person", "deferred"}, exchange.Decided, map[string]cell{
		"second":   {exchange.Answered, "evidence.response deferred"},
		"deadline": {exchange.Answered, expires},
	}},
	{[]string{"first", "deadline"}, exchange.Answered, map[string]cell{
		"deadline":       {exchange.Failed, ""},
		"answer arrived": {exchange.ExpiredP, ""},
		"answer lost":    {exchange.Failed, ""},
		"second":         {exchange.Answered, expires},
	}},
	{[]string{"first", "deadline", "answer arrived"}, exchange.ExpiredP, map[string]cell{"second": {exchange.ExpiredP, expires}}},
	{[]string{"first", "second", "person", "found", "approve", "answer arrived"}, exchange.Delivered, map[string]cell{"second": {exchange.Delivered, reused}}},
	{[]string{"first", "second", "person", "found", "approve", "answer lost"}, exchange.Failed, map[string]cell{
		"answer arrived": {exchange.Delivered, ""}, // of a resend
		"answer lost":    {exchange.Failed, ""},
		"deadline":       {exchange.Failed, ""},
		"second":         {exchange.Failed, reused},
	}},
	{[]string{"first", "second", "person", "found", "decline", "answer lost", "answer lost"}, exchange.Failed, map[string]cell{
		"answer arrived": {exchange.Declined, ""},
		"answer lost":    {exchange.Failed, ""},
		"deadline":       {exchange.Failed, ""},
		"second":         {exchange.Failed, reused},
	}},
	{[]string{"first", "second", "person", "not found", "answer lost", "answer arrived"}, exchange.Refused, map[string]cell{"second": {exchange.Refused, reused}}},
	{[]string{"first", "second", "person", "found", "approve", "answer lost", "deadline"}, exchange.Failed, map[string]cell{"second": {exchange.Failed, reused}}},
	{[]string{"first", "offer lost"}, exchange.Failed, map[string]cell{"second": {exchange.Failed, reused}}},
}

var requesterDiagram = []struct {
	path  []string
	phase exchange.Phase
	cells map[string]cell
}{
	{[]string{"first"}, exchange.Asked, map[string]cell{
		"withdrawn":       {exchange.Withdrawn, "exchange.notice withdrawn"},
		"preview":         {exchange.PreviewOffered, "exchange.notice preview-offered"},
		"preview, script": {exchange.Failed, "exchange.notice failed"},
		// That there will be evidence later shows none of it.
		"deferred":             {exchange.Deferred, "exchange.notice deferred"},
		"evidence, other form": {exchange.Failed, "exchange.notice failed"}, "evidence, other state": {exchange.Failed, "exchange.notice failed"},
		"evidence, one id": {exchange.Failed, "exchange.notice failed"}, "deferred, full": {exchange.Failed, "exchange.notice failed"},
		// There must be a preview: whatever else answers request 1 cannot be used.
		"evidence": {exchange.Failed, "exchange.notice failed"}, "empty list": {exchange.Failed, "exchange.notice failed"},
		"evidence, other authority": {exchange.Failed, "exchange.notice failed"},
		"evidence, other person":    {exchange.Failed, "exchange.notice failed"}, "evidence, other type": {exchange.Failed, "exchange.notice failed"},
		"evidence, loose annex": {exchange.Failed, "exchange.notice failed"}, "evidence, none": {exchange.Failed, "exchange.notice failed"},
		"empty list, full": {exchange.Failed, "exchange.notice failed"}, "no status": {exchange.Failed, "exchange.notice failed"},
		"refusal": {exchange.Refused, "exchange.notice refused"}, "not found": {exchange.Refused, "exchange.notice refused"},
		"too late there": {exchange.ExpiredP, "exchange.notice expired"},
		"request 1 lost": {exchange.Failed, "exchange.notice failed"},
		"deadline":       {exchange.ExpiredP, "exchange.notice expired"},
	}},
	{[]string{"first", "preview"}, exchange.PreviewOffered, map[string]cell{
		"withdrawn": {exchange.Withdrawn, "exchange.notice withdrawn"},
		"second":    {exchange.Continued, "evidence.request after-preview"},
		"refusal":   {exchange.Refused, "exchange.notice refused"}, "not found": {exchange.Refused, "exchange.notice refused"},
		"too late there": {exchange.ExpiredP, "exchange.notice expired"},
		"deadline":       {exchange.ExpiredP, "exchange.notice expired"},
	}},
	{[]string{"first", "preview", "second"}, exchange.Continued, map[string]cell{
		"withdrawn":                 {exchange.Withdrawn, "exchange.notice withdrawn"},
		"evidence":                  {exchange.Delivered, "exchange.notice delivered"},
		"empty list":                {exchange.Declined, "exchange.notice declined"},
		"deferred":                  {exchange.Deferred, "exchange.notice deferred"},
		"deferred, full":            {exchange.Failed, "exchange.notice failed"},
		"evidence, other form":      {exchange.Failed, "exchange.notice failed"},
		"evidence, other state":     {exchange.Failed, "exchange.notice failed"},
		"evidence, one id":          {exchange.Failed, "exchange.notice failed"},
		"evidence, other authority": {exchange.Failed, "exchange.notice failed"},
		"evidence, other person":    {exchange.Failed, "exchange.notice failed"},
		"evidence, other type":      {exchange.Failed, "exchange.notice failed"},
		"evidence, loose annex":     {exchange.Failed, "exchange.notice failed"},
		"evidence, none":            {exchange.Failed, "exchange.notice failed"},
		"empty list, full":          {exchange.Failed, "exchange.notice failed"},
		"no status":                 {exchange.Failed, "exchange.notice failed"},
		"refusal":                   {exchange.Refused, "exchange.notice refused"},
		"not found":                 {exchange.Refused, "exchange.notice refused"},
		"too late there":            {exchange.ExpiredP, "exchange.notice expired"},
		"request 2 lost":            {exchange.Failed, "exchange.notice failed"},
		"deadline":                  {exchange.ExpiredP, "exchange.notice expired"},
	}},
	{[]string{"first", "preview", "second", "evidence"}, exchange.Delivered, map[string]cell{
		"deadline":  {exchange.Delivered, ""},
		"withdrawn": {exchange.Delivered, ""}, // the answer was quicker: its evidence is forgotten
	}},
	{[]string{"first", "preview", "second", "evidence", "deadline"}, exchange.Delivered, nil},
	{[]string{"first", "preview", "second", "empty list"}, exchange.Declined, nil},
	{[]string{"first", "deferred"}, exchange.Deferred, nil},
	{[]string{"first", "preview", "withdrawn"}, exchange.Withdrawn, nil},
	{[]string{"first", "preview", "second", "withdrawn"}, exchange.Withdrawn, nil},
	{[]string{"first", "refusal"}, exchange.Refused, nil},
	{[]string{"first", "deadline"}, exchange.ExpiredP, nil},
	{[]string{"first", "request 1 lost"}, exchange.Failed, nil},
}

// turnedAway are words of a provider's peer that are refused one by one and
// never touch the exchange, in whatever state.
func turnedAway(word string, c *exchange.Conversation) string {
	switch word {
	case "first":
		return reused
	case "second, same id", "second, other location", "second, http return", "second, other person", "second, other type", "second, other representative":
		if c.Second == "" && (c.Phase == exchange.ExpiredP || c.Outcome == exchange.ExpiredP) {
			return expires
		}
		return reused
	}
	return ""
}

// Covers: B-015, B-019, B-027, B-028, B-029, B-035
func TestProviderDiagram(t *testing.T) {
	words := providerWords()
	for _, d := range providerDiagram {
		for word := range words {
			t.Run(fmt.Sprint(d.path, " + ", word), func(t *testing.T) {
				s := providerSide(t)
				walk(t, s, words, d.path, d.phase)
				want, does := d.cells[word]
				if !does {
					want = cell{d.phase, turnedAway(word, s.c)}
				}
				check(t, s, words[word](s), want, does)
			})
		}
	}
}

// Covers: B-015, B-026, B-027, B-028, B-039, B-051
func TestRequesterDiagram(t *testing.T) {
	words := requesterWords()
	for _, d := range requesterDiagram {
		for word := range words {
			t.Run(fmt.Sprint(d.path, " + ", word), func(t *testing.T) {
				s := requesterSide(t)
				walk(t, s, words, d.path, d.phase)
				want, does := d.cells[word]
				if !does {
					want = cell{d.phase, ""}
				}
				check(t, s, words[word](s), want, does)
			})
		}
	}
}

func walk(t *testing.T, s *side, words alphabet, path []string, want exchange.Phase) {
	t.Helper()
	for _, w := range path {
		s.step(words[w](s))
	}
	if s.c.Phase != want {
		t.Fatalf("%v leads to %s, want %s", path, s.c.Phase, want)
	}
}

func check(t *testing.T, s *side, m canon.Message, want cell, does bool) {
	t.Helper()
	before := *s.c
	out := s.step(m)
	keepsContract(t, s.id, out)
	if s.c.Phase != want.phase || kinds(out) != want.says {
		t.Errorf("got %s saying %q (%s), want %s saying %q", s.c.Phase, kinds(out), steps(out), want.phase, want.says)
	}
	after := *s.c
	if !does {
		after.Passed = before.Passed
		if d := exchangetest.Diff(before, after); d != "" {
			t.Errorf("the state changed: (-before +after)\n%s", d)
		}
	}
	for _, o := range out {
		if o.Conversation != s.id || o.Cause != m.ID || !o.At.Equal(m.At) || o.Kind != o.Body.Kind() {
			t.Errorf("%s: got conversation %s, cause %s, time %s; want those of the input", o.Kind, o.Conversation, o.Cause, o.At)
		}
	}
	kept := after.Role == exchange.Requester && after.Phase == exchange.Delivered || // for the portal
		after.Role == exchange.Provider && after.Phase == exchange.Failed // for a resend
	if after.Phase.Final() != (after.Timer == "") && !kept {
		t.Errorf("phase %s has timer %q", after.Phase, after.Timer)
	}
	if after.Phase.Final() && !before.Phase.Final() && steps(out[len(out)-1:]) != "exchange.closed" {
		t.Errorf("the end is recorded as %q, want exchange.closed last", steps(out))
	}
}
