#!/usr/bin/env bash
# gofmt, go vet and golangci-lint in the pinned version. It is built once through the Go module proxy (some minutes) and kept
# beside Go's build cache, so that a fresh clone finds it again.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v2.15.0

unformatted=$(git ls-files -z '*.go' | xargs -0 -r gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'gofmt would change these files; run: make fmt\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...

tools=$(dirname "$(go env GOCACHE)")/remora-tools
tool=$tools/golangci-lint-$version
if [ ! -x "$tool" ]; then
	echo "building golangci-lint $version, once"
	mkdir -p "$tools"
	build=$(mktemp -d "$tools/build.XXXXXX")
	trap 'rm -rf "$build"' EXIT
	GOBIN=$build go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
	mv -f "$build/golangci-lint" "$tool"
fi
"$tool" run ./...
