#!/bin/sh
# Installs the Debian packages that building, running and testing need; quiet and quick when they are there.
set -eu
build="gcc make pkg-config libc6-dev libc-ares-dev libjansson-dev libsqlite3-dev libpq-dev libssl-dev libpcre2-dev libjemalloc-dev"
test="libcmocka-dev clang cppcheck sip-tester baresip-core python3 sqlite3 strace postgresql openssl groff"
missing=""
for p in $build $test; do
	dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
echo "deps: installing$missing" >&2
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
