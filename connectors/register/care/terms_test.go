package care_test

import (
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/register/care"
	"oncegate/mapping/yamldoc"
)

const office = `hours:
  zone: Europe/Ljubljana
  open: [{days: mon-fri, from: "07:00", to: "19:00"}, {days: sat, from: "22:00", to: "02:00"}]
  closed: ["2026-12-25"]
`

func TestOpeningHours(t *testing.T) {
	night := "hours: {zone: Europe/Ljubljana, open: [{days: mon-sun, from: \"02:30\", to: \"06:00\"}]}"
	late := "hours: {zone: Europe/Ljubljana, open: [{days: mon-sun, from: \"00:00\", to: \"02:30\"}]}"
	day := "hours: {zone: Europe/Ljubljana, open: [{days: sun, from: \"00:00\", to: \"24:00\"}]}"
	for _, tc := range []struct{ rule, text, at, next string }{
		{"no hours are always open", "concurrency: 1", "2026-01-01T03:00:00Z", "2026-01-01T03:00:00Z"},
		{"open on a weekday", office, "2026-05-11T06:00:00Z", "2026-05-11T06:00:00Z"},
		{"open from the first moment", office, "2026-05-11T05:00:00Z", "2026-05-11T05:00:00Z"},
		{"closed from the last moment, until tomorrow", office, "2026-05-11T17:00:00Z", "2026-05-12T05:00:00Z"},
		{"over the weekend", office, "2026-05-10T08:00:00Z", "2026-05-11T05:00:00Z"},
		{"in winter the clock is another", office, "2026-01-12T05:00:00Z", "2026-01-12T06:00:00Z"},
		{"over midnight, before it", office, "2026-05-09T21:00:00Z", "2026-05-09T21:00:00Z"},
		{"over midnight, after it", office, "2026-05-09T23:30:00Z", "2026-05-09T23:30:00Z"},
		{"over midnight, at its end", office, "2026-05-10T00:00:00Z", "2026-05-11T05:00:00Z"},
		{"the second span of a week", office, "2026-05-09T10:00:00Z", "2026-05-09T20:00:00Z"},
		{"a closed day", office, "2026-12-25T08:00:00Z", "2026-12-26T21:00:00Z"},
		{"the night on which an hour is left out opens at the change", night, "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"},
		{"the night on which an hour comes twice opens at the second", night, "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"},
		{"and closes at the first", late, "2026-10-25T00:30:00Z", "2026-10-25T23:00:00Z"},
		{"an end that is left out is the change", late, "2026-03-29T00:59:00Z", "2026-03-29T00:59:00Z"},
		{"and not later", late, "2026-03-29T01:00:00Z", "2026-03-29T22:00:00Z"},
		{"a day of 23 hours", day, "2026-03-29T21:59:00Z", "2026-03-29T21:59:00Z"},
		{"a day of 25 hours", day, "2026-10-25T22:59:00Z", "2026-10-25T22:59:00Z"},
		{"and its end", day, "2026-10-25T23:00:00Z", "2026-10-31T23:00:00Z"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			at, want := moment(t, tc.at), moment(t, tc.next)
			open, next := terms(t, tc.text).Open(at)
			if open != want.Equal(at) || !next.Equal(want) {
				t.Errorf("at %s: got open %t, next %s; want %s", tc.at, open, next.UTC().Format(time.RFC3339), tc.next)
			}
		})
	}
}

func moment(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestNextOpeningIsTheFirst compares with a walk by the minute through the weeks in
// which clocks change.
func TestNextOpeningIsTheFirst(t *testing.T) {
	of := terms(t, office)
	for _, begin := range []string{"2026-03-27T00:00:00Z", "2026-10-23T00:00:00Z", "2026-12-23T00:00:00Z"} {
		start := moment(t, begin)
		const minutes = 6 * 24 * 60
		opens := start.Add(minutes * time.Minute)
		for i := minutes - 1; i >= 0; i-- {
			at := start.Add(time.Duration(i) * time.Minute)
			open, next := of.Open(at)
			if open {
				opens = at
			}
			if i < 3*24*60 && !next.Equal(opens) {
				t.Fatalf("at %s: next %s, want %s", at, next, opens)
			}
		}
	}
}

func TestFaultsOfTermsAreShownWhereTheyStand(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"concurrency: 0", "1:14: want a whole number from 1 to 1000"},
		{"rate: {calls: 10}", `1:7: missing key "per"`},
		{"rate: {calls: 10, per: 1s, burst: 11}", "1:35: want a whole number from 1 to 10"},
		{"rate: {calls: 10, per: 1ms}", "1:24: want 10ms to 24h0m0s"},
		{"repeat: sometimes", "1:9: want one of safe, never"},
		{"repeat: never\ncache: {for: 1m}", "2:8: a call that does something"},
		{"cache: {for: 2h}", "1:14: want 1s to 1h0m0s"},
		{"cache: {}", `missing key "for"`},
		{"wait: 1h", "1:7: want 1s to 15m0s"},
		{"hours: {zone: Mars/Phobos, open: []}", `1:15: "Mars/Phobos" is not a known zone`},
		{"hours: {zone: Local, open: []}", "1:15: want a zone such as"},
		{"hours: {open: []}", `missing key "zone"`},
		{"hours: {zone: Europe/Rome, open: [{days: mon-fry, from: \"07:00\", to: \"19:00\"}]}", "1:42: days: want days such as"},
		{"hours: {zone: Europe/Rome, open: [{days: mon, from: \"7:00\", to: \"24:30\"}]}", "1:53: want a time such as"},
		{"hours: {zone: Europe/Rome, open: [], closed: [christmas]}", "1:47: closed: want a day"},
		{"houers: {}", `unknown key "houers"; did you mean "hours"?`},
	} {
		doc, root := yamldoc.Parse("register.yaml", []byte(tc.text))
		care.Parse(root)
		if err := doc.Err(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", tc.text, err, tc.want)
		}
	}
}

