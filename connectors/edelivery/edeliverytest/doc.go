// Package edeliverytest holds the battery that every edelivery.Remembered passes:
// the one in memory here, the one in Redis where cmd wires both.
//
// It owns no implementation. Before it: edelivery, which declares the contract.
// After it: the tests of the implementations.
package edeliverytest
