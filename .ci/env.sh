#!/usr/bin/env bash
# Writes .env with random secrets for docker-compose.yml, readable by its owner alone. An .env that is there is left as it is:
# new secrets would lock the stored ones up.
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"
umask 077
random() { head -c "$1" /dev/urandom; }
hex() { random 32 | od -An -v -tx1 | tr -d ' \n'; }

new=$(mktemp .env.XXXXXX)
trap 'rm -f "$new"' EXIT
cat >"$new" <<EOF
# Made by "make env". Keep a copy apart from the database's: without REMORA_MASTER_KEY the stored credentials are lost.
POSTGRES_PASSWORD=$(hex)
REMORA_MASTER_KEY=$(random 32 | base64 | tr -d '\n')
NETQUEUE_TOKEN=$(hex)
SESSION_SECRET=$(hex)
EOF
# A link, unlike a move, never replaces a file.
if ! ln "$new" .env 2>/dev/null; then
	echo ".env is there and stays as it is. Its secrets protect what is stored: move it away only with what they protect." >&2
	exit 1
fi
echo "wrote .env with secrets of your own; keep a copy of it in a safe place"
