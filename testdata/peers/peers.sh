#!/usr/bin/env bash
# Builds the Java peers of the interop tests where their sources are newer than
# what was built, and prints the directory for ONCEGATE_TEST_PHASE4. Exit 3 with
# one line where Java or Maven is missing.
set -euo pipefail
cd "$(dirname "$0")/phase4"
for tool in java javac mvn; do
  if ! command -v "$tool" >/dev/null; then
    echo "interop: $tool is not installed: the tests against phase4 and WSS4J are skipped" >&2
    exit 3
  fi
done
# Two runs at once build once.
mkdir -p target
exec 9>target/lock
flock 9
if [ ! -e target/built ] || [ -n "$(find pom.xml src -newer target/built -print -quit)" ]; then
  rm -rf target/classes target/peer.jar
  mvn -q -B package >&2
  touch target/built
fi
pwd | sed 's,$,/target,'
