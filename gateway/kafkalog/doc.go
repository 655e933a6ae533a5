// Package kafkalog is the only room with Kafka in it. It owns the topics and
// their settings, the form of a canonical message on the log (CloudEvents
// headers, JSON body, key = conversation), the idempotent writer, the consumer
// with its commits and retries, the writing of dead letters, reading of ranges,
// and the stores of payload chunks and wrapped keys that live on topics.
//
// It does not own what a message means, when a conversation's key is forgotten,
// who may read what, or what becomes of a dead letter: gateway/replay names its
// headers and reads, redrives and discards it through ReplayLog. Before it:
// schemas/canon. After it: cmd, which hands its parts to the cores and the edges
// as canon.Publish, canon.Handler and stores.
//
// It is a thin layer on kafka-go's Client, Transport and ConsumerGroup and uses
// neither its Writer nor its Reader (ADR: kafka-go as client). Requests on the
// hot paths, Produce and Fetch, are written and read here byte by byte: a batch
// is encoded once into the buffer that goes to the socket, and a fetched batch
// is delivered only after its checksum was compared.
package kafkalog
