// Package replay selects records of the log and sends them again, marked. It
// owns the selection, the plan (what would happen; nothing is sent), the run
// with its rate, checkpoint and report, and all that is done with a dead letter:
// the names of its headers, reading it, sending it again (a replay with another
// selection) and discarding it.
//
// It does not own the log, the writing of a dead letter (gateway/kafkalog), nor
// what a message means: bodies are passed on as the bytes they are, so it needs no
// key. It speaks to the log through Source and Sink. Before it: canon. After it:
// gateway/kafkalog implements the two; cmd gives them an operator.
//
// # What a replay does to a record
//
// Key, body and headers stay, but for these:
//
//	gw_replay_of     the id under which the body was first written (and under
//	                 which its private part is sealed)
//	gw_replay_count  one more than before; at MaxReplays the record is left out
//	ce_id            kept, so that whoever applied the message swallows it; with
//	                 Again derived anew from the old id and the job, so that it
//	                 is done again once, also when the job is resumed
//	gw_series        in a resend to a peer: which one, from 1; the access point
//	                 then sends the message again, under its own MessageId
//
// From a redriven dead letter the headers of its death are taken away, but for
// gw_first_failed_at. It goes to the topic whose dead letters it lies among,
// wherever its headers say that it stood. Letters that Kafka Connect, Spring and
// watermill wrote are read, too.
//
// # Order
//
// Within a partition, and so within a conversation on one topic, records are
// sent in the order in which they were written. Topics are replayed one after
// the other.
//
// # Dead letters that were dealt with
//
// A log cannot delete one record. So a settlement is written to the dead-letter
// topic itself: an empty record that names the letter and says redriven or
// discarded. The letter is written to its topic first: a crash between the two
// redrives it twice under one id, and the second is swallowed. What can never be
// sent (no id, too many deaths, key forgotten) can still be discarded.
package replay
