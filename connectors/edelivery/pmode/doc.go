// Package pmode holds the agreements with other access points: who they are, where
// they listen, which certificates are theirs, which services and actions are used,
// what their messages may hold, and how often a message is tried.
//
// It owns the table that answers "which agreement is this inbound header?" and
// "how do we send this action to that party?", its YAML form with every fault and
// warning in its place, and the live table that follows its files. It does not own
// keys (keystore), trust (wssec, revocation) or the wire. Before it: cmd, which
// reads files. After it: edelivery.
package pmode
