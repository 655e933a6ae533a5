package main

import (
	"errors"
	"fmt"
	"slices"

	"oncegate/testdata/bench/figure"
)

// A line of the table: a figure of ours, and the same figure of what it is
// compared with.
type line struct {
	what     string
	ours     key
	second   string // a second unit of both, shown behind the first
	beside   key
	name     string // of what is beside
	slower   bool   // beside does a part of the same work: the ratio is what ours costs of it
	perSec   bool   // the unit is ns/op: the table shows operations a second and what ours costs
	optional bool
	command  byte
}

func of(bench, unit string) key { return key{bench, unit} }

const (
	onePerson    = "BenchmarkExchange/persons=1"
	eightPersons = "BenchmarkExchange/persons=8"
)

var errNotMeasured = errors.New("not measured")

const commands = `a  GOMAXPROCS=1 go test -run '^$' -benchtime 100ms -bench '^Benchmark(Parse|Canonical)$' ./connectors/xmldoc
b  GOMAXPROCS=1 go test -run '^$' -benchtime 200x -bench '^Benchmark(Receive|Send)$' ./connectors/edelivery
c  GOMAXPROCS=1 go test -run '^$' -benchtime 100ms -bench '^Benchmark(Reply|Mapping)$' ./connectors/register
d  GOMAXPROCS=1 go test -run '^$' -benchtime 100ms -bench '^BenchmarkVault$' ./gateway/payload
e  GOMAXPROCS=1 go test -run '^$' -benchtime 100ms -bench '^BenchmarkValidate$' ./schemas
f  GOMAXPROCS=2 go test -run '^$' -benchtime 20000x -bench '^BenchmarkWrite$' ./gateway/kafkalog   (with fsync: -benchtime 2000x)
g  GOMAXPROCS=2 go test -run '^$' -benchtime EXCHANGESx -bench '^BenchmarkExchange$' ./cmd/sandbox
h  ONCEGATE_TEST_SCHEMATRON=$(testdata/peers/peers.sh schematron) GOMAXPROCS=1 go test -run '^$' -benchtime 100ms -bench '^BenchmarkSchematron$' ./connectors/rulecheck
i  GOMAXPROCS=1 go test -run '^$' -benchtime 100ms -bench '^Benchmark(Decode|Encode)$' ./connectors/regrep
`

