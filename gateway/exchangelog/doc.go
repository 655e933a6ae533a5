// Package exchangelog makes the record that the law wants of every message to or
// from another Member State (IR 2022/1463 Art. 17(1), (2), (4); TDD 4.8) and reads
// it again.
//
// A record names in the open what says nothing of a person: message, exchange,
// parties, procedure, evidence type, outcome. The message document stands sealed
// beside it, to a public key: an access point writes records that it cannot read,
// and the private key may lie with those who answer for the log. The evidence
// itself is not recorded (Art. 17(1)(b)); receipts and digests stand in the audit
// trail under the same AS4 MessageId.
//
// Records outlive the exchange: forgetting its key does not touch them. They end
// with the retention of their topic and, for good, with the private key of their
// time; so keys are dated, and destroyed at term.
//
// It does not own the log (gateway/kafkalog), the audit trail (gateway/audit) or
// the message (connectors). Before it: the access point, by way of cmd. After it:
// the log, and `oncegate exchange export`.
package exchangelog
