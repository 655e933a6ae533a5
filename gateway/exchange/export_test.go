package exchange

import "oncegate/schemas/canon"

// DeadlineOf is the message that the poller publishes.
var DeadlineOf = deadline

// InOrder is the order in which a rebuild applies messages.
var InOrder = inOrder

// Fold is a rebuild without a store.
func Fold(ms []canon.Message, w *World) (*Conversation, []Applied, error) {
	return fold(ms, func(canon.Message) (*World, error) { return w, nil })
}

// Denials is the table of refusals by reason of routing.
var Denials = denials

// SetBatch bounds what a recovery holds in memory.
func (k *Core) SetBatch(n int) { k.batch = n }
