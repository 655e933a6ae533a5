#!/usr/bin/env bash
# Builds a Java peer of the tests where its sources are newer than what was built,
# and prints the directory of the result:
#   peers.sh phase4       access points to talk to: ONCEGATE_TEST_PHASE4
#   peers.sh schematron   the published business rules: ONCEGATE_TEST_SCHEMATRON
#   peers.sh xslt         XSLT run by Saxon, for make bench-mapping
#   peers.sh wss          WSS4J for registers of SOAP: ONCEGATE_TEST_WSS
#   peers.sh pdf          a judge of PDF/A and PDF/UA: ONCEGATE_TEST_PDF
# Exit 3 with one line where Java or Maven is missing.
set -euo pipefail
peer=${1:?usage: peers.sh phase4|schematron|xslt|wss|pdf}
cd "$(dirname "$0")/$peer"
for tool in java javac mvn; do
  if ! command -v "$tool" >/dev/null; then
    echo "peers: $tool is not installed: what needs $peer is skipped" >&2
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