func lines() []line {
	const rate, ns = "MB/s", "ns/op"
	var out []line
	add := func(command byte, l line) {
		l.command = command
		out = append(out, l)
	}
	for _, doc := range []string{"envelope", "50KB", "1MB"} {
		at := "BenchmarkParse/" + doc + "/"
		add('a', line{what: "xmldoc parse, " + doc + ", MB/s", ours: of(at+"xmldoc", rate), beside: of(at+"encoding-xml", rate), name: "encoding/xml, tokens only"})
	}
	for _, doc := range []string{"envelope", "50KB", "1MB"} {
		at := "BenchmarkCanonical/" + doc + "/"
		add('a', line{what: "xmldoc exclusive C14N, " + doc + ", MB/s", ours: of(at+"xmldoc", rate), beside: of(at+"goxmldsig", rate), name: "goxmldsig"})
	}
	for _, way := range []string{"Receive", "Send"} {
		at := "Benchmark" + way
		add('b', line{what: "AS4 " + map[string]string{"Receive": "receive", "Send": "send"}[way] + ", 10 KB, messages/s/core", ours: of(at, "msg/s/core"),
			beside: of(at, "crypto/s/core"), name: "bare cryptography of the message", slower: true})
	}
	for _, size := range []string{"50KB", "1024KB"} {
		at := "BenchmarkReply/" + size + "/"
		add('c', line{what: "register reply to record and evidence, " + size + ", MB/s", ours: of(at+"record-and-evidence", rate), beside: of(at+"encoding-xml-tokens", rate), name: "encoding/xml, tokens only"})
	}
	add('c', line{what: "register XML to record, mapping included, 1024KB, MB/s", ours: of("BenchmarkMapping/all", rate), beside: of("BenchmarkReply/1024KB/encoding-xml-tokens", rate), name: "encoding/xml, tokens only"})
	add('c', line{what: "mapping rules on a parsed document, MB/s", ours: of("BenchmarkMapping/load-and-rules", rate), beside: of("BenchmarkReply/1024KB/encoding-xml-tokens", rate), name: "encoding/xml, tokens only"})
	for _, size := range []string{"100", "10240"} {
		bare := of("BenchmarkVault/bare_"+size+"_KiB", rate)
		add('d', line{what: "payload vault put, " + size + " KiB, MB/s", ours: of("BenchmarkVault/put_"+size+"_KiB", rate), beside: bare, name: "bare SHA-256 and AES-256-GCM"})
		add('d', line{what: "payload vault open, " + size + " KiB, MB/s", ours: of("BenchmarkVault/open_"+size+"_KiB", rate), beside: bare, name: "bare SHA-256 and AES-256-GCM"})
	}
	for _, kind := range []string{"evidence.request.v1", "exchange.deadline.v1"} {
		at := "BenchmarkValidate/" + kind
		add('e', line{what: "schema check of " + kind + ", documents/s", ours: of(at, ns), beside: of(at+"/encoding-json", ns), name: "encoding/json, into any", perSec: true})
	}
	for _, broker := range []string{"embedded", "embedded-fsync", "kafka"} {
		at := "BenchmarkWrite/" + broker + "/"
		l := line{name: "kgo", optional: broker == "kafka"}
		l.what, l.ours, l.beside = "log writes/s, 64 callers, "+broker, of(at+"ours", "writes/s"), of(at+"kgo", "writes/s")
		add('f', l)
		l.what, l.ours, l.beside, l.second = "log write p50 / p99, us, "+broker, of(at+"ours", "p50-us"), of(at+"kgo", "p50-us"), "p99-us"
		add('f', l)
	}
	for _, doc := range []string{"request", "response", "error"} {
		at := "BenchmarkSchematron/" + doc + "/"
		for _, how := range []string{"parsing", "parsed"} {
			what := map[string]string{"parsing": "all rules of an EDM 1.0 " + doc + ", parsing included", "parsed": "all rules of a parsed EDM 1.0 " + doc}[how]
			add('h', line{what: what + ", messages/s/core", ours: of(at+how+"/oncegate", "messages/s"), beside: of(at+"saxon", how+"-messages/s"), name: "Saxon-HE with the published Schematron", optional: true})
		}
	}
	for _, edition := range []string{"2.0", "1.2", "1.0"} {
		for _, way := range []string{"Decode", "Encode"} {
			for _, doc := range []string{"request-first", "response-delivered"} {
				what := map[string]string{"Decode": "read and judge", "Encode": "write and judge"}[way] + " an EDM " + edition + " " + map[string]string{"request-first": "request", "response-delivered": "answer"}[doc]
				add('i', line{what: what + ", MB/s / allocations", ours: of("Benchmark"+way+"/"+edition+"/"+doc, rate), second: "allocs/op"})
			}
		}
	}
	add('g', line{what: "exchanges/s in one process", ours: of(onePerson, "exchanges/s"), beside: of(eightPersons, "exchanges/s"), name: "eight persons at once"})
	add('g', line{what: "peak memory of that process, MB", ours: of(onePerson, "peak-MB"), beside: of(eightPersons, "peak-MB"), name: "eight persons at once"})
	return out
}

// cells are ours, beside and ratio.
func (l line) cells(r *figures) ([3]string, error) {
	show := func(k key) (string, error) {
		v := r.values[k]
		if len(v) == 0 {
			return "", fmt.Errorf("%s %s: %w", k.bench, k.unit, errNotMeasured)
		}
		if l.perSec {
			return figure.Short(1e9 / figure.Median(v)), nil
		}
		s := figure.Short(figure.Median(v))
		if l.second != "" {
			w := r.values[key{k.bench, l.second}]
			if len(w) == 0 {
				return "", fmt.Errorf("%s %s: %w", k.bench, l.second, errNotMeasured)
			}
			s += " / " + figure.Short(figure.Median(w))
		}
		return s, nil
	}
	var out [3]string
	var err error
	if out[0], err = show(l.ours); err != nil || l.beside == (key{}) {
		return out, err
	}
	if out[1], err = show(l.beside); err != nil || l.second != "" || l.ours.bench == onePerson {
		return out, err
	}
	ours, beside := r.values[l.ours], r.values[l.beside]
	var ratios []float64
	for i := range min(len(ours), len(beside)) {
		if l.slower {
			ratios = append(ratios, beside[i]/ours[i])
			continue
		}
		ratios = append(ratios, ours[i]/beside[i])
	}
	unit := "x as fast"
	if l.slower || l.perSec {
		unit = "x the cost"
	}
	out[2] = figure.Short(figure.Median(ratios)) + unit + " (" + figure.Short(slices.Min(ratios)) + " to " + figure.Short(slices.Max(ratios)) + ")"
	return out, nil
}
