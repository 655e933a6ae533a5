package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const discoveryFile = `
zone: sml.example.test
resolvers: ["127.0.0.1:53"]
services:
  - {name: "Meta:SMP", version: "1.0"}
signers:
  anchors: [ca.pem]
  subject: '(^|,)CN=SMP Example(,|$)'
ca: [ca.pem]
transports:
  - name: bdxr-transport-ebms3-as4-v1p0
    partner:
      party: {type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:test"}
      signing: {anchors: [ca.pem]}
      services:
        - {service: urn:example:process:once, type: example-procid, actions: [Ask, Answer]}
document_scheme: busdox-docid-qns
activities:
  - {action: Ask, document: "busdox-docid-qns::urn:example:evidence::Certificate##v1::1.0", process: "example-procid::urn:example:process:once"}
`

// A node with discovery starts, and its file is checked with the others.
func TestDiscoveryIsOnWhereItsFileIsNamed(t *testing.T) {
	path := sample(t)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "discovery.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() *Config {
		t.Helper()
		cfg, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		cfg.EDelivery.Discovery = "discovery.yaml"
		for _, s := range []*ServerConfig{&cfg.EDelivery.ServerConfig, &cfg.API.ServerConfig, &cfg.Web.ServerConfig, &cfg.Monitor} {
			s.Listen = "127.0.0.1:0"
		}
		return cfg
	}
	if err := load().Check(false); err == nil || !strings.Contains(err.Error(), "edelivery.discovery") {
		t.Errorf("without its file: %v", err)
	}
	write(strings.Replace(discoveryFile, "transports:", "transport:", 1))
	if err := load().Check(false); err == nil || !strings.Contains(err.Error(), "transport") {
		t.Errorf("with a wrong key: %v", err)
	}
	write(discoveryFile)
	if err := load().Check(false); err != nil {
		t.Fatalf("checking: %v", err)
	}
	n, err := New(t.Context(), load(), Options{Embedded: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
}
