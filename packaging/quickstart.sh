#!/bin/sh
# SPDX-License-Identifier: MIT
#
# quickstart.sh — from a fresh clone on Debian 12 to a renewed certificate that a TLS server
# serves: installs what the build needs, builds, and shows the main job, by default against a
# throw-away ACME server on loopback. Nothing it installs is started or stays enabled.
set -eu

usage() {
	cat <<-'EOF'
	usage: packaging/quickstart.sh [-d NAME -m MAIL [--production] [-- OBTAIN-OPTION...]]

	Without -d: a demo on this machine only, against a throw-away Pebble.
	-d NAME       a real name that points to this machine, whose port 80 must be free
	-m MAIL       your address for Let's Encrypt (this agrees to its terms of service)
	--production  Let's Encrypt's trusted CA; without it, its staging CA
	-- ...        further options for everleaf obtain, such as --deploy-hook CMD
	EOF
}

name=
mail=
production=no
while [ $# -gt 0 ]; do
	case $1 in
	-d | -m)
		[ $# -ge 2 ] || { usage >&2; exit 2; }
		if [ "$1" = -d ]; then name=$2; else mail=$2; fi
		shift 2
		;;
	--production) production=yes; shift ;;
	-h | --help) usage; exit 0 ;;
	--) shift; break ;;
	*) usage >&2; exit 2 ;;
	esac
