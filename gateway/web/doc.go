// Package web shows pages: to a person, the provider's preview space; to an
// operator, what became of exchanges.
//
// It owns the pages, their languages, the login of the person with an eID
// (OpenID Connect) and the check that this person is the one of the request. It
// owns no state machine: it reads conversations and publishes preview.opened.v1
// and consent.decision.v1. Pages need no script. Before it: the preview location
// that the core offered. After it: the core, and the requester's return location.
package web
