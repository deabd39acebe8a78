#!/bin/sh
# SPDX-License-Identifier: MIT
#
# listed.sh — what Makefile.am does not list is neither built nor in the tarball.
# says: Makefile.am lists every source, and lists nothing that is not there
set -eu
bad=0

# Every word of Makefile.am that is a path of ours.
words=$(tr -s ' \t\\=' '[\n*]' <Makefile.am)

for file in $(find base acme store hooks agent tests -name '*.[ch]' ! -name 'schema_*.h' -print | sort); do
	name=$file
	case $file in
	tests/unit/test_*.c | tests/machine/test_*.c | tests/fuzz/fuzz_*.c) name=${file%.c} ;; # automake knows a program's source by its name
	esac
	if ! printf '%s\n' "$words" | grep -qxF -e "$name" -e "$file"; then
		echo "$file:1: is not listed in Makefile.am"
		bad=1
	fi
done

for word in $(printf '%s\n' "$words" |
	grep -E '^(base|acme|store|hooks|agent|tests)/[a-z0-9_/.-]+\.([ch]|sql)$' | sort -u); do
	case $word in
	store/schema_*.h) continue ;; # generated
	esac
	if [ ! -f "$word" ]; then
		line=$(grep -nF "$word" Makefile.am | head -n 1 | cut -d: -f1)
		echo "Makefile.am:$line: lists $word, which does not exist"
		bad=1
	fi
done
for word in $(printf '%s\n' "$words" | grep -E '^tests/((unit|machine)/test|fuzz/fuzz)_[a-z0-9_]+$' | sort -u); do
	if [ ! -f "$word.c" ]; then
		line=$(grep -nF "$word" Makefile.am | head -n 1 | cut -d: -f1)
		echo "Makefile.am:$line: lists $word, which has no source"
		bad=1
	fi
done
exit "$bad"
