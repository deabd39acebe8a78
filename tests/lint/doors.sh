#!/bin/sh
# SPDX-License-Identifier: MIT
#
# doors.sh — each library is included, and each dangerous call made, in one place.
# says: every library and dangerous call has one door
set -eu
here=$(dirname "$0")
sources() { find base acme store hooks agent -name '*.[ch]' -print | sort; }
bad=0

# What a header may be included by. Tests may look at the libraries themselves.
sources | xargs awk '
BEGIN {
	door["curl/"] = "^base/http[^/]*$"
	door["jansson.h"] = "^base/json\\.c$"
	door["sqlite3.h"] = "^store/"
	door["openssl/"] = "^base/(key|tls|x509)[^/]*\\.c$|^agent/listener_alpn[^/]*$"
	door["event2/"] = "^agent/(loop\\.c|listener[^/]*)$"
	door["event.h"] = "^$"
	door["idn2.h"] = "^acme/identifier\\.c$"
	door["ldns/"] = "^base/dns[^/]*$"
	door["libpsl.h"] = "^acme/domain\\.c$"
	door["yaml.h"] = "^agent/config/yaml\\.c$"
	door["spawn.h"] = "^$"
}
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
	path = $0
	sub(/^[^<"]*[<"]/, "", path)
	sub(/[>"].*/, "", path)
	for (name in door)
		if (index(path, name) == 1 && FILENAME !~ door[name]) {
			print FILENAME ":" FNR ": " path " has a door elsewhere (HACKING.md)"
			bad = 1
		}
}
END { exit bad }
' || bad=1

# Calls: a pattern of names, the files that may make them, and why not elsewhere.
calls() {
	awk -v names="$1" -v allowed="$2" -v why="$3" '
	{
		place = $1
		file = place
		sub(/:.*/, "", file)
		code = " " substr($0, length(place) + 1)
		if (file ~ allowed || !match(code, "[^A-Za-z0-9_.>](" names ")[ \t]*\\("))
			next
		name = substr(code, RSTART + 1, RLENGTH - 1)
		sub(/[ \t]*\($/, "", name)
		print place " " name "(): " why
		bad = 1
	}
	END { exit bad }
	' "$stripped" || bad=1
}

stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
sources | xargs awk -f "$here/strip.awk" >"$stripped"

calls 'fork|vfork|_Fork|clone|clone3|execv|execve|execvp|execvpe|execl|execle|execlp|execveat|fexecve|posix_spawnp?' \
	'^hooks/(child|launch)\.c$' 'programs are started only by hooks/child.c, in its launch.c'
calls 'time|gettimeofday|clock_gettime|ftime|timespec_get' \
	'^base/clock\.c$' 'time comes from struct clock (base/clock.c)'
calls 'log_line' '^(agent/|base/log\.[ch]$)' 'only agent/ logs; return an error instead'
calls 'sleep|usleep|nanosleep|clock_nanosleep' '^$' 'nothing sleeps; waiting is a timer of the loop'
calls 'chroot|setuid|setgid|setresuid|setresgid|setreuid|setregid|setgroups' '^agent/confine\.c$' \
	'privileges are given up in agent/confine.c'
calls 'system|popen|wordexp' '^$' 'no shell of ours is ever started'
calls 'pthread_create|thrd_create' '^$' 'there are no threads'
calls 'strcpy|stpcpy|strcat|strncat|strncpy|sprintf|vsprintf|gets|alloca|strtok' '^$' \
	'use struct buf or snprintf'
calls 'tmpnam|tempnam|mktemp' '^$' 'names of temporary files come from getrandom with O_EXCL'
calls 'setenv|putenv|unsetenv' '^$' 'the environment belongs to whoever started us'

exit "$bad"
