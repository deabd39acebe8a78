#!/bin/sh
# SPDX-License-Identifier: MIT
#
# format.sh — the look of C is .clang-format's affair (clang-format 14, Debian 12's).
# says: clang-format would change nothing
set -eu

if ! command -v clang-format >/dev/null 2>&1; then
	echo "tests/lint/format.sh:1: needs clang-format (Debian: apt install clang-format)"
	exit 1
fi
case $(clang-format --version) in
*' version 14.'*) ;;
*)
	echo "needs clang-format 14, as others lay out other lines"
	exit 77
	;;
esac
found=$(find base acme store hooks agent tests -name '*.[ch]' -print | sort |
	xargs clang-format --dry-run --Werror 2>&1 | sed -n 's/^\([^ ]*:[0-9]*\):[0-9]*: error: .*/\1/p')
[ -n "$found" ] || exit 0
printf '%s\n' "$found" | uniq | sed 's/$/: clang-format would change this line/'
exit 1
