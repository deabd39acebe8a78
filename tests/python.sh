#!/bin/sh
# SPDX-License-Identifier: MIT
#
# python.sh — prints the Python that can run our tests: the system's if it has pytest and
# cryptography (Debian: python3-pytest python3-cryptography), else the first on PATH that does.
set -eu

for python in ${EVERLEAF_PYTHON:+"$EVERLEAF_PYTHON"} /usr/bin/python3 python3; do
	if "$python" -c 'import pytest, cryptography' 2>/dev/null; then
		echo "$python"
		exit 0
	fi
done
echo "tests need pytest and cryptography (Debian: apt install python3-pytest python3-cryptography)" >&2
echo false # so that a caller who runs what is printed fails
exit 1
