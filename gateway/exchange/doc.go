// Package exchange is the once-only core: it decides, for one conversation, what
// follows from one message.
//
// It owns the state machines of both roles (we ask, we provide), their
// deadlines and refusals, and the contract of the store that remembers
// conversations. It does not own transport, pages, registers or keys. Before
// it: the log's consumer (gateway/kafkalog) and the deadline poller. After it:
// the messages it returns, on the log again.
package exchange
