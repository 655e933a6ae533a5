package exchange

// DeadlineOf is the message that the poller publishes.
var DeadlineOf = deadline

// InOrder is the order in which a rebuild applies messages.
var InOrder = inOrder

// Fold is a rebuild without a store.
var Fold = fold

// Denials is the table of refusals by reason of routing.
var Denials = denials

// SetBatch bounds what a recovery holds in memory.
func (k *Core) SetBatch(n int) { k.batch = n }
