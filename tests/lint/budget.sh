#!/bin/sh
# SPDX-License-Identifier: MIT
#
# budget.sh — functions stop at 50 lines (80 in tests) and five parameters, files at 600 lines.
# says: no function, parameter list or file is over its budget
set -eu
bad=0

if ! command -v ctags >/dev/null 2>&1 || ! ctags --version | grep -q Universal; then
	echo "tests/lint/budget.sh:1: needs universal-ctags (Debian: apt install universal-ctags)"
	exit 1
fi

find base acme store hooks agent tests -name '*.[ch]' -print | sort | xargs wc -l | awk '
$2 != "total" && $1 > 600 {
	print $2 ":601: the file has " $1 " lines; 600 is the limit: split it by meaning"
	bad = 1
}
END { exit bad }
' || bad=1

find base acme store hooks agent tests -name '*.[ch]' -print | sort |
	ctags -x --language-force=C --kinds-C=f --fields=+neS \
		--_xformat='%F:%n:%{end}:%N:%{signature}' -L - | awk -F: '
{
	lines = $3 - $2 + 1
	limit = $1 ~ /^tests\// ? 80 : 50
	if (lines > limit) {
		print $1 ":" $2 ": " $4 "() has " lines " lines; " limit " is the limit"
		bad = 1
	}
	n = parameters($5)
	if (n > 5) {
		print $1 ":" $2 ": " $4 "() takes " n " parameters; a struct is missing"
		bad = 1
	}
}

# How many a signature "(int a,int (*f)(int b,int c))" has: commas outside inner parentheses.
function parameters(signature, depth, n, i, c)
{
	if (signature ~ /^\((void|)\)$/)
		return 0
	n = 1
	for (i = 1; i <= length(signature); i++) {
		c = substr(signature, i, 1)
		if (c == "(")
			depth++
		else if (c == ")")
			depth--
		else if (c == "," && depth == 1)
			n++
	}
	return n
}

END {
	if (NR == 0) {
		print "tests/lint/budget.sh:1: ctags found no function at all"
		exit 1
	}
	exit bad
}
' || bad=1
exit "$bad"
