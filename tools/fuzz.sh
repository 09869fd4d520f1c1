#!/usr/bin/env bash
# fuzz.sh TIME runs every fuzz test for TIME, one after the other, since each
# uses all processors.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${1:-20s}
go list ./... | while read -r package; do
  dir=$(go list -f '{{.Dir}}' "$package")
  grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go 2>/dev/null | sed 's/^func //' | while read -r name; do
    echo "== $package $name"
    go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "$package" </dev/null
  done
done
