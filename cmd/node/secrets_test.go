package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The keys that TLS and AS4 stand on are secrets as the others are.
func TestAKeyThatOthersMayReadIsRefused(t *testing.T) {
	path := sample(t)
	cfg, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.loadPModes(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	found := 0
	err = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil || !strings.Contains(string(data), "PRIVATE KEY") {
			return err
		}
		found++
		return os.Chmod(p, 0o644)
	})
	if err != nil || found == 0 {
		t.Fatalf("%d private keys: %v", found, err)
	}
	for name, load := range map[string]func() error{
		"AS4": func() error { _, err := cfg.loadPModes(); return err },
		"TLS server": func() error {
			_, err := cfg.serverTLS(cfg.Web.ServerConfig)
			return err
		},
		"TLS client": func() error { _, err := cfg.clientTLS("", cfg.Web.Cert, cfg.Web.Key); return err },
	} {
		if err := load(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%s: got %v, want the key refused", name, err)
		}
	}
}
