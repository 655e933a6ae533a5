#!/usr/bin/env bash
# The figures of the mapping language in docs/performance.md: `make bench-mapping`.
#
# Builds testdata/bench/mapping and lets it measure, one thread at a time; the table
# goes to standard output. xsltproc (Debian) and Saxon-HE (Maven) are left out with a
# line where they cannot be had. Then the rate of a register is counted on a real
# redis-server. Two minutes; let nothing else run.
#
#   BENCH_ROUNDS  rounds of the comparisons; default 7
#   BENCH_WARM    time to warm the JVM up, for each of the two documents; default 10s
#   BENCH_DOCS    1 writes the table into docs/performance.md
#   BENCH_OUT     where program, documents and raw figures are kept; default .cache/bench
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
out=${BENCH_OUT:-$root/.cache/bench}
go=${GO:-go}
load=$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown)
mkdir -p "$out/mapping"

echo "bench-mapping: building" >&2
CGO_ENABLED=0 "$go" build -trimpath -o "$out/mapping/bench" ./testdata/bench/mapping
args=()

if ! command -v xsltproc >/dev/null && [[ $(id -u) = 0 ]] && command -v apt-get >/dev/null; then
  echo "bench-mapping: installing xsltproc" >&2
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends xsltproc; } >"$out/mapping/apt.txt" 2>&1 || true
fi
if command -v xsltproc >/dev/null; then
  args+=(-xsltproc "$(command -v xsltproc)")
else
  echo "bench-mapping: no xsltproc: it is left out" >&2
fi

if peer=$(testdata/peers/peers.sh xslt); then
  args+=(-saxon "$peer")
else
  [[ $? = 3 ]] || exit 1 # 3: no Java or no Maven; it said so
  echo "bench-mapping: Saxon is left out" >&2
fi
[[ ${BENCH_DOCS:-} = 1 ]] && args+=(-docs docs/performance.md)

"$out/mapping/bench" -dir testdata/bench/mapping -out "$out/mapping" -load "$load" -rounds "${BENCH_ROUNDS:-7}" -warm "${BENCH_WARM:-10s}" "${args[@]}"

# The agreed rate of a register, counted: 100,000 calls of four instances that share
# one real Redis.
services=testdata/services/services.sh
before=$("$services" status)
if "$services" start redis >"$out/mapping/redis.txt" 2>&1; then
  eval "$("$services" env)"
  echo "bench-mapping: 100,000 calls within the rate of a register" >&2
  ONCEGATE_TEST_RATE=${BENCH_RATE:-5000} "$go" test -count=1 -v -timeout 5m -run '^TestAHundredThousandCallsOverRedis$' ./cmd/node >"$out/mapping/rate.txt" 2>&1 ||
    { cat "$out/mapping/rate.txt"; exit 1; }
  sed -n 's/^ *care_test.go:[0-9]*: /Rate of a register: /p' "$out/mapping/rate.txt"
  if ! grep -q ' runs, ' <<<"$before"; then "$services" stop >/dev/null 2>&1 || true; fi
else
  echo "bench-mapping: no redis-server: the rate is not counted" >&2
fi
