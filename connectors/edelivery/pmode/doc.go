// Package pmode holds the agreements with other access points: who they are, where
// they listen, which certificates are theirs, which services and actions are used,
// and how often a message is tried.
//
// It owns the table that answers "which agreement is this inbound header?" and
// "how do we send this action to that party?", and its YAML form. It does not own
// keys in use or the wire. Before it: cmd, which reads files. After it: edelivery.
package pmode
