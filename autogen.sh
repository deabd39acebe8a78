#!/bin/sh
# SPDX-License-Identifier: MIT
#
# autogen.sh — makes ./configure from configure.ac; needed once after a clone, and never by those
# who build from a release tarball.
set -eu
cd "$(dirname "$0")"

for tool in autoconf automake pkg-config; do
	if ! command -v "$tool" >/dev/null 2>&1; then
		echo "autogen.sh: $tool is missing (Debian: apt install autoconf automake pkg-config)" >&2
		exit 1
	fi
done

mkdir -p build-aux
autoreconf --install --force --warnings=all
