package kafkalog

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/segmentio/kafka-go"

	"oncegate/schemas/canon"
)

// Failures that callers tell apart.
var (
	// ErrOutcomeUnknown: the caller stopped waiting; the records may or may not
	// be on the log, and the writer goes on until they are. Publish again with
	// the same ids, never with new ones.
	ErrOutcomeUnknown = errors.New("outcome of the write is not known yet")
	// ErrClosed: the writer was closed.
	ErrClosed = errors.New("log writer is closed")
	// ErrUnknownTopic: the topic, or the partition of it, does not exist.
	ErrUnknownTopic = errors.New("unknown topic or partition")
	// ErrTooLarge: a record does not fit into one batch.
	ErrTooLarge = errors.New("record is larger than a batch may be")
	// ErrCorrupt: a batch does not match its checksum or cannot be read.
	ErrCorrupt = errors.New("corrupt record batch")
)

var errNoLeader = errors.New("partition has no leader")

// unavailable makes a fault of a failure to reach or use the brokers.
func unavailable(err error, doing string) error {
	if err == nil {
		return nil
	}
	return canon.NewFault(canon.CodeLogUnavailable, err, "%s", doing)
}

// verdict says what an answer to a write means.
type verdict int

const (
	written   verdict = iota + 1 // it is on the log
	refused                      // it is not, and the same bytes never will be
	again                        // it may be or not; the same bytes again
	stateLost                    // the broker does not know our producer id or sequence
)

// judge reads Kafka's error codes
// (https://kafka.apache.org/protocol.html#protocol_error_codes).
func judge(code int16) verdict {
	switch kafka.Error(code) {
	case 0, kafka.DuplicateSequenceNumber:
		return written
	case kafka.UnknownTopicOrPartition, kafka.LeaderNotAvailable, kafka.NotLeaderForPartition,
		kafka.RequestTimedOut, kafka.BrokerNotAvailable, kafka.ReplicaNotAvailable, kafka.NetworkException,
		kafka.NotEnoughReplicas, kafka.NotEnoughReplicasAfterAppend, kafka.KafkaStorageError,
		kafka.InvalidMessage, kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.NotController,
		kafka.GroupLoadInProgress, kafka.GroupCoordinatorNotAvailable, kafka.NotCoordinatorForGroup,
		kafka.ConcurrentTransactions, kafka.Unknown, kafka.ThrottlingQuotaExceeded:
		return again
	case kafka.OutOfOrderSequenceNumber, kafka.UnknownProducerId, kafka.InvalidProducerEpoch,
		kafka.InvalidProducerIDMapping, kafka.ProducerFenced:
		return stateLost
	}
	return refused
}

// brokenConnection reports a failure below Kafka: nothing is known about the
// request, and a new connection may help.
func brokenConnection(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if e, ok := errors.AsType[kafka.Error](err); ok {
		return judge(int16(e)) == again
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errNoLeader)
}
