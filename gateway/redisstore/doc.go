// Package redisstore is the only room with Redis in it: conversations, preview
// sessions, and the memories with which edges do one thing once.
//
// It owns keys, their terms and their encoding. It does not own the meaning of
// what it keeps, and nothing in it is the only copy: losing Redis costs a
// rebuild from the log. No key names a person; no value holds one in clear.
// Before it: gateway/exchange, gateway/preview and the edges that declare what
// they need. After it: the Redis server, with maxmemory-policy noeviction.
package redisstore
