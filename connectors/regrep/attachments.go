package regrep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/rulecheck"
	"oncegate/schemas/canon"
)

// attach ties the documents of a response to the parts of the message, one to
// one, and puts the bytes into the payload store. Nothing is stored unless
// everything fits.
func (c *Codec) attach(ctx context.Context, x *response, parts []edelivery.Part, id canon.ConversationID, payloads canon.Payloads) error {
	byID := map[string]int{}
	var total int64
	for i, p := range parts {
		if i > 0 && p.Size > c.maxEvidence {
			return breaks(rulecheck.LayerStructure, "TDD 4.7", "an evidence has more than %d bytes", c.maxEvidence)
		}
		total += max(p.Size, 0)
		if _, twice := byID[p.ID]; twice {
			return breaks(rulecheck.LayerStructure, "TDD 4.7", "two parts have one Content-ID")
		}
		byID[p.ID] = i
	}
	if total > c.maxMessage {
		return breaks(rulecheck.LayerStructure, "TDD 4.7", "the message has more than %d bytes", c.maxMessage)
	}
	order := make([]int, len(x.items))
	for i, it := range x.items {
		at, ok := byID[it.content]
		if !ok || at == 0 {
			return breaks(rulecheck.LayerStructure, "TDD 4.7", "a RepositoryItemRef names no part of the message, or one that another names too")
		}
		delete(byID, it.content)
		order[i] = at
		switch kind := baseType(parts[at].MediaType); {
		case !c.lists.Has("OOTSMediaTypes", kind):
			return breaks(rulecheck.LayerRule, "R-EDM-RESP-C023", "media type of a part is not in OOTSMediaTypes")
		case len(it.formats) > 0 && !slices.Contains(it.formats, kind):
			return breaks(rulecheck.LayerStructure, "TDD 4.7", "media type of a part is not the Format of its evidence")
		}
	}
	if len(byID) > 1 { // the RegRep part is left
		return breaks(rulecheck.LayerStructure, "TDD 4.7", "a part is named by no RepositoryItemRef")
	}
	left := c.maxMessage
	for i, at := range order {
		ref, err := c.put(ctx, parts[at], id, &left, payloads)
		if err != nil {
			return err
		}
		x.body.Documents[i].Payload = ref
	}
	return nil
}

func (c *Codec) put(ctx context.Context, part edelivery.Part, id canon.ConversationID, left *int64, payloads canon.Payloads) (canon.PayloadRef, error) {
	f, err := part.Open()
	if err != nil {
		return canon.PayloadRef{}, fmt.Errorf("opening part: %w", err)
	}
	defer f.Close()
	limited := &limitReader{r: f, left: min(c.maxEvidence, *left)}
	ref, err := payloads.Put(ctx, id, baseType(part.MediaType), limited)
	switch {
	case errors.Is(limited.err, errTooLarge):
		return canon.PayloadRef{}, breaks(rulecheck.LayerStructure, "TDD 4.7", "the evidence has more bytes than allowed")
	case err != nil:
		return canon.PayloadRef{}, fmt.Errorf("storing evidence: %w", err)
	}
	*left -= ref.Size
	return ref, nil
}

var errTooLarge = errors.New("evidence is too large")

// A limitReader fails where io.LimitReader would end: what is stored is whole.
type limitReader struct {
	r    io.Reader
	left int64
	err  error
}

func (l *limitReader) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		l.err = errTooLarge
		return 0, l.err
	}
	return n, err
}
