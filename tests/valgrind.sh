#!/bin/sh
# SPDX-License-Identifier: MIT
#
# valgrind.sh TEST… — runs unit tests under valgrind; any error or definite leak fails. Children
# that a test forks are watched too, programs that they start are not.
set -u

if ! command -v valgrind >/dev/null 2>&1; then
	echo "make check-valgrind: valgrind is missing (Debian: apt install valgrind)" >&2
	exit 1
fi
passed=0
failed=0
for test in "$@"; do
	if valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
		--child-silent-after-fork=no "$test" >"$test.valgrind.log" 2>&1; then
		passed=$((passed + 1))
		echo "ok $test"
	else
		failed=$((failed + 1))
		tail -n 40 "$test.valgrind.log"
		echo "not ok $test (log: $test.valgrind.log)"
	fi
done
echo "valgrind: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
