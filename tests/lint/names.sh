#!/bin/sh
# SPDX-License-Identifier: MIT
#
# names.sh BUILD — a function of ours with the name of a library's function silently takes its
# place: every call meant for the library lands in ours. Looks at what was built in BUILD.
# says: no function of ours hides one of a library
set -eu
build=$1

ours=$(nm -g --defined-only "$build/libeverleaf.a" 2>/dev/null |
	awk 'NF == 3 && $2 ~ /^[TDBRVW]$/ { print $3 }' | sort -u)
if [ -z "$ours" ]; then
	echo "tests/lint/names.sh:1: $build/libeverleaf.a has no names; build it first"
	exit 1
fi
bad=0
for library in $(ldd "$build/everleaf" | awk '$3 ~ /^\// { print $3 }'); do
	for name in $(nm -D --defined-only "$library" | awk '{ sub(/@.*/, "", $3); print $3 }' |
		sort -u | grep -xF -e "$ours"); do
		place=$(grep -rnE "^[a-z].*[ *]$name\(" base acme store hooks agent --include='*.c' |
			head -n 1 | cut -d: -f1,2)
		echo "$place: $name() is also a function of ${library##*/}"
		bad=1
	done
done
exit "$bad"
