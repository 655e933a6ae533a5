// Package payloadtest holds the batteries that every payload.Keys and
// payload.Blobs passes, and stores in memory for tests of other rooms. It is
// imported by tests only. Before it: gateway/payload. After it: tests of
// gateway/payload and gateway/kafkalog.
package payloadtest
