#!/usr/bin/env bash
# Says plainly what a build lacks: Go 1.26 or newer, and a C compiler for SQLite.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v go >/dev/null; then
	echo "Go is missing. Remora needs Go 1.26 or newer: https://go.dev/dl/" >&2
	exit 1
fi
# From Go 1.21 on, an older go fetches the one that go.mod asks for, unless GOTOOLCHAIN forbids it; this tells which one answers.
version=$(go env GOVERSION 2>/dev/null) || version=$(go version | cut -d' ' -f3)
minor=${version#go1.}
minor=${minor%%[!0-9]*}
if [ "${minor:-0}" -lt 26 ]; then
	echo "This is $version. Remora needs Go 1.26 or newer: https://go.dev/dl/ (distributions often carry an older one)" >&2
	exit 1
fi
read -r -a cc <<<"$(go env CC)"
if [ "$(go env CGO_ENABLED)" != 1 ] || ! command -v "${cc[0]}" >/dev/null ||
	! echo '#include <stdlib.h>' | "${cc[@]}" -x c -fsyntax-only - 2>/dev/null; then
	echo "A C compiler is missing (SQLite is compiled in; CGO_ENABLED must not be 0)." >&2
	echo "On Debian or Ubuntu: sudo apt-get install gcc libc6-dev" >&2
	exit 1
fi
