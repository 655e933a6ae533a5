// Package sandbox is a landscape to try the gateway in: three Member States on
// loopback ports, registers that answer real XML, an eID means and a portal of
// a competent authority, with fictitious people.
//
// It owns the outside world of the demo and nothing of the gateway: the
// nodes in it are built by cmd/node, exactly as `serve` builds them. Before it:
// cmd/oncegate (verbs demo and sandbox). After it: cmd/node.
package sandbox
