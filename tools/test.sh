#!/usr/bin/env bash
# test.sh runs every test of the repository: the main module, with the race
# detector where that is affordable, and the modules of outside clients under
# test/. Called by `make test`, which installs what is needed first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0 GOFLAGS="-buildvcs=false ${GOFLAGS:-}"

# Not under the race detector: what compiles giants in (the SQLite driver, the
# EC2 client) runs some thirty times slower under it, and what runs programs of
# its own has its races there. The engine of work is an exception: its own tests
# run under it, those of the workflows do not.
no_race='^slipway/(store/|cmd/|tools/|test/|work|disk/gate|disk/inspect|disk/convert|disk/fixture)'
engine='Stop|Cancel|NoReturn|Errors|Retries|Panic|Undo|Operator|Unknown|Timeout|Limits|Progress|Storm|Backoff|Slots'
# Real machines come one after another: two on two processors starve each other.
machines='^slipway/(compute/qemu|test/vm)$'
failed=()
step() { # step NAME COMMAND…
  local name=$1 begun=$SECONDS
  shift
  echo "== $name"
  "$@" || failed+=("$name")
  echo "== $name: $((SECONDS - begun)) s"
}

guest_disk=$(make --no-print-directory guest | tail -n 1)
export SLIPWAY_GUEST_DISK=$guest_disk
echo "== guest: $SLIPWAY_GUEST_DISK"

mkdir -p bin
step web tools/web.sh
step 'guest tools' make --no-print-directory guesttools
step build go build -o bin/ ./cmd/slipway ./tools/testlog
export SLIPWAY_BIN=$PWD/bin/slipway
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

packages() { go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | grep -vE "$machines"; }
timed() { bin/testlog "$logs/times"; } # behind go test -json
plain() { packages | grep -E "$no_race" | xargs go test -json -timeout 15m | timed; }
race() { packages | grep -vE "$no_race" | CGO_ENABLED=1 xargs go test -json -race -timeout 15m | timed; }
race_engine() { CGO_ENABLED=1 go test -json -race -timeout 15m -run "$engine" ./work | timed; }
boots() { go list ./... | grep -E "$machines" | xargs go test -json -p 1 -timeout 30m | timed; }
step vet go vet ./...
# Before the machines: one of their tests opens a browser.
browser() { (cd test/web && npm ci --no-audit --no-fund --loglevel=error); }
step 'test/web: npm' browser
# A guest that boots in software keeps one processor busy: mostly the other has
# time for everything else.
machines_begun=$SECONDS
(boots && result=0 || result=$?; echo "== real machines: $((SECONDS - machines_begun)) s"; exit "$result") >"$logs/machines" 2>&1 &
machines_pid=$!
step 'go test -race' race
step 'go test -race, engine' race_engine
step 'go test' plain

# Modules of their own, since they pin other versions of the same clients.
for m in test/sdk/old test/roundtrip/old test/roundtrip/new; do
  # -v: it says how many operations, members and errors it has compared.
  module() { (cd "$m" && go vet ./... && go test -v -timeout 10m ./...); }
  step "$m" module
done
if [ -f test/js/package.json ]; then
  js() { (cd test/js && npm ci --no-audit --no-fund --loglevel=error && npm test); }
  step test/js js
fi

pages() { (cd test/web && npm test); }
step test/web pages

echo '== real machines'
wait "$machines_pid" || failed+=('real machines')
cat "$logs/machines"

bin/testlog -table "$logs/times"
if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAIL: %s\n' "${failed[@]}"
  exit 1
fi
echo "All tests passed in $SECONDS s."
