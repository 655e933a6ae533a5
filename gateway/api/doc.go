// Package api speaks JSON over HTTP: with portals of our authorities, with
// operators, and with whoever watches the process.
//
// It owns the routes and their OpenAPI document, bearer tokens, idempotency
// keys, the turning of faults into problem documents, and webhooks. It decides
// nothing about an exchange: it publishes canonical messages and reads what the
// core remembers. Before it: a portal or an operator. After it: the log, and
// for webhooks the portal.
package api
