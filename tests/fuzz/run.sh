#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh SOURCE TARGET… — runs the fuzzers that were built in this folder, two at a time, each
# from its corpus in SOURCE. FUZZ_RUNS is how many inputs each tries; without it, FUZZ_SECONDS is
# how long (60). What they find stays here: new inputs in found/TARGET, and what broke a target
# as found/TARGET-crash-…, which ends in a "not ok" and a failure.
set -u

# Without address randomisation where we may: some kernels' is too much for ASan of this age.
still=
! setarch -R true 2>/dev/null || still='setarch -R'

# one SOURCE TARGET — runs one and says in TAP how it ended.
one() {
	folder=$1/tests/fuzz
	name=$2
	log=found/$name.log
	mkdir -p "found/$name"
	set -- -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="found/$name-"
	if [ -n "${FUZZ_RUNS:-}" ]; then
		set -- "$@" "-runs=$FUZZ_RUNS"
	else
		set -- "$@" "-max_total_time=${FUZZ_SECONDS:-60}"
	fi
	[ ! -f "$folder/words/$name" ] || set -- "$@" "-dict=$folder/words/$name"
	result=0
	# shellcheck disable=SC2086 # two words or none
	$still "tests/fuzz/fuzz_$name" "$@" "found/$name" "$folder/corpus/$name" >"$log" 2>&1 || result=$?
	if [ "$result" -eq 0 ]; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		echo "ok $name - $runs runs"
		return 0
	fi
	tail -n 40 "$log" >&2
	input=$(sed -n 's/.*Test unit written to //p' "$log")
	echo "not ok $name - ${input:+$PWD/$input, }see $PWD/$log"
	return 1
}

if [ "$1" = --one ]; then
	one "$2" "$3"
	exit
fi
source=$1
shift
printf '%s\n' "$@" | xargs -P 2 -n 1 sh "$0" --one "$source"
