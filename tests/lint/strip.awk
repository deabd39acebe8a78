# SPDX-License-Identifier: MIT
#
# strip.awk — prints C files as "file:line: code" without comments and with empty strings, so that
# a check can look for names without finding them in prose.

FNR == 1 { in_comment = 0 }

{
	code = ""
	rest = $0
	while (rest != "") {
		if (in_comment) {
			at = index(rest, "*/")
			if (at == 0)
				break
			rest = substr(rest, at + 2)
			in_comment = 0
			continue
		}
		c = substr(rest, 1, 1)
		two = substr(rest, 1, 2)
		if (two == "/*") {
			in_comment = 1
			rest = substr(rest, 3)
		} else if (two == "//") {
			break
		} else if (c == "\"" || c == "'") {
			rest = after_quote(rest, c)
			code = code c c
		} else {
			code = code c
			rest = substr(rest, 2)
		}
	}
	if (code ~ /[^ \t]/)
		print FILENAME ":" FNR ": " code
}

# What follows the literal that text begins with.
function after_quote(text, quote, i, c)
{
	for (i = 2; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "\\")
			i++
		else if (c == quote)
			return substr(text, i + 1)
	}
	return ""
}
