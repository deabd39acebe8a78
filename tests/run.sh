#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh [--quick] — everything that can be tested, on a bare Debian 12 or 13: installs what is
# missing (starting and enabling nothing), builds with gcc and clang, runs the unit tests plain and
# under ASan and UBSan, the lint, the tarball's own tests, and the end-to-end tests against a real
# ACME server. --quick does what a day's work needs: gcc, the lint, the unit tests, and the
# end-to-end tests that are not slow.
# Ends with one line: "N passed, N failed", and ", N skipped" when some were.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=../packaging/lib.sh
. packaging/lib.sh

packages_tests='libcmocka-dev python3-pytest python3-pytest-xdist python3-cryptography nginx-light
	clang clang-format e2fsprogs shellcheck mandoc strace universal-ctags valgrind'

quick=
case ${1:-} in
'') ;;
--quick) quick=yes ;;
*) die "usage: tests/run.sh [--quick]" ;;
esac

jobs=$(nproc)
workers="-n $((jobs * 2)) --dist load" # they wait more than they work
logs=build/logs
passed=0
failed=0
skipped=0
child=
begun=$(date +%s)
last=$begun

trap '[ -z "$child" ] || kill "$child" 2>/dev/null || :; exit 130' INT
trap '[ -z "$child" ] || kill "$child" 2>/dev/null || :; exit 143' TERM HUP

# limited SECONDS LOG COMMAND… — runs it with its output in LOG; nothing may hang for ever.
limited() {
	seconds=$1
	log=$2
	shift 2
	timeout -k 10 "$seconds" "$@" >"$log" 2>&1 </dev/null &
	child=$!
	result=0
	wait "$child" || result=$?
	child=
	[ "$result" -ne 124 ] || printf 'not finished after %s s\n' "$seconds" >>"$log"
	return "$result"
}

# tally NAME PASSED FAILED SKIPPED — and how long it took, since the one before.
tally() {
	now=$(date +%s)
	passed=$((passed + $2))
	failed=$((failed + $3))
	skipped=$((skipped + $4))
	say "$1: $2 passed, $3 failed, $4 skipped ($((now - last)) s)"
	last=$now
}

# one NAME SECONDS COMMAND… — a command that is one test by itself.
one() {
	name=$1
	seconds=$2
	shift 2
	if limited "$seconds" "$logs/$name.log" "$@"; then
		tally "$name" 1 0 0
	else
		tail -n 40 "$logs/$name.log"
		tally "$name" 0 1 0
	fi
}

# configure_in DIR OPTION… — configures a build folder once; the log is shown when it fails.
configure_in() {
	mkdir -p "$1"
	[ -f "$1/Makefile" ] ||
		(cd "$1" && shift && ../../configure -q "$@") >"$logs/configure-${1##*/}.log" 2>&1 || {
		cat "$logs/configure-${1##*/}.log"
		return 1
	}
}

# A number of automake's summary, "# PASS:  12", in log $1.
summary() {
	awk -v key="$2:" '$1 == "#" && $2 == key { n = $3 } END { print n + 0 }' "$1"
}

# unit NAME DIR SECONDS COMMAND… — automake's unit tests; $2 is where test-suite.log appears.
unit() {
	name=$1
	dir=$2
	seconds=$3
	shift 3
	log=$logs/$name.log
	ended=0
	limited "$seconds" "$log" "$@" || ended=$?
	good=$(summary "$log" PASS)
	bad=$(($(summary "$log" FAIL) + $(summary "$log" XPASS) + $(summary "$log" ERROR)))
	left=$(($(summary "$log" SKIP) + $(summary "$log" XFAIL)))
	if [ "$bad" -gt 0 ] && [ -f "$dir/test-suite.log" ]; then
		grep -v '^ok ' "$dir/test-suite.log" | tail -n 200
	elif [ "$ended" -ne 0 ] || [ "$((good + bad))" -eq 0 ]; then
		bad=$((bad + 1)) # it did not even get to the tests
		tail -n 40 "$log"
	fi
	tally "$name" "$good" "$bad" "$left"
}

