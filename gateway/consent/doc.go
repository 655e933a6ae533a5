// Package consent owns what a person asked for: the explicit request as an
// object, what it covers, and the provisions of law that stand in for it.
//
// It does not own the record itself: the grant of an exchange is part of its
// conversation, and the log is its ledger; nor the person's decision at the
// preview, which is the core's. Before it: nobody. After it: gateway/exchange.
package consent
