#!/bin/sh
# SPDX-License-Identifier: MIT
#
# man.sh — the man pages.
# says: mandoc warns about no man page
set -eu

if ! command -v mandoc >/dev/null 2>&1; then
	echo "tests/lint/man.sh:1: needs mandoc (Debian: apt install mandoc)"
	exit 1
fi
mandoc -T lint -W warning packaging/man/*.[1-8]