# taps NAME SECONDS COMMAND… — a command that prints TAP, one line a test.
taps() {
	name=$1
	log=$logs/$name.log
	seconds=$2
	shift 2
	ended=0
	limited "$seconds" "$log" "$@" || ended=$?
	left=$(grep -c '^ok [0-9]* # SKIP ' "$log" || :)
	good=$(($(grep -c '^ok ' "$log" || :) - left))
	bad=$(grep -c '^not ok ' "$log" || :)
	[ "$ended" -eq 0 ] || tail -n 200 "$log"
	[ "$ended" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
	grep '^ok [0-9]* # SKIP ' "$log" || : # by name
	tally "$name" "$good" "$bad" "$left"
}

# pytests NAME SECONDS TARGET [FLAG…] — one of the make targets that run pytest, which counts in a
# file that machines read. They use the release build's folder.
pytests() {
	name=$1
	seconds=$2
	target=$3
	shift 3
	log=$logs/$name.log
	counts=$logs/$name.xml
	rm -f "$counts"
	ended=0
	limited "$seconds" "$log" env PATH="$pebble:$PATH" EVERLEAF_PEBBLE="$pebble/pebble" \
		PYTEST_FLAGS="-q -rsfE --junitxml=$PWD/$counts $*" make -C build/release "$target" || ended=$?
	# shellcheck disable=SC2046 # three numbers
	set -- $(counts_of "$counts")
	good=${1:-0}
	bad=${2:-0}
	left=${3:-0}
	if [ "$ended" -ne 0 ]; then
		sed -n '/^=* \(FAILURES\|ERRORS\) =*$/,$p' "$log" | tail -n 400
		[ "$bad" -gt 0 ] || { bad=1; tail -n 40 "$log"; }
	fi
	[ "$((good + bad))" -gt 0 ] || bad=1
	grep -E '(killed|the daemon went on|a command met|hostile connections)' "$log" || : # how many, and where
	tally "$name" "$good" "$bad" "$left"
}

# Prints passed, failed and skipped of a JUnit file; nothing when there is none.
counts_of() {
	/usr/bin/python3 - "$1" 2>/dev/null <<-'EOF' || :
	import sys
	import xml.etree.ElementTree as tree
	good = bad = left = 0
	for suite in tree.parse(sys.argv[1]).getroot().iter("testsuite"):
	    number = lambda key: int(suite.get(key, "0"))
	    bad += number("failures") + number("errors")
	    left += number("skipped")
	    good += number("tests") - number("failures") - number("errors") - number("skipped")
	print(good, bad, left)
	EOF
}

# --- what is needed, and the two builds that everything else uses ---

mkdir -p "$logs"
# shellcheck disable=SC2086 # lists of packages
packages_install $packages_build $packages_tests
packages_install "libclang-rt-$(clang -dumpversion | cut -d . -f 1)-dev" # libFuzzer's and ASan's
pebble=$(pebble_find build/pebble)
case $pebble in /*) ;; *) pebble=$PWD/$pebble ;; esac

say "configuring"
./autogen.sh >"$logs/autogen.log" 2>&1 || { cat "$logs/autogen.log"; die "autogen.sh failed"; }
configure_in build/release --enable-werror || die "configure failed"
[ -n "$quick" ] || configure_in build/clang --enable-werror CC=clang ||
	die "configure failed with clang"

say "building and testing; the logs are in $logs"
last=$(date +%s)
one gcc 600 make -C build/release -j "$jobs"
[ -n "$quick" ] || one clang 600 make -C build/clang -j "$jobs" check TESTS=
taps lint 300 make -s -C build/release lint
unit unit build/release 1200 make -C build/release -j "$jobs" check
if [ -n "$quick" ]; then
	pytests real 600 check-real "$workers" -m \'not steady and not slow\'
else
	unit asan build/release/asan 1800 make -C build/release -j "$jobs" check-asan
	pytests real 1800 check-real "$workers" -m \'not steady\'
	# nothing beside it: its certificates live 75 seconds, and a busy disk costs some of them
	pytests steady 900 check-real -n 2 -m steady
	pytests crash 2400 check-crash
	taps fuzz 1500 env FUZZ_SECONDS="${FUZZ_SECONDS:-20}" make -s -C build/release -j "$jobs" fuzz
	# the engine's tests read no file of the tree: they have run twice already
	one tarball 1500 make -C build/release -j "$jobs" distcheck TESTS='$(unit_tests) $(fuzz_tests)'
fi

say "all of it took $((($(date +%s) - begun) / 60)) minutes"
line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
printf '%s\n' "$line"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
