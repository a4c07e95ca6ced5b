#!/bin/sh
# `make run`: from a fresh checkout to a server that two phones can register with. Everything it makes lies under build/ and var/; running it again
# reuses all that. By environment:
#   SIPARIO_LISTEN   where to listen            udp:127.0.0.1:5060 (and TCP there)
#   SIPARIO_DOMAIN   the domain of the users    the host of SIPARIO_LISTEN, so that phones find it without DNS
#   SIPARIO_DB       the database               sqlite:var/sipario.db
#   SIPARIO_SOCKET   the control socket         var/control.sock
#   SIPARIO_SPOOL    records of calls           var/cdr
#   SIPARIO_PHONES   where the passwords are kept    var/phones.txt
#   SIPARIO_USERS    users to make              "alice bob"
set -eu
cd "$(dirname "$0")/.."

listen=${SIPARIO_LISTEN:-udp:127.0.0.1:5060}
export SIPARIO_DB="${SIPARIO_DB:-sqlite:var/sipario.db}"
export SIPARIO_SOCKET="${SIPARIO_SOCKET:-var/control.sock}"
users=${SIPARIO_USERS:-alice bob}
phones=${SIPARIO_PHONES:-var/phones.txt}

fail() {
	echo "run: $*" >&2
	exit 1
}

# udp:127.0.0.1:5060, udp:[::1]:5060, udp:127.0.0.1, udp:*:5060 -> transport, host (without brackets), port
transport=${listen%%:*}
rest=${listen#*:}
[ "$transport" != "$listen" ] || fail "SIPARIO_LISTEN=$listen: write it as udp:127.0.0.1:5060"
case $rest in
\[*\]:*) host=${rest#\[} host=${host%%\]*} port=${rest##*\]:} ;;
\[*\]) host=${rest#\[} host=${host%\]} port=5060 ;;
*:*) host=${rest%:*} port=${rest##*:} ;;
*) host=$rest port=5060 ;;
esac
case $port in '' | *[!0-9]*) fail "SIPARIO_LISTEN=$listen: \"$port\" is no port" ;; esac

# what phones are told: a wildcard is no address, so the machine's first one is
reach=$host
case $host in
'*' | 0.0.0.0 | ::)
	reach=$(hostname -I 2>/dev/null | cut -d' ' -f1)
	reach=${reach:-127.0.0.1}
	;;
esac
# as siparioctl keeps it: lower case, an IPv6 address without brackets
domain=$(printf '%s' "${SIPARIO_DOMAIN:-$reach}" | tr '[:upper:]' '[:lower:]' | sed 's/^\[\(.*\)\]$/\1/')
bracketed() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }
server=$(bracketed "$reach"):$port

scripts/deps.sh
${MAKE:-make} -s --no-print-directory -j"$(nproc)" all >&2

umask 077
mkdir -p var
ctl=build/siparioctl
$ctl db migrate >&2
$ctl domain list | awk '{ print $1 }' | grep -Fqx "$domain" || $ctl domain add "$domain" >&2

# The passwords are kept readable for their owner, so that the next run can print them again. The server itself keeps only digests.
touch "$phones"
password_of() { awk -v u="$1" '$1 == u { p = $2 } END { print p }' "$phones"; }
for name in $users; do
	user=$name@$domain
	if $ctl user show "$user" >/dev/null 2>&1; then
		continue
	fi
	password=$(password_of "$user")
	if [ -n "$password" ]; then
		printf '%s\n' "$password" | $ctl user add "$user" --stdin >&2
	else
		password=$($ctl user add "$user" --generate | sed -n 's/^password: //p')
		[ -n "$password" ] || fail "cannot add user $user"
		printf '%s %s\n' "$user" "$password" >>"$phones"
	fi
done

host_part=$(bracketed "$domain")
first=${users%% *}
last=${users##* }
{
	echo
	echo "Type this into two phones (softphones on this machine will do):"
	echo
	echo "  domain (registrar)   $host_part"
	echo "  server or proxy      $server, transport $(echo "$transport" | tr '[:lower:]' '[:upper:]')"
	for name in $users; do
		password=$(password_of "$name@$domain")
		printf '  user %-15s password %s\n' "$name" "${password:-(the one you gave it)}"
	done
	echo
	echo "With baresip, a line of ~/.baresip/accounts:"
	for name in $users; do
		password=$(password_of "$name@$domain")
		echo "  <sip:$name@$host_part>;auth_user=$name;auth_pass=${password:-PASSWORD};outbound=\"sip:$server;transport=$transport\""
	done
	echo
	echo "Then call sip:$last@$host_part from $first. Meanwhile, in another terminal: build/siparioctl status, build/siparioctl location list"
	echo "The passwords are kept in $phones. Ctrl-C stops the server."
	echo
} >&2

exec build/sipario -f etc/sipario.cfg -D "DOMAIN=$domain" -D "LISTEN=udp:$rest" -D "LISTEN_TCP=tcp:$rest" -D "DATABASE=$SIPARIO_DB" -D "CONTROL=$SIPARIO_SOCKET" -D "SPOOL=${SIPARIO_SPOOL:-var/cdr}"
