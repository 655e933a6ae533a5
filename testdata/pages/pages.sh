#!/usr/bin/env bash
# Walks a whole exchange in a real browser with JavaScript switched off and lets
# axe judge every page. Usage: testdata/pages/pages.sh [directory for screenshots]
# Needs chromium, node and npm; what is installed goes to .cache/, outside the sources.
set -euo pipefail
cd "$(dirname "$0")/../.."
skip() { echo "pages: SKIPPED: $1"; [ "${CI:-}" = true ] && [ "${PAGES_REQUIRED:-}" = true ] && exit 1; exit 0; }
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$chromium" ] || skip "there is no chromium (apt-get install chromium, or set CHROMIUM)"
command -v node >/dev/null || skip "there is no node"
command -v npm >/dev/null || skip "there is no npm"

work=.cache/pages
mkdir -p "$work"
cp testdata/pages/package.json testdata/pages/package-lock.json "$work/"
if [ ! -d "$work/node_modules/playwright-core" ] || ! cmp -s testdata/pages/package-lock.json "$work/.installed"; then
  (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || skip "npm could not install playwright-core and axe-core"
  cp testdata/pages/package-lock.json "$work/.installed"
fi
cp testdata/pages/walk.mjs "$work/"
exec node "$work/walk.mjs" --chromium "$chromium" --oncegate "${ONCEGATE:-bin/oncegate}" --shots "${1:-}"
