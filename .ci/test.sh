#!/usr/bin/env bash
# Runs every test: the house rules, then all that runs in one process under the race detector, then what runs the built
# programs. Says at its end what was skipped and why; under CI=true nothing may be.
set -euo pipefail
cd "$(dirname "$0")/.."
.ci/need.sh
.ci/deps.sh

echo "== go vet"
go vet ./...

results=$(mktemp)
trap 'rm -f "$results"' EXIT
failed=0
# Two packages at once: each starts servers of its own, and late answers on a crowded machine look like faults.
run() { go test -json -p 2 -timeout 15m "$@" | tee -a "$results" | go run ./test/summary -live || failed=1; }

echo "== house rules"
run -count=1 ./test/arch/... # what go list finds is not seen by the test cache
mapfile -t outside < <(go list ./test/... | grep -vE '/test/arch(/|$)' || true)
mapfile -t inside < <(go list ./... | grep -vF /remora/test)
echo "== units and contracts, with the race detector"
run -race "${inside[@]}"
echo "== the programs, as they are built"
make --no-print-directory build >/dev/null
export REMORA_TEST_BIN=$PWD/bin
run -count=1 "${outside[@]}"

echo "== all in all"
go run ./test/summary <"$results" || failed=1
exit $failed
