#!/usr/bin/env bash
# Installs the programs that tests run against: OpenSSH's server and client, PostgreSQL, busybox, Ansible, Chromium,
# the shells whose completion there is, and what reads manual pages and systemd's units. It starts none of their services.
# Where it may not install, it says what to run; under CI=true that is a failure.
set -euo pipefail

packages=()
[ -x /usr/sbin/sshd ] || packages+=(openssh-server)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || packages+=(postgresql)
command -v busybox >/dev/null || packages+=(busybox)
command -v ssh >/dev/null || packages+=(openssh-client)
command -v ansible-inventory >/dev/null || packages+=(ansible-core)
# Ubuntu's package of this name only asks for a snap, which has no place in a container.
command -v chromium >/dev/null || grep -q '^ID=ubuntu' /etc/os-release || packages+=(chromium)
command -v zsh >/dev/null || packages+=(zsh)
command -v fish >/dev/null || packages+=(fish)
command -v groff >/dev/null || packages+=(groff-base)
command -v systemd-analyze >/dev/null || packages+=(systemd)

if [ "$(id -u)" = 0 ] && [ ! -d /run/sshd ]; then
	mkdir -m 0755 /run/sshd # sshd wants it, and only its service makes it
fi
[ ${#packages[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "Some tests need programs that are not here. On Debian or Ubuntu: sudo apt-get install ${packages[*]}" >&2
	[ "${CI:-}" != true ]
	exit
fi

# Debian asks this file before it starts the service of a package it installs; 101 means no.
policy=/usr/sbin/policy-rc.d
if [ -e "$policy" ]; then
	echo "$policy exists and is left as it is: it decides whether the installed services start" >&2
else
	trap 'rm -f "$policy"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 0755 "$policy"
fi
echo "installing for the tests: ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
[ -d /run/sshd ] || mkdir -m 0755 /run/sshd
