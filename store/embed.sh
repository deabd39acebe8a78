#!/bin/sh
# SPDX-License-Identifier: MIT
#
# embed.sh FILE NAME — prints FILE as C: static const char NAME[] = "…";
set -eu

if [ "$#" -ne 2 ]; then
	echo "usage: embed.sh FILE NAME" >&2
	exit 2
fi

printf '/* Generated from %s: do not edit. */\n' "$(basename "$1")"
printf 'static const char %s[] =\n' "$2"
sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/	"/' -e 's/$/\\n"/' "$1"
printf '	"";\n'
