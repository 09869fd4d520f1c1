#!/usr/bin/env bash
# fuzz.sh TIME [NAMES] runs every fuzz test for TIME, one after the other, since
# each uses all processors. NAMES is a regular expression of the ones to run.
# It fails when any of them has found something; what it found is then a file
# under testdata/fuzz, which go test runs from now on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${1:-10m}
names=${2:-.}
failed=()
found=0
while read -r file name; do
  package=./$(dirname "$file")
  echo "== $package $name"
  found=$((found + 1))
  # Making inputs smaller, by default for a minute each, would eat the time.
  go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" </dev/null || failed+=("$package $name")
done < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -sHoE '^func Fuzz[A-Za-z0-9_]+' |
  sed -E 's/:func / /' | grep -E " ($names)" | sort -u)
if [ "$found" -eq 0 ]; then
  echo "no fuzz test is called $names"
  exit 1
fi
if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAIL: %s\n' "${failed[@]}"
  exit 1
fi
echo "$found fuzz tests of $time each found nothing."
