#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh SOURCE — `make fuzz`: builds every fuzz target with clang's libFuzzer, ASan and UBSan in the
# folder it is started in, and runs each, two at a time, from its corpus. FUZZ_SECONDS (60) or
# FUZZ_RUNS says for how long; FUZZ_TARGETS which. Prints one TAP line for each; what was found is
# in found/, new inputs in grown/.
set -u
source=$1
seconds=${FUZZ_SECONDS:-60}
limit="-max_total_time=$seconds"
[ -z "${FUZZ_RUNS:-}" ] || limit="-runs=$FUZZ_RUNS"
sanitize=-fsanitize=address,undefined,fuzzer
export LC_ALL=C.UTF-8

fail() {
	echo "make fuzz: $1" >&2
	exit 1
}

command -v clang >/dev/null 2>&1 || fail "clang is missing (Debian: apt install clang)"
echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n);
int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return (int)(n & 0) + (d == 0) * 0; }' >probe.c
clang $sanitize probe.c -o probe 2>/dev/null ||
	fail "clang has no fuzzer runtime (Debian: apt install libclang-rt-14-dev)"

flags='-O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=undefined'
[ -f Makefile ] || "$source/configure" -q CC=clang --disable-hardening \
	CFLAGS="$flags -fsanitize=address,undefined,fuzzer-no-link" || fail "configure failed"
make -s -j2 libeverleaf.a >build.log 2>&1 || { tail -n 20 build.log; fail "the build failed"; }
libs=$FUZZ_LIBS # the make that called us knows them
mkdir -p found grown

targets=${FUZZ_TARGETS:-$(find "$source/tests/fuzz" -name 'fuzz_*.c' | sed 's/.*fuzz_//; s/\.c$//' | sort)}
for target in $targets; do
	# shellcheck disable=SC2086 # lists of words
	clang $flags $sanitize -std=gnu11 -D_GNU_SOURCE -I"$source" -I. \
		"$source/tests/fuzz/fuzz_$target.c" libeverleaf.a $libs -o "fuzz_$target" ||
		fail "fuzz_$target was not built"
done

one() {
	mkdir -p "grown/$1"
	# shellcheck disable=SC2086 # options
	setarch -R "./fuzz_$1" $limit -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
		-artifact_prefix="found/$1-" -print_final_stats=1 "grown/$1" \
		"$source/tests/fuzz/corpus/$1" >"$1.log" 2>&1
	echo $? >"$1.ended"
}

# Two at a time.
# shellcheck disable=SC2086 # a list of words
set -- $targets
while [ $# -gt 0 ]; do
	one "$1" &
	first=$!
	if [ $# -gt 1 ]; then
		one "$2"
		shift
	fi
	wait "$first"
	shift
done

count=0
failed=0
for target in $targets; do
	count=$((count + 1))
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$target.log")
	if [ "$(cat "$target.ended")" -eq 0 ]; then
		echo "ok $count - $target: ${runs:-no} runs"
	else
		failed=$((failed + 1))
		tail -n 40 "$target.log"
		echo "not ok $count - $target after ${runs:-some} runs; see $PWD/found"
	fi
done
echo "1..$count"
[ "$failed" -eq 0 ]
