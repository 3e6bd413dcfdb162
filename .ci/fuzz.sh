#!/usr/bin/env bash
# Runs every fuzz target for the time given (10s): go test takes one target of one package at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}
found=0
while IFS=: read -r file name; do
	found=$((found + 1))
	echo "== $name (${file%/*})"
	go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" "./${file%/*}"
done < <(git ls-files '*_test.go' | xargs grep -HoE '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/')
[ "$found" -gt 0 ] || { echo "no fuzz target was found" >&2; exit 1; }
