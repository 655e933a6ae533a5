#!/usr/bin/env bash
# The figures of docs/performance.md: `make bench`.
#
# Everything is measured in rounds, each benchmark beside what it is compared
# with, so that a machine that is busy for a moment is busy for both; the table
# shows medians over the rounds, and ratios taken round by round.
#
#   BENCH_ROUNDS     rounds of the comparisons; default 7
#   BENCH_EXCHANGES  exchanges measured at 1 and at 8 persons; default 120
#   BENCH_OUT        where test binaries and raw output are kept; default .cache/bench
#
# Writes to a real Apache Kafka are measured where ONCEGATE_TEST_KAFKA names one
# or `make services` has one running.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
rounds=${BENCH_ROUNDS:-7}
exchanges=${BENCH_EXCHANGES:-120}
out=${BENCH_OUT:-$root/.cache/bench}
go=${GO:-go}

services=${ONCEGATE_SERVICES_DIR:-$root/.services}
if [[ -z ${ONCEGATE_TEST_KAFKA:-} && -s $services/env ]]; then
  # shellcheck disable=SC1091
  . "$services/env"
fi
addr=${ONCEGATE_TEST_KAFKA:-}
if [[ -n $addr ]] && ! (exec 3<>"/dev/tcp/${addr%:*}/${addr##*:}") 2>/dev/null; then
  echo "bench: no Kafka answers at $addr; its figures are left out" >&2
  unset ONCEGATE_TEST_KAFKA
fi

if ! ONCEGATE_TEST_SCHEMATRON=$(testdata/peers/peers.sh schematron); then
  echo "bench: the figures of Saxon are left out" >&2
  unset ONCEGATE_TEST_SCHEMATRON
fi
export ONCEGATE_TEST_SCHEMATRON=${ONCEGATE_TEST_SCHEMATRON:-}
mkdir -p "$out"
echo "bench: building" >&2
"$go" test -c -o "$out/" ./cmd/sandbox ./connectors/edelivery ./connectors/register \
  ./connectors/xmldoc ./connectors/rulecheck ./connectors/regrep ./gateway/kafkalog ./gateway/payload ./schemas
"$go" build -o "$out/table" ./testdata/bench

raw=$out/raw.txt
: >"$raw"

# measure PACKAGE CORES TIME PATTERN
measure() {
  local binary=$out/${1##*/}.test
  (cd "$root/$1" && GOMAXPROCS=$2 "$binary" -test.run '^$' -test.timeout 10m -test.benchtime "$3" -test.bench "$4") >>"$raw"
}

load() { cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown; }

before=$(load)
start=$SECONDS
for ((i = 1; i <= rounds; i++)); do
  echo "bench: round $i of $rounds" >&2
  measure connectors/xmldoc 1 100ms '^Benchmark(Parse|Canonical)$/^(envelope|50KB|1MB)$/^(xmldoc|encoding-xml|goxmldsig)$'
  measure connectors/edelivery 1 200x '^Benchmark(Receive|Send)$'
  measure connectors/register 1 100ms '^Benchmark(Reply|Mapping)$'
  measure connectors/regrep 1 100ms '^Benchmark(Decode|Encode)$/^(2.0|1.2|1.0)$/^(request-first|response-delivered)$'
  measure gateway/payload 1 100ms '^BenchmarkVault$'
  measure schemas 1 100ms '^BenchmarkValidate$'
  measure gateway/kafkalog 2 20000x '^BenchmarkWrite$/^(embedded|kafka)$'
  measure gateway/kafkalog 2 2000x '^BenchmarkWrite$/^embedded-fsync$'
  if [[ -n ${ONCEGATE_TEST_SCHEMATRON:-} ]] && ((i <= 3)); then # Saxon needs its warm-up: half a minute a round
    measure connectors/rulecheck 1 100ms '^BenchmarkSchematron$'
  fi
done
echo "bench: $exchanges exchanges, one person and eight" >&2
measure cmd/sandbox 2 "${exchanges}x" '^BenchmarkExchange$'

"$out/table" -rounds "$rounds" -exchanges "$exchanges" -load "$before, $(load)" -took "$((SECONDS - start))s" "$raw"
