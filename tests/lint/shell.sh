#!/bin/sh
# SPDX-License-Identifier: MIT
#
# shell.sh — every shell script, found by its first line.
# says: shellcheck finds nothing in any script
set -eu

if ! command -v shellcheck >/dev/null 2>&1; then
	echo "tests/lint/shell.sh:1: needs shellcheck (Debian: apt install shellcheck)"
	exit 1
fi
find autogen.sh .ci store tests packaging -type f -exec \
	awk 'FNR == 1 && /^#!.*[\/ ](sh|dash|bash)( |$)/ { print FILENAME }' {} + | sort |
	xargs shellcheck --external-sources --source-path=SCRIPTDIR \
		--exclude=SC2016 --format=gcc # SC2016: awk programs in single quotes are meant so
