// Package embedded runs the Kafka protocol in the process (franz-go's kfake),
// for the demo, the sandbox, tests, and one small node. It owns the data
// directory and its lock, and the settings that keep the broker from its known
// ways of losing data. It does not own topics: kafkalog makes them, with
// Config.Embedded set. Before it: cmd. After it: kafkalog, over a socket.
//
// The broker has one node, no replication, and one goroutine for everything: no
// place for the only copy of what a partner holds a receipt for. A real Kafka is,
// and is chosen by configuration alone.
package embedded
