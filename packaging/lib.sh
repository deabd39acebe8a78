# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# lib.sh — what quickstart.sh and tests/run.sh share: installing Debian packages without starting
# or enabling anything, Pebble, free ports on loopback.

packages_build='build-essential autoconf automake pkg-config libcurl4-openssl-dev libssl-dev
	libjansson-dev libsqlite3-dev libevent-dev libidn2-dev libpsl-dev libyaml-dev
	ca-certificates openssl'

policy=/usr/sbin/policy-rc.d
policy_mark='everleaf: nothing starts while packages are installed'

# One line for each step, so that who watches knows what is going on.
say() {
	printf '== %s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# Runs a command as root: directly, or through sudo.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	else
		die "'$*' needs root, and there is no sudo here: run $0 as root"
	fi
}

# --- packages ---

# Those of the given packages that are not installed.
packages_missing() {
	for package in "$@"; do
		# shellcheck disable=SC2016 # dpkg-query's own syntax
		status=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | head -n 1)
		[ "$status" = installed ] || printf '%s\n' "$package"
	done
}

packages_all() {
	# shellcheck disable=SC2016 # dpkg-query's own syntax
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' |
		sort -u
}

# While the policy is there, maintainer scripts start no service (invoke-rc.d asks it). Whoever
# has a policy keeps it; one that an interrupted run of ours left behind is taken over.
policy_put() {
	if [ -e "$policy" ] && ! grep -qF "$policy_mark" "$policy"; then
		return 0
	fi
	printf '#!/bin/sh\n# %s; may be deleted when no installation runs\nexit 101\n' "$policy_mark" |
		as_root tee "$policy" >/dev/null
	as_root chmod 755 "$policy"
}

policy_remove() {
	if [ -e "$policy" ] && grep -qF "$policy_mark" "$policy"; then
		as_root rm -f "$policy"
	fi
}

# Takes a package's services back: Debian enables at installation. deb-systemd-helper works with
# and without a running systemd and remembers the decision, so that an upgrade of the package does
# not enable them again.
services_disable() {
	dpkg -L "$1" 2>/dev/null |
		sed -n 's#^\(/usr\)\{0,1\}/lib/systemd/system/\([^/]*\.\(service\|socket\|timer\|path\)\)$#\2#p' |
		while read -r unit; do
			case $unit in *@.*) continue ;; esac
			as_root deb-systemd-helper disable "$unit" </dev/null >/dev/null 2>&1 || :
			if [ -d /run/systemd/system ]; then # a policy of the machine's own may have let it start
				as_root systemctl stop "$unit" </dev/null >/dev/null 2>&1 || :
			fi
		done
	dpkg -L "$1" 2>/dev/null | sed -n 's#^/etc/init\.d/\([^/]*\)$#\1#p' |
		while read -r service; do
			as_root update-rc.d "$service" disable </dev/null >/dev/null 2>&1 || :
		done
}

# Debian's packages, if they are missing. In a subshell: its EXIT trap removes the policy also
# when apt fails or somebody presses ^C.
packages_install() (
	# shellcheck disable=SC2046 # package names have no spaces
	set -- $(packages_missing "$@")
	[ $# -gt 0 ] || exit 0
	command -v apt-get >/dev/null 2>&1 || die "please install by hand: $*"
	say "installing packages: $*"

	trap 'policy_remove' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	policy_put
	before=$(packages_all)

	as_root apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null ||
		say "apt-get update failed; trying with what apt knows"
	installed=0
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 install --no-install-recommends "$@" >/dev/null ||
		installed=$?

	for package in $(packages_all); do
		printf '%s\n' "$before" | grep -qxF -e "$package" || services_disable "$package"
	done
	[ "$installed" -eq 0 ] || die "apt-get could not install: $*"
)

# --- Pebble, the ACME server of the tests ---

# Prints a folder with pebble and pebble-challtestsrv: 2.10.1 by Go where there is one that can
# build it, else Debian's. $1: a folder to build into.
pebble_find() {
	if [ -x "$1/pebble" ] && [ -x "$1/pebble-challtestsrv" ]; then
		printf '%s\n' "$1"
		return 0
	fi
	if go_is_new_enough; then
		say "building Pebble 2.10.1 with $(go version | cut -d ' ' -f 3)" >&2
		mkdir -p "$1"
		if GOBIN=$(cd "$1" && pwd) go install \
			github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1 \
			github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv@v2.10.1 >&2; then
			printf '%s\n' "$1"
			return 0
		fi
		say "Go could not build Pebble; using Debian's" >&2
	fi
	packages_install pebble >&2 || return 1
	printf '/usr/bin\n'
}

go_is_new_enough() {
	command -v go >/dev/null 2>&1 || return 1
	go version 2>/dev/null | sed -n 's/.* go\([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | {
		read -r major minor && [ "$((major * 1000 + minor))" -ge 1024 ]
	}
}

# --- ports and processes ---

# Whether something listens on TCP port $1 of this machine.
port_listens() {
	awk -v port="$(printf '%04X' "$1")" '
		$4 == "0A" && $2 ~ ":" port "$" { found = 1 }
		END { exit !found }
	' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Prints $1 different ports on which nothing listens, one a line; below those that the kernel
# gives to clients.
ports_free() {
	port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 10000))
	left=$1
	while [ "$left" -gt 0 ]; do
		port=$((port + 1))
		if ! port_listens "$port"; then
			printf '%s\n' "$port"
			left=$((left - 1))
		fi
	done
}

# Waits until port $1 listens, at most 15 s; fails at once when process $2 has ended before.
port_await() {
	tries=150
	until port_listens "$1"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] && kill -0 "$2" 2>/dev/null || return 1
		sleep 0.1
	done
}
