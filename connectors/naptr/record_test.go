package naptr

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

const asked = "LMHB.iso6523-actorid-upis.sml.example.test"

func TestRewrite(t *testing.T) {
	for _, tt := range []struct {
		name, expression, want, fault string
	}{
		{"usual", "!.*!https://smp.example/!", "https://smp.example/", ""},
		{"anchored", "!^.*$!https://smp.example/!", "https://smp.example/", ""},
		{"another delimiter", "|.*|https://smp.example/|", "https://smp.example/", ""},
		{"slash as delimiter", `/^.*$/https:\/\/smp.example/`, "https://smp.example", ""},
		{"escaped delimiter stands for itself", `|^(LMHB\|x)?.*$|https://smp.example/\1|`, "https://smp.example/", ""},
		{"escaped full stop", `!^LMHB\.iso.*$!https://smp.example!`, "https://smp.example", ""},
		{"groups", `!^([^.]+)\.([^.]+)\..*$!https://smp.example/\2/\1!`, "https://smp.example/iso6523-actorid-upis/LMHB", ""},
		{"group that is not there", `!^.*$!https://smp.example/\1!`, "", "no group"},
		{"optional group", `!^(x)?.*$!https://smp.example/\1!`, "https://smp.example/", ""},
		{"partial match gives the replacement alone", `!LMHB!https://smp.example!`, "https://smp.example", ""},
		{"case folded", `!^lmhb.*$!https://smp.example!i`, "https://smp.example", ""},
		{"case kept", `!^lmhb.*$!https://smp.example!`, "", "does not match"},
		{"leftmost longest", `!(L|LMHB)!\1!`, "LMHB", ""},
		{"no match", `!^other$!https://smp.example!`, "", "does not match"},
		{"dollar is itself", `!^.*$!https://smp.example/$1!`, "https://smp.example/$1", ""},
		{"perl syntax", `!(?P<x>.*)!https://smp.example!`, "", "expression"},
		{"perl class", `!\d!https://smp.example!`, "", "expression"},
		{"back-reference in the expression", `!(.)\1!https://smp.example!`, "", "expression"},
		{"unclosed group", `!(.*!https://smp.example!`, "", "expression"},
		{"large repetition", `!(.{1,999}){1,999}!https://smp.example!`, "", "expression"},
		{"zeroth group", `!.*!\0!`, "", "back-reference"},
		{"backslash at the end", `!.*!x\!`, "", "fewer"},
		{"empty", "", "", "no expression"},
		{"one delimiter", "!.*", "", "fewer"},
		{"two delimiters", "!.*!x", "", "fewer"},
		{"four delimiters", "!.*!x!!", "", "more"},
		{"unknown flag", "!.*!x!g", "", "flag"},
		{"digit as delimiter", "1.*1x1", "", "delimiter"},
		{"flag as delimiter", "i.*ixi", "", "delimiter"},
		{"backslash as delimiter", `\.*\x\`, "", "delimiter"},
		{"too long", `!^((((((.*))))))$!` + strings.Repeat(`\1`, 80) + `!`, "", "too long"},
	} {
		got, err := Record{Regexp: tt.expression}.Rewrite(asked)
		if tt.fault == "" && (err != nil || got != tt.want) || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
			t.Errorf("%s: got %q, %v; want %q %s", tt.name, got, err, tt.want, tt.fault)
		}
	}
}

// What another implementation writes is read as it meant it.
func TestReadRecordAgrees(t *testing.T) {
	for _, want := range []Record{
		{Order: 100, Preference: 10, Flags: "U", Service: "Meta:SMP", Regexp: "!.*!https://smp.example/!", Replacement: "."},
		{Order: 65535, Flags: "s", Service: "", Regexp: "", Replacement: "_smp._tcp.example.test."},
		{Service: strings.Repeat("x", 255), Regexp: strings.Repeat("y", 255), Replacement: "."},
	} {
		rr := &dns.NAPTR{
			Hdr:   dns.RR_Header{Name: ".", Rrtype: dns.TypeNAPTR, Class: dns.ClassINET},
			Order: want.Order, Preference: want.Preference, Flags: want.Flags, Service: want.Service, Regexp: want.Regexp, Replacement: want.Replacement,
		}
		b := make([]byte, dns.Len(rr))
		if _, err := dns.PackRR(rr, b, 0, nil, false); err != nil {
			t.Fatal(err)
		}
		data := b[11:] // root, type, class, TTL, length
		got, err := readRecord(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for cut := range data {
			if _, err := readRecord(data[:cut]); err == nil {
				t.Fatalf("cut at %d: accepted", cut)
			}
		}
	}
	for name, data := range map[string]string{
		"compressed replacement": "\x00\x01\x00\x01\x01U\x01s\x01r\xc0\x0c",
		"bytes behind":           "\x00\x01\x00\x01\x01U\x01s\x01r\x00\x00",
		"label too long":         "\x00\x01\x00\x01\x01U\x01s\x01r\x40" + strings.Repeat("x", 64) + "\x00",
		"name too long":          "\x00\x01\x00\x01\x01U\x01s\x01r" + strings.Repeat("\x3f"+strings.Repeat("x", 63), 5) + "\x00",
	} {
		if r, err := readRecord([]byte(data)); err == nil {
			t.Errorf("%s: got %+v", name, r)
		}
	}
}

func TestNameservers(t *testing.T) {
	got := nameservers("# comment\nsearch example.test\nnameserver 127.0.0.53\nnameserver  2001:db8::53 \nnameserver bad\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n")
	if diff := cmp.Diff([]string{"127.0.0.53:53", "[2001:db8::53]:53", "192.0.2.1:53"}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"!.*!https://smp.example/!", `!^([^.]+)\.(.*)$!https://\2/\1!i`, `/a\/b/\//`, "!(a*)*b!x!", "!.{1,1000}!x!"} {
		f.Add(s, asked)
	}
	f.Fuzz(func(t *testing.T, expression, name string) {
		if len(expression) > 255 || len(name) > 253 { // the DNS has no longer ones
			return
		}
		out, err := Record{Regexp: expression}.Rewrite(name)
		if err == nil && len(out) > maxAddress+len(name)+len(expression) {
			t.Errorf("result of %d bytes", len(out))
		}
		if err == nil {
			if u, err := ReadAddress(out, false); err == nil && (u.Scheme != "https" || u.Host == "" || u.User != nil) {
				t.Errorf("address %q", out)
			}
		}
	})
}

func FuzzMessage(f *testing.F) {
	q := new(dns.Msg)
	q.SetQuestion("a.test.", dns.TypeNAPTR)
	q.Id = 7
	for _, records := range [][]string{
		nil, {`a.test. 60 IN NAPTR 1 2 "U" "Meta:SMP" "!.*!https://smp.example/!" .`},
		{"a.test. 60 IN CNAME b.test.", `b.test. 60 IN NAPTR 1 2 "U" "Meta:SMP" "!.*!x!" c.test.`}, {"test. 60 IN DNAME other.example."},
	} {
		m := new(dns.Msg)
		m.SetReply(q)
		for _, r := range records {
			rr, err := dns.NewRR(r)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(b, 7, "a.test.")
		if err != nil {
			return
		}
		if len(m.answers) > maxAnswers || !m.header.Response || m.header.ID != 7 {
			t.Errorf("accepted %d answers", len(m.answers))
		}
		if _, _, err := m.alias("a.test."); err != nil && err != ErrLoop {
			t.Error(err)
		}
	})
}
