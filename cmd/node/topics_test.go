package node

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"oncegate/gateway/kafkalog"
	"oncegate/schemas/canon"
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
		case s.Name == kafkalog.TopicOf(canon.KindAudit):
			kept = fmt.Sprintf("%d days", days(t, s))
		case s.Name == kafkalog.TopicOf(canon.KindExchangeRecord):
			kept = "`exchange_log.term`"
		}
		p := s.Purpose
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", s.Name, cmp.Or(p.Holds, "nothing"), p.For, p.Basis, kept, p.Ends)
	}
	section(t, "topics", b.String())
}

func days(t *testing.T, s kafkalog.TopicSpec) int {
	t.Helper()
	ms, err := strconv.Atoi(s.Settings["retention.ms"])
	if err != nil {
		t.Fatal(err)
	}
	return ms / 86_400_000
}
