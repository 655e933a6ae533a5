// Package care keeps what the owner of a register was promised: how many calls
// at one time and in one period, when, for how long, and what becomes of a call
// whose fate nobody knows.
//
// It owns the terms (Terms, Settings), the opening hours (Calendar), the line of
// waiting calls, the circuit breaker, the memory of answers that a register lets
// us keep (Cache), and the order in which a call passes them (Guard). It does not
// own what a call is or what an answer means. Budgets and the memory of calls
// that were made hold for all instances of the gateway: Budgets and Asked say what
// is needed of it, Memory and Calls do it for one process.
//
// Before it: connectors/register, which asks. After it: the budgets and the
// memory, which cmd brings from Redis.
package care