done
if { [ -n "$name" ] && [ -z "$mail" ]; } || { [ -z "$name" ] && [ $# -gt 0 ]; } ||
	{ [ -z "$name" ] && [ "$production" = yes ]; }; then
	usage >&2
	exit 2
fi

cd "$(dirname "$0")/.."
# shellcheck source=lib.sh
. packaging/lib.sh

build=build/quickstart
everleaf=$build/everleaf

build_everleaf() {
	# shellcheck disable=SC2086 # a list of packages
	packages_install $packages_build
	mkdir -p "$build"
	say "building in $build (log: $build/build.log)"
	[ -x configure ] || ./autogen.sh >"$build/autogen.log" 2>&1 || failed "$build/autogen.log"
	if [ ! -f "$build/Makefile" ]; then
		(cd "$build" && ../../configure -q) >"$build/configure.log" 2>&1 ||
			failed "$build/configure.log"
	fi
	make -C "$build" -j "$(nproc)" >"$build/build.log" 2>&1 || failed "$build/build.log"
}

failed() {
	tail -n 20 "$1" >&2
	die "that failed; the whole log is $1"
}

# --- the throw-away CA and TLS server; all of it in $work, all of it gone at the end ---

work=
pids=

clean_up() {
	if [ -n "$work" ]; then
		[ ! -s "$work/tls.pid" ] || pids="$pids $(cat "$work/tls.pid")"
		# shellcheck disable=SC2086 # a list of pids
		[ -z "$pids" ] || kill $pids 2>/dev/null || :
		# shellcheck disable=SC2086
		wait $pids 2>/dev/null || :
		rm -rf "$work"
	fi
}

make_work() {
	work=$(mktemp -d /tmp/everleaf-quickstart.XXXXXX)
	trap clean_up EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	# A copy that nobody else can write to: everleaf refuses to run any other.
	cp packaging/demo-restart "$work/demo-restart"
	chmod 700 "$work/demo-restart"
}

# A CA whose only certificate is Pebble's own, for its https.
make_pebble_certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj '/CN=everleaf quickstart' -keyout "$work/ca.key" -out "$work/ca.pem" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
		-keyout "$work/pebble.key" -out "$work/pebble.csr"
	cat >"$work/extensions" <<-'EOF'
	subjectAltName=DNS:localhost,IP:127.0.0.1
	basicConstraints=CA:FALSE
	keyUsage=digitalSignature
	extendedKeyUsage=serverAuth
	EOF
	openssl x509 -req -days 2 -in "$work/pebble.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" \
		-CAcreateserial -extfile "$work/extensions" -out "$work/pebble.pem"
}

write_pebble_config() {
	cat >"$work/pebble.json" <<-EOF
	{
	  "pebble": {
	    "listenAddress": "127.0.0.1:$acme_port",
	    "managementListenAddress": "127.0.0.1:$management_port",
	    "certificate": "$work/pebble.pem",
	    "privateKey": "$work/pebble.key",
	    "httpPort": $http_port,
	    "tlsPort": $alpn_port,
	    "ocspResponderURL": "",
	    "externalAccountBindingRequired": false
	  }
	}
	EOF
}

start_pebble() {
	bin=$(pebble_find build/pebble)
	make_pebble_certificate >"$work/openssl.log" 2>&1 || failed "$work/openssl.log"
	write_pebble_config

	dns_option=-dnsserver # Debian's older one calls it -dns01 and knows no -doh
	doh_option=-doh=
	if ! "$bin/pebble-challtestsrv" -help 2>&1 | grep -q -e '-dnsserver'; then
		dns_option=-dns01
		doh_option=-https01=
	fi
	say "starting $bin/pebble on port $acme_port of loopback"
	"$bin/pebble-challtestsrv" -http01= -https01= -tlsalpn01= "$doh_option" \
		"$dns_option=127.0.0.1:$dns_port" -management "127.0.0.1:$challenge_port" \
		-defaultIPv4 127.0.0.1 -defaultIPv6= >"$work/challtestsrv.log" 2>&1 &
	pids="$pids $!"
	port_await "$dns_port" $! || failed "$work/challtestsrv.log"
	PEBBLE_VA_NOSLEEP=1 "$bin/pebble" -config "$work/pebble.json" \
		-dnsserver "127.0.0.1:$dns_port" >"$work/pebble.log" 2>&1 &
	pids="$pids $!"
	port_await "$acme_port" $! || failed "$work/pebble.log"
}

# --- the proofs ---

# The live certificate's serial, as everleaf tells it.
serial_shown() {
	$as_owner "$everleaf" --state "$state" show "$name" --json | tr ',{}' '[\n*]' |
		sed -n 's/^ *"serial": *"0*\([0-9A-F]*\)".*/\1/p' | head -n 1
}

# The serial of the certificate that the TLS server serves.
serial_served() {
	openssl s_client -connect "127.0.0.1:$tls_port" -servername "$name" </dev/null \
		2>>"$work/s_client.log" | openssl x509 -noout -serial | sed -n 's/^serial=0*//p'
}

# Compares both, and sets $serial.
show_handshake() {
	serial=$(serial_shown)
	served=$(serial_served)
	[ -n "$serial" ] || die "everleaf show $name --json shows no serial"
	[ "$serial" = "$served" ] ||
		die "the TLS server serves '$served', but everleaf's certificate is $serial"
	say "handshake with 127.0.0.1:$tls_port: it serves $name with serial $served"
}

show_renewed() {
	before=$serial
	show_handshake
	[ "$serial" != "$before" ] || die "the certificate did not change"
	say "the served certificate changed from $before to $serial"
}

# --- the two ways ---

run_demo() {
	name=demo.everleaf.test
	state=$work/state
	as_owner=
	make_work_ports
	start_pebble

	say "obtaining a certificate for $name over http-01"
	"$everleaf" --state "$state" obtain -d "$name" --agree-tos -m demo@everleaf.test \
		--server "https://127.0.0.1:$acme_port/dir" --ca-bundle "$work/ca.pem" \
		--standalone --http-address 127.0.0.1 --http-port "$http_port" \
		--deploy-files "$work/tls" \
		--deploy-hook "$work/demo-restart $work/tls $tls_port" --prove "127.0.0.1:$tls_port"
	show_handshake

	say "renewing it before its time"
	"$everleaf" --state "$state" renew "$name" --force
	show_renewed

	say "everleaf status:"
	"$everleaf" --state "$state" status
}

run_real() {
	state=${EVERLEAF_STATE:-/var/lib/everleaf}
	as_owner=as_root
	server=letsencrypt-staging
	[ "$production" = no ] || server=letsencrypt
	make_work_ports
	as_root mkdir -p /etc/everleaf

	say "obtaining a certificate for $name from $server over http-01 (port 80 of this machine)"
	as_root "$everleaf" --state "$state" obtain -d "$name" --name "$name" --agree-tos -m "$mail" \
		--server "$server" --standalone --deploy-files "/etc/everleaf/$name" "$@"
	serve_real
	show_handshake

	if [ "$production" = no ]; then # a forced renewal would use up a part of the CA's limits
		say "renewing it before its time"
		as_root "$everleaf" --state "$state" renew "$name" --force
		serve_real
		show_renewed
	fi

	say "everleaf status:"
	as_root "$everleaf" --state "$state" status
	say "the files are in /etc/everleaf/$name; sudo everleaf run, or a timer with everleaf renew, keeps them fresh"
}

# A server for the handshake only: the remembered hooks are yours, not the quickstart's.
serve_real() {
	mkdir -p "$work/tls"
	for file in cert chain privkey; do
		as_root cat "/etc/everleaf/$name/$file.pem" >"$work/tls/$file.pem"
	done
	"$work/demo-restart" "$work/tls" "$tls_port" >/dev/null
}

make_work_ports() {
	# shellcheck disable=SC2046 # numbers
	set -- $(ports_free 7)
	acme_port=$1
	management_port=$2
	http_port=$3
	alpn_port=$4
	dns_port=$5
	challenge_port=$6
	tls_port=$7
}

build_everleaf
make_work
if [ -n "$name" ]; then
	run_real "$@"
	say "quickstart: done: $name has a certificate of $server"
else
	run_demo
	say "quickstart: done: obtained, deployed, proved, renewed; everything is cleaned up"
fi
