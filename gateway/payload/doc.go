// Package payload seals what is personal and keeps evidence bytes outside the
// messages. It owns the keys: one per conversation, wrapped under dated
// key-encryption keys, and with them forgetting: a conversation whose key is
// gone can be read nowhere, whatever copies of its bytes remain.
//
// Two types do the work. Keyring is the canon.Sealer: it seals the private part
// of bodies and states. Vault is the canon.Payloads: it seals streams of any
// length over a store of blobs. Neither knows where keys and blobs are stored;
// they speak to Keys and Blobs, which have a file implementation here and one on
// Kafka topics in gateway/kafkalog. Package payloadtest holds the batteries that
// every implementation passes.
//
// It does not decide when a conversation is forgotten (the core does), and holds
// no key of a transport. Before it: canon. After it: kafkalog, redisstore, the
// cores and the edges, as canon.Sealer and canon.Payloads.
//
// # What is bound to what
//
// A box is bound to its conversation, to its key id and to the caller's
// associated data; Associate builds these without ambiguity. The log binds the
// private part of a body to the message id and the kind:
//
//	associated := payload.Associate(string(m.ID), string(m.Kind))
//
// (with ReplayOf instead of ID where a message is sent again under a new id).
// A blob is bound to its conversation and key id; a payload reference, which
// binds it to its digest, travels in the message.
//
// # Forgetting on several instances
//
// Keys.Get is authoritative. A Keyring caches unwrapped keys for CacheTTL (10 s
// unless configured), so another instance keeps reading for at most that long
// after Forget returned.
package payload
