#!/usr/bin/env bash
# web.sh bundles the streaming pages' client into stream/web/dist, from which it
# is embedded into the server, unless it is there and no older than its sources.
# With --if-possible, a machine without npm, or without a way to its registry, is
# told and let go on: the server works without its pages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../stream/web"
fail() { # fail WHY
  echo "web: $1; the server is built without its streaming pages (make web builds them)" >&2
  [ -z "$optional" ] || exit 0
  exit 1
}
optional=
[ "${1:-}" != --if-possible ] || optional=yes

if [ -f dist/app.js ] && [ -f dist/licenses.txt ] && [ -z "$(find src build.mjs package.json package-lock.json -newer dist/app.js -type f)" ]; then exit 0; fi
command -v npm >/dev/null || fail 'npm is missing'
log=$(mktemp)
trap 'rm -f "$log"' EXIT
npm ci --no-audit --no-fund --loglevel=error >"$log" 2>&1 && npm run --silent build >>"$log" 2>&1 || { cat "$log" >&2; fail 'npm could not build them'; }
echo "web: $(du -h dist/app.js | cut -f1) of client in stream/web/dist" >&2
