// Package messagestest holds the battery that every messages.Store passes, and the
// one in memory. It is for tests.
package messagestest
