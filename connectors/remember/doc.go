// Package remember keeps answers of others for a time.
//
// It owns when a remembered answer serves: while it is fresh, and for a while longer
// where there is no new one; that a "no" is remembered too; that who want the same at
// once ask once; and how much is kept. What an answer is, how long it holds and which
// failure is an answer is said by who asks.
//
// Before it: nothing of ours. After it: connectors/directory and
// connectors/edelivery/discovery.
package remember
