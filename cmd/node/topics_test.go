package node

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"oncegate/gateway/kafkalog"
)

// The guide tells of every topic what it holds of persons (Reg. 2018/1724 rec. 42).
//
// Covers: B-042
func TestTheGuideTellsWhatTopicsAreFor(t *testing.T) {
	c, err := kafkalog.New(kafkalog.Config{Brokers: []string{"127.0.0.1:9092"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var b strings.Builder
	b.WriteString("| topic | of persons | for | provision | kept | ends earlier when |\n|---|---|---|---|---|---|\n")
	for _, s := range c.Catalogue() {
		if strings.HasSuffix(s.Name, ".dlq") {
			continue
		}
		kept := "`kafka.retention`"
		switch {
		case s.Settings["retention.ms"] == "-1":
			kept = "latest of each key"
		case s.Name == "audit.v1":
			kept = "`kafka.audit_retention`"
		case s.Name == "exchange.record.v1":
			kept = "`exchange_log.term`"
		}
		p := s.Purpose
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", s.Name, cmp.Or(p.Holds, "nothing"), p.For, p.Basis, kept, p.Ends)
	}
	section(t, "topics", b.String())
}
