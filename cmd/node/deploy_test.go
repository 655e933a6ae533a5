package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const repo = "../.."

// sample makes the directory that deploy/keys.sh makes for an operator.
func sample(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: deploy/keys.sh needs it")
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), filepath.Join(repo, "deploy", "keys.sh"), append([]string{dir}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("running keys.sh: %v\n%s", err, out)
	}
	return filepath.Join(dir, "oncegate.yaml")
}

func TestTheSampleConfigurationIsSound(t *testing.T) {
	for _, args := range [][]string{nil, {"compose"}} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			cfg, err := Load(sample(t, args...))
			if err != nil {
				t.Fatal(err)
			}
			if err := cfg.Check(false); err != nil {
				t.Errorf("checking the sample: %v", err)
			}
		})
	}
}

func TestTheSampleServesAndItsMetricsAreTheOnesWatched(t *testing.T) {
	cfg, err := Load(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*ServerConfig{&cfg.EDelivery.ServerConfig, &cfg.API.ServerConfig, &cfg.Web.ServerConfig, &cfg.Monitor} {
		s.Listen = "127.0.0.1:0" // the ports of the sample may be taken
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n, err := New(ctx, cfg, Options{Embedded: true, Data: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()

	i := slices.IndexFunc(n.servers, func(s *server) bool { return s.name == "monitor" })
	if i < 0 {
		t.Fatal("the sample has no monitor")
	}
	base := "http://" + n.servers[i].ln.Addr().String()
	for path, want := range map[string]int{"/livez": 204, "/readyz": 204, "/metrics": 200} {
		if got := status(ctx, t, base+path); got != want {
			t.Errorf("%s answers %d, want %d", path, got, want)
		}
	}
	exported := metricNames(n.reg)
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		data, err := os.ReadFile(filepath.Join(repo, "deploy", file))
		if err != nil {
			t.Fatal(err)
		}
		names := watched(string(data))
		if len(names) < 5 {
			t.Errorf("%s watches %q only", file, names)
		}
		for _, name := range names {
			if !slices.ContainsFunc(exported, func(m metric) bool { return m.Name == name }) {
				t.Errorf("%s watches %s, which is not exported", file, name)
			}
		}
	}
	section(t, "metrics", metricsTable(exported))
	cancel()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("serving the sample: %v", err)
	}
}

func status(ctx context.Context, t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// A metric is one of ours, or one of the process.
type metric struct{ Name, Help, Labels string }

var (
	described = regexp.MustCompile(`fqName: "([^"]+)", help: "([^"]*)".*variableLabels: \{([^}]*)\}`)
	aMetric   = regexp.MustCompile(`\b(?:gateway|messaging|process|go)_[a-z0-9_]+\b`)
)

// metricNames lists what the registry can export, whether or not it has a value yet.
func metricNames(reg *prometheus.Registry) []metric {
	ch := make(chan *prometheus.Desc)
	go func() { reg.Describe(ch); close(ch) }()
	var out []metric
	for d := range ch {
		if m := described.FindStringSubmatch(d.String()); m != nil {
			out = append(out, metric{m[1], m[2], m[3]})
		}
	}
	slices.SortFunc(out, func(a, b metric) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// watched lists the metrics that a file of rules or panels names.
func watched(text string) []string {
	var out []string
	for _, name := range aMetric.FindAllString(text, -1) {
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			name = strings.TrimSuffix(name, suffix)
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func metricsTable(ms []metric) string {
	var b strings.Builder
	b.WriteString("| metric | labels | meaning |\n|---|---|---|\n")
	for _, m := range ms {
		if strings.HasPrefix(m.Name, "go_") || strings.HasPrefix(m.Name, "process_") {
			continue // those of every Go program
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Name, strings.ReplaceAll(m.Labels, ",", ", "), m.Help)
	}
	return b.String()
}
