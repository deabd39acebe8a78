#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh [BUILD] — `make lint`: runs every check of this folder over the source tree and reports
# in TAP, one test for each. A check prints "file:line: sentence" for what it does not like, and
# fails; one that exits with 77 is skipped, and prints why. Without a build folder, what looks at
# the binary is skipped.
set -u
lint=$(cd "$(dirname "$0")" && pwd) || exit 1
build=
[ $# -eq 0 ] || build=$(cd "$1" && pwd) || exit 1
cd "$lint/../.." || exit 1
LC_ALL=C.UTF-8
export LC_ALL

checks='layers doors budget listed names format shell man options'
count=0
failed=0
for check in $checks; do
	count=$((count + 1))
	says=$(sed -n '1,9s/^# says: //p' "$lint/$check.sh")
	if [ "$check" = names ] && [ -z "$build" ]; then
		echo "ok $count # SKIP $says"
		continue
	fi
	ended=0
	found=$(sh "$lint/$check.sh" "$build" 2>&1) || ended=$?
	case $ended in
	0) echo "ok $count - $says" ;;
	77) echo "ok $count # SKIP $says: $found" ;;
	*)
		failed=$((failed + 1))
		printf '%s\n' "$found"
		echo "not ok $count - $says"
		;;
	esac
done
echo "1..$count"
[ "$failed" -eq 0 ]
