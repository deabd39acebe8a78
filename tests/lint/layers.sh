#!/bin/sh
# SPDX-License-Identifier: MIT
#
# layers.sh — agent → store | hooks → acme → base; store and hooks never meet.
# says: includes point one way only
set -eu

find base acme store hooks agent tests -name '*.[ch]' -print | sort | xargs awk '
# The folders a folder may include from; of acme, hooks may know the value types only.
BEGIN {
	may["base"] = " base "
	may["acme"] = " base acme "
	may["store"] = " base acme store "
	may["hooks"] = " base hooks acme/types.h acme/identifier.h "
	may["agent"] = " base acme store hooks agent "
	may["tests"] = " base acme store hooks agent tests "
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	check(part[2])
}

/^[ \t]*#[ \t]*include[ \t]*<(base|acme|store|hooks|agent|tests)\// {
	complain("our own headers are included with quotes")
}

function check(path, from, to)
{
	from = FILENAME
	sub(/\/.*/, "", from)
	to = path
	sub(/\/.*/, "", to)
	if (path !~ /\// || path ~ /\.\./)
		complain("\"" path "\" does not say its folder (folder/file.h)")
	else if (index(may[from], " " to " ") == 0 && index(may[from], " " path " ") == 0)
		complain(from "/ may not include " path)
}

function complain(text)
{
	print FILENAME ":" FNR ": " text
	bad = 1
}

END { exit bad }
'
