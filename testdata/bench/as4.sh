#!/usr/bin/env bash
# The AS4 figures of docs/performance.md: `make bench-as4`.
#
# Builds testdata/bench/as4 twice, the second time with OpenSSL's RSA, and phase4's
# peer, and lets it measure; the table goes to standard output. What is not installed
# is left out with a line. Five to six minutes on two cores; let nothing else run.
#
#   BENCH_ROUNDS     rounds of each comparison; default 5
#   BENCH_MESSAGES   messages of one measurement with RSA, twice as many without; default 300
#   BENCH_WARM       messages each way and profile to warm the JVM up; default 1500
#   BENCH_LARGE      bytes of the large payload; default 1 GiB, 0 leaves it out
#   BENCH_DOCS       1 writes the table into docs/performance.md
#   BENCH_OUT        where programs and the table are kept; default .cache/bench
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
out=${BENCH_OUT:-$root/.cache/bench}
go=${GO:-go}
load=$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo unknown)
mkdir -p "$out"

echo "bench-as4: building" >&2
CGO_ENABLED=0 "$go" build -trimpath -o "$out/as4" ./testdata/bench/as4
args=()

if ! { command -v gcc && [[ -e /usr/include/openssl/evp.h ]]; } >/dev/null && [[ $(id -u) = 0 ]] && command -v apt-get >/dev/null; then
  echo "bench-as4: installing gcc and libssl-dev" >&2
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends gcc libc6-dev libssl-dev; } >"$out/apt.txt" 2>&1 || true
fi
if CGO_ENABLED=1 "$go" build -trimpath -tags openssl -o "$out/as4-openssl" ./testdata/bench/as4 2>"$out/openssl.txt"; then
  args+=(-openssl "$out/as4-openssl")
else
  echo "bench-as4: no gcc and libssl-dev: OpenSSL's RSA is left out" >&2
fi

if peer=$(testdata/peers/peers.sh phase4); then
  args+=(-phase4 "$peer" -java testdata/bench/as4/Bare.java)
else
  [[ $? = 3 ]] || exit 1 # 3: no Java or no Maven; it said so
  echo "bench-as4: phase4 is left out" >&2
fi
[[ ${BENCH_DOCS:-} = 1 ]] && args+=(-docs docs/performance.md)

"$out/as4" run -load "$load" -rounds "${BENCH_ROUNDS:-5}" -messages "${BENCH_MESSAGES:-300}" -warm "${BENCH_WARM:-1500}" \
  -large "${BENCH_LARGE:-1073741824}" "${args[@]}" | tee "$out/as4.md"
