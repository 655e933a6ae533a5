package rulecheck

import (
	"math"
	"testing"

	"oncegate/schemas/rules"
)

func TestNativeTests(t *testing.T) {
	for s, want := range map[string]bool{
		"2026-02-28": true, "2024-02-29": true, "2026-02-29": false, "2026-13-01": false, "2026-00-01": false, "2026-01-00": false, "0000-01-01": false,
		"2026-1-1": false, "26-01-01": false, "2026-01-01Z": true, "2026-01-01+14:00": true, "2026-01-01+14:01": false, "2026-01-01 ": true, "2026-01-01x": false,
		"": false, "2026": false, "2026-": false, "2026-01": false, "2026-01-0": false, "２０２６-01-01": false, "2026-01-01T00:00:00": false, "2026-01-01+": false, "2026-01-01+01": false,
	} {
		if isDate(s) != want {
			t.Errorf("date(%q) is %t", s, !want)
		}
	}
	for s, want := range map[string]bool{
		"2026-02-28T00:00:00": true, "2026-02-28T23:59:59.999Z": true, "2026-02-28T24:00:00Z": true, "2026-02-28T24:00:00.5Z": false, "2026-02-28T24:00:01Z": false,
		"2026-02-28T25:00:00": false, "2026-02-28T10:60:00": false, "2026-02-28T10:00:60": false, "2026-02-28T10:00:00.": false, "2026-02-28T10:00:00.1234567890123": false,
		"2026-02-28T10:00:00+02:00": true, "2026-02-28T10:00:00+2:00": false, "2026-02-28T10:00": false, "2026-02-28 10:00:00": false, "2026-02-28": false, "2026-02-28T": false, "": false,
	} {
		if isDateTime(s) != want {
			t.Errorf("date-time(%q) is %t", s, !want)
		}
	}
	for s, want := range map[string]bool{
		"4ffb5281-179d-4578-adf2-39fd13ccc797": true, "4FFB5281-179D-4578-ADF2-39FD13CCC797": true, "4ffb5281-179d-4578-adf2-39fd13ccc79": false, "4ffb5281-179d-4578-adf2-39fd13ccc79g": false,
		"4ffb5281x179d-4578-adf2-39fd13ccc797": false, "": false, "urn:uuid:4ffb5281-179d-4578-adf2-39fd13ccc797": false,
	} {
		if isUUID(s) != want {
			t.Errorf("uuid(%q) is %t", s, !want)
		}
	}
	for s, want := range map[string]string{"": "", " ": "", "a": "a", " a  b\t\nc ": "a b c", "a\tb": "a b", "a b": "a b", "\u00a0a": "\u00a0a"} {
		if got := normalize(s); got != want {
			t.Errorf("normalize-space(%q) is %q", s, got)
		}
	}
	for s, want := range map[string]float64{"1": 1, " -1.5 ": -1.5, "+2": 2, "0x10": math.NaN(), "1e3": math.NaN(), "": math.NaN(), "Inf": math.NaN(), "1_0": math.NaN()} {
		if got := toNumber(s); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("number(%q) is %v", s, got)
		}
	}
}

// TestPatternsAreTables keeps the published patterns off the general engine.
func TestPatternsAreTables(t *testing.T) {
	c := &compiler{names: new(names), functions: functions(), patterns: make(map[string]*pattern)}
	for _, d := range rules.Documents() {
		rows, _ := rules.Of(d)
		for _, r := range rows {
			if _, f := c.test(r.Test); f != nil {
				t.Error(r.TestFault(f.at, f.msg))
			}
		}
	}
	slow := 0
	for text, p := range c.patterns {
		if p.next == nil {
			slow++
			t.Logf("%s is left to package regexp", text)
		}
	}
	t.Logf("%d patterns", len(c.patterns))
	if len(c.patterns) == 0 || slow*5 > len(c.patterns) {
		t.Errorf("%d of %d patterns are no tables", slow, len(c.patterns))
	}
}

// TestEveryRuleCompiles compiles all rules of all documents and editions.
func TestEveryRuleCompiles(t *testing.T) {
	for _, d := range rules.Documents() {
		if rows, _ := rules.Of(d); rows == nil {
			continue
		}
		for _, e := range rules.Editions() {
			if _, err := Rules(d, e, nil); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := Rules("weather", "2.0", nil); err == nil {
		t.Error("an unknown document has rules")
	}
	if _, err := Rules(rules.EDMRequest, "3.0", nil); err == nil {
		t.Error("an unknown edition has rules")
	}
	if s, err := Rules(rules.EDMRequest, "1.1", nil); err != nil || s.Edition() != rules.Edition12 {
		t.Errorf("1.1 is judged by %v, %v", s, err)
	}
}
