// Command oncegate is the gateway: one binary, one file per verb.
//
// It reads the command line, builds a node (cmd/node) or a landscape of nodes
// (cmd/sandbox) and prints what came of it. It decides nothing about evidence.
package main
