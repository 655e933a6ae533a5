#!/usr/bin/env bash
# The batteries, the exchange, and nodes that are killed, on a real Apache Kafka
# and a real redis-server; the transports of registers on a real PostgreSQL and a
# real SFTP server. Starts the services where they do not run, and stops what it
# started.
#
# Where a service cannot be obtained, its tests are skipped, each by name, and the
# rest runs; with CI=true that is a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
services=$here/services.sh
go=${GO:-go}

say() { printf 'test-services: %s\n' "$*"; }

before=$("$services" status)
stop() { if ! grep -q ' runs, ' <<<"$before"; then "$services" stop; fi; }
trap stop EXIT

obtained=0
"$services" start || obtained=$?
if ((obtained != 0 && obtained != 3)); then
  say "the services did not come up"
  exit 1
fi
if ((obtained == 3)) && [[ ${CI-} == true ]]; then
  say "a service cannot be obtained here, and CI wants them all"
  exit 1
fi
unset "${!ONCEGATE_TEST_@}"
eval "$("$services" env)"
# With all there, a test that finds none is a failure; otherwise it is skipped.
if ((obtained == 0)); then export ONCEGATE_REQUIRE_SERVICES=1; else unset ONCEGATE_REQUIRE_SERVICES; fi
say "Kafka ${ONCEGATE_TEST_KAFKA:-is missing}, Redis ${ONCEGATE_TEST_REDIS:-is missing}, PostgreSQL ${ONCEGATE_TEST_POSTGRES:-is missing}, SFTP ${ONCEGATE_TEST_SFTP:-is missing}"

# The package, what of it uses the services, and how long it may take.
# -v only where something is skipped: then the names are what counts.
out=$(mktemp)
trap 'rm -f "$out"; stop' EXIT
failed=0
run() { # PACKAGE PATTERN LIMIT [AGAIN]
  local verbose=()
  if ((obtained == 3)); then verbose=(-v); fi
  # -p 1 and -count=1: the clocks of groups and sessions are real here, and so are
  # the services, which no cached result has seen.
  if ! "$go" test -race -count=1 -timeout "$3" "${verbose[@]}" -run "$2" "$1" >"$out" 2>&1; then
    cat "$out"
    if ((${4:-0} == 0)); then
      failed=1
      return
    fi
    say "$1 failed, see above; once more, to tell a moment of the machine from a defect"
    run "$1" "$2" "$3" $(($4 - 1))
    return
  fi
  sed -n 's/^ *--- SKIP: \([^ ]*\).*/test-services: skipped \1/p' "$out"
  grep -E '^(ok|FAIL)' "$out" || true
}
run ./gateway/redisstore '/^real$' 4m
run ./gateway/kafkalog '/^kafka$' 4m
run ./connectors/register/pgread '/^postgres$' 4m
run ./connectors/register/filedrop '/^openssh$' 4m
run ./cmd/node '^Test.*Budgets.*$/^real$' 4m
# Whole landscapes with real clocks, killed while they work: one more try.
run ./cmd/sandbox '^TestReal' 8m 1
exit "$failed"