func settings(t testing.TB, text string) care.Settings {
	t.Helper()
	var s care.Settings
	if err := yaml.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestADeploymentTightensAndNeverLoosens(t *testing.T) {
	agreed := "concurrency: 4\nrate: {calls: 10, per: 1s, burst: 5}\ntimeout: 20s\n" + office
	for _, tc := range []struct{ rule, agreed, text, fault string }{
		{"nothing said", agreed, "", ""},
		{"tighter in all", agreed, "concurrency: 2\nrate: {calls: 5, per: 2s}\nhours: {open: [{days: mon, from: \"08:00\", to: \"12:00\"}], closed: [\"2026-12-24\"]}", ""},
		{"within a night", agreed, "hours: {open: [{days: sun, from: \"00:00\", to: \"01:00\"}]}", ""},
		{"more at one time", agreed, "concurrency: 5", "concurrency: 5 is looser than what the register agreed to: 4"},
		{"what was not agreed may be chosen", "repeat: safe", "concurrency: 50", ""},
		{"more calls", agreed, "rate: {calls: 11, per: 1m}", "rate: 11 per 1m0s, 5 at once, is looser"},
		{"a shorter period", agreed, "rate: {calls: 1, per: 100ms}", "is looser than what the register agreed to: 10 per 1s"},
		{"a larger burst", agreed, "rate: {calls: 8, per: 1s, burst: 6}", "looser"},
		{"a rate without a number", agreed, "rate: {per: 1s}", "calls and per are required"},
		{"open when it is closed", agreed, "hours: {open: [{days: mon-sun, from: \"08:00\", to: \"12:00\"}]}", "open on Sunday at 08:00, when the register agreed to no calls"},
		{"another clock", agreed, "hours: {zone: Europe/Lisbon, open: [{days: mon, from: \"08:00\", to: \"09:00\"}]}", "zone: want that of register.yaml, Europe/Ljubljana"},
		{"maintenance that ends before it begins", agreed, "maintenance: [{from: 2026-12-02T00:00:00Z, until: 2026-12-01T00:00:00Z}]", "maintenance[0]"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, err := terms(t, tc.agreed).Tighten(settings(t, tc.text), 0)
			if (err == nil) != (tc.fault == "") || err != nil && !strings.Contains(err.Error(), tc.fault) {
				t.Errorf("got %v, want %q", err, tc.fault)
			}
		})
	}
	if _, err := terms(t, agreed).Tighten(care.Settings{}, 21*time.Second); err == nil {
		t.Error("a longer time-out is accepted")
	}
	if err := yaml.Unmarshal([]byte("maintenance: [{from: 2026-12-01, until: 2026-12-02}]"), &care.Settings{}); err == nil {
		t.Error("a moment without a zone is accepted")
	}
}

func TestMaintenanceIsANoCallTime(t *testing.T) {
	of, err := terms(t, office).Tighten(settings(t, `maintenance:
  - {from: 2026-05-11T08:00:00+02:00, until: 2026-05-11T10:00:00+02:00}
  - {from: 2026-05-11T10:00:00+02:00, until: 2026-05-11T20:00:00+02:00}`), 0)
	if err != nil {
		t.Fatal(err)
	}
	open, next := of.Open(moment(t, "2026-05-11T06:30:00Z"))
	if want := moment(t, "2026-05-12T05:00:00Z"); open || !next.Equal(want) { // it ends after hours
		t.Errorf("got open %t, next %s; want %s", open, next, want)
	}
	if open, _ := of.Open(moment(t, "2026-05-11T05:59:00Z")); !open {
		t.Error("closed before it begins")
	}
}
