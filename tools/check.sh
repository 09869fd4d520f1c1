#!/usr/bin/env bash
# check.sh says whether the tree is fit to be merged: format, vet, house rules,
# generated files, shell scripts, static analysis. It changes nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0 GOFLAGS="-buildvcs=false ${GOFLAGS:-}"

failed=()
step() {
  local name=$1
  shift
  echo "== $name"
  "$@" || failed+=("$name")
}

format() {
  local bad
  bad=$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)
  [ -z "$bad" ] || { printf 'not formatted; run gofmt -w on:\n%s\n' "$bad"; return 1; }
}

# generated compares with what the generators write now, in a copy, so that a
# check never changes the tree.
generated() {
  local copy stale
  copy=$(mktemp -d)
  git ls-files -co --exclude-standard -z | tar --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -xf - -C "$copy"
  if ! (cd "$copy" && go generate ./...); then
    rm -rf "$copy"
    return 1
  fi
  stale=$(cd "$copy" && find . -type f | while read -r f; do cmp -s "$f" "$OLDPWD/$f" || echo "$f"; done)
  rm -rf "$copy"
  [ -z "$stale" ] || { printf 'not what the generators write; run make generate for:\n%s\n' "$stale"; return 1; }
}

scripts() {
  # Files without the ending are known by their first line.
  git ls-files -co --exclude-standard | while read -r f; do
    case $f in
      *.sh) echo "$f" ;;
      */*.*) ;;
      *) [ -f "$f" ] && head -c 40 "$f" | grep -qaE '^#!.*(bash|/sh)' && echo "$f" ;;
    esac
  done | xargs -r shellcheck -x -S warning
}

step format format
step vet go vet ./...
step 'vet, Windows' env GOOS=windows go vet ./cmd/slipway-guest ./guest/tool
step 'house rules' go test ./tools/...
step 'generated files' generated
step shellcheck scripts
step staticcheck go run "${STATICCHECK:?}" ./...

if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAIL: %s\n' "${failed[@]}"
  exit 1
fi
echo "Everything is in order."
