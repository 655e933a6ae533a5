#!/usr/bin/env bash
# Runs every package that has tests against real services: starts Apache Kafka
# and redis-server, tells the tests where they are, and says by name what was
# skipped because a service cannot be had here. With CI=true that is a failure.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

rc=0
"$here/services.sh" start || rc=$?
if [[ $rc == 3 && ${CI-} != true ]]; then
  echo "test: a service cannot be obtained here; its tests are skipped, by name below" >&2
elif [[ $rc != 0 ]]; then
  exit "$rc"
fi
eval "$("$here/services.sh" env)"
if [[ ${CI-} == true ]]; then export ONCEGATE_REQUIRE_SERVICES=1; fi

mapfile -t packages < <(grep -rl --include='*_test.go' 'ONCEGATE_TEST_' . | xargs -n1 dirname | sort -u)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
rc=0
"${GO:-go}" test -race -shuffle=on -count=1 -timeout 8m -v "${packages[@]}" >"$log" 2>&1 || rc=$?
grep -E '^(ok|FAIL|panic)|^ *--- (FAIL|SKIP)' "$log" || true
if [[ $rc != 0 ]]; then
  # What failed, with what it said.
  grep -E -A40 '^ *--- FAIL|DATA RACE|^panic' "$log" | head -n 400 >&2 || true
fi
exit "$rc"
