#!/bin/sh
# SPDX-License-Identifier: MIT
#
# options.sh — every option and every command that the tables in agent/ know stands in the manual.
# says: the manual has every option and every command
set -eu
manual=packaging/man/everleaf.1
bad=0

sed -n 's/^[[:space:]]*{"\([a-z0-9-]*\)",.*/\1/p' agent/options.c | {
	missing=0
	while read -r option; do
		pattern=$(printf '%s' "$option" | sed 's/-/\\\\-/g; s/\\\\-/[\\\\]*-/g')
		if ! grep -qE "Fl -$pattern( |\$)" "$manual"; then
			echo "agent/options.c: --$option is not in $manual"
			missing=1
		fi
	done
	exit "$missing"
} || bad=1

sed -n 's/^[[:space:]]*{"\([a-z-]*\)", "[a-z ]*", cmd_.*/\1/p' agent/command.c | {
	missing=0
	while read -r command; do
		case $command in complete | keygen | respond) continue ;; esac # for shells; our own
		if ! grep -qE "Cm (.* )?$command( |\$)" "$manual"; then
			echo "agent/command.c: $command is not in $manual"
			missing=1
		fi
	done
	exit "$missing"
} || bad=1
exit "$bad"
