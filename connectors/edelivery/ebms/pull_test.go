package ebms

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/xmldoc"
)

func TestPullRequestIsReadBackAndCanonical(t *testing.T) {
	for written, read := range map[string]string{"urn:mpc:\"a\" & b": "urn:mpc:\"a\" & b", "": DefaultMPC} {
		want := Signal{Timestamp: time.Date(2026, 9, 14, 9, 31, 7, 0, time.UTC), MessageID: "p@x"}
		b := AppendPullRequest(nil, &want, written, "i")
		e := parse(t, b)
		m, err := Read(e)
		if err != nil {
			t.Fatal(err)
		}
		want.Pull = &PullRequest{MPC: read}
		if d := cmp.Diff(&want, m.Signal); d != "" {
			t.Errorf("pull request (-want +got):\n%s", d)
		}
		if c := e.AppendCanonical(nil, xmldoc.C14N{}); string(c) != string(b) {
			t.Errorf("not canonical:\n%s\n%s", b, c)
		}
	}
}

func TestRulesOfAPullRequest(t *testing.T) {
	good := string(AppendPullRequest(nil, &Signal{Timestamp: time.Unix(0, 0), MessageID: "p@x"}, "urn:mpc:a", "i"))
	const pull = `<eb:PullRequest mpc="urn:mpc:a"></eb:PullRequest>`
	for _, tt := range []struct {
		name, new string
		want      Code
	}{
		{"two requests", pull + pull, InvalidHeader},
		{"with an error", pull + `<eb:Error errorCode="EBMS:0004" severity="failure"/>`, InvalidHeader},
		{"a selection", `<eb:PullRequest mpc="urn:mpc:a"><eb:AgreementRef>x</eb:AgreementRef></eb:PullRequest>`, FeatureNotSupported},
		{"a partition too long", `<eb:PullRequest mpc="` + strings.Repeat("a", 1025) + `"/>`, InvalidHeader},
		{"nothing", "", InvalidHeader},
	} {
		_, err := Read(parse(t, []byte(strings.Replace(good, pull, tt.new, 1))))
		if e := (*Error)(nil); !errors.As(err, &e) || e.Code != tt.want {
			t.Errorf("%s: err = %v, want %s", tt.name, err, tt.want)
		}
	}
}
