// Package exchangetest holds the battery that every exchange.Store passes, and
// the store in memory that passes it.
//
// Before it: gateway/exchange. After it: the tests of gateway/redisstore and of
// whoever needs a store without a server.
package exchangetest
