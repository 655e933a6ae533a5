// Package node builds one deployment of the gateway from its configuration:
// the log, the memory, the keys, the core, the edges and their servers.
//
// It owns the configuration file and the wiring, and decides nothing about
// evidence. Before it: cmd/oncegate and cmd/sandbox. After it: every room.
package node
