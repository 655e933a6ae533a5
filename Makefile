# oncegate: `make` prints this help.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
BIN := bin/oncegate
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
SOURCES := $(shell find . -name '*.go' -o -name '*.html' -o -name '*.css' -o -name '*.json' -o -name '*.yaml' -o -name go.mod -o -name go.sum | grep -v '^./\(\.services\|bin\|demo-out\)/')
SERVICES := testdata/services/services.sh
PEERS := testdata/peers/peers.sh
FUZZTIME ?= 60s

.PHONY: help build demo sandbox test test-unit test-services test-interop test-hsm chaos pages lint verify bench bench-as4 bench-mapping fuzz services services-stop clean

help: ## print this help
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(BIN) ## build the one static binary, bin/oncegate

$(BIN): $(SOURCES)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/oncegate

demo: build ## one evidence crosses a border, in one process
	$(BIN) demo

sandbox: build ## the same landscape, kept running, with pages
	$(BIN) sandbox

test: lint test-unit test-hsm test-services test-interop ## everything: unit tests with -race, the same batteries on real Kafka and Redis, AS4 against other stacks

test-unit: ## unit tests, batteries and a full exchange on the embedded defaults
	$(GO) test -race -shuffle=on -timeout 8m ./...

test-services: build ## the batteries and the exchange on a real Apache Kafka and a real redis-server
	@testdata/services/test.sh

test-hsm: ## keys in a PKCS#11 token and in OpenSSL (C compiler, libssl-dev, softhsm2; skipped without)
	@if echo '#include <openssl/evp.h>' | $${CC:-cc} -E - >/dev/null 2>&1; then \
	 command -v softhsm2-util >/dev/null || echo 'test-hsm: no softhsm2: keys in tokens are not tested'; \
	 $(GO) test -race -count=1 -tags 'pkcs11 openssl' ./connectors/edelivery/keystore; \
	 else echo 'test-hsm: no C compiler or no libssl-dev: keys in tokens and in OpenSSL are not tested'; fi

test-interop: ## independent judges: phase4 and WSS4J for AS4, WSS4J for registers of SOAP, Saxon with the published Schematron for the rules, veraPDF for PDF/UA and PDF/A (java, mvn)
	@dir=$$($(PEERS) phase4) || { [ $$? = 3 ] && exit 0; exit 1; }; \
	 ONCEGATE_TEST_PHASE4=$$dir $(GO) test -count=1 -timeout 8m ./connectors/edelivery/interop
	@dir=$$($(PEERS) schematron) || { [ $$? = 3 ] && exit 0; exit 1; }; \
	 ONCEGATE_TEST_SCHEMATRON=$$dir $(GO) test -count=1 -timeout 5m -run TestPublishedSchematron ./connectors/rulecheck
	@dir=$$($(PEERS) wss) || { [ $$? = 3 ] && exit 0; exit 1; }; \
	 ONCEGATE_TEST_WSS=$$dir $(GO) test -count=1 -timeout 5m -run WSS4J ./connectors/register/soapsec
	@dir=$$($(PEERS) pdf) || { [ $$? = 3 ] && exit 0; exit 1; }; \
	 ONCEGATE_TEST_PDF=$$dir $(GO) test -count=1 -timeout 5m -run Judged ./connectors/pdf ./connectors/evidence

chaos: build ## the same with nodes that are killed at random
	@ONCEGATE_CHAOS=1 testdata/services/test.sh

lint: ## gofmt, vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); if [ -n "$$out" ]; then echo "gofmt: $$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

verify: lint ## the tree is tidy: generated parts are current, go.mod is tidy
	$(GO) mod tidy -diff
	$(GO) mod verify
	CGO_ENABLED=0 $(GO) build -o /dev/null ./...

pages: build ## walk every page in a real browser without JavaScript, with axe as judge (chromium, node, npm)
	@testdata/pages/pages.sh

bench: build ## the figures of docs/performance.md
	@testdata/bench/bench.sh

bench-as4: ## the AS4 figures: beside phase4, bare cryptography, OpenSSL; 1 GiB, 10,000 partners (java, mvn; libssl-dev)
	@testdata/bench/as4.sh

bench-mapping: ## the mapping language: beside encoding/xml, etree, and the same mapping in XSLT by xsltproc and Saxon; the rate of a register, counted (xsltproc; java, mvn; redis)
	@testdata/bench/mapping.sh

fuzz: ## every fuzz target for FUZZTIME (60s) each
	@set -e; for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do d=$$(dirname $$f); \
	 for t in $$(grep -oE '^func Fuzz[A-Za-z0-9_]*' $$f | cut -c6-); do echo "== $$d $$t"; \
	  $(GO) test -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$d; done; done

services: ## start a real Apache Kafka and redis-server under .services/
	$(SERVICES) start

services-stop: ## stop what `make services` started
	$(SERVICES) stop

clean: ## remove what was built; services are stopped first
	-@[ -d .services ] && $(SERVICES) stop >/dev/null 2>&1
	rm -rf bin demo-out .services testdata/peers/*/target
