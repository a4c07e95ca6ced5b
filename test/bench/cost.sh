#!/usr/bin/env bash
# `make cost`: instructions a call, without the kernel's, by flow. Deterministic: compare before and after a change.
#   make cost T="stateful-invite"       some flows
#   make cost T=register PROFILE=40     and the 40 most expensive functions of each (exclusive, inlined ones apart)
set -eu
cd "$(dirname "$0")/../.."
command -v valgrind >/dev/null || { echo "cost: valgrind is missing: apt-get install valgrind" >&2; exit 1; }
out=build/cost.out
# a script of 500 lines of the usual kind, all of which are run
{
	echo 'include "../test/bench/common.inc";'
	echo 'request_route {'
	for i in $(seq 1 125); do
		printf '    let n%d = ($rU ?? "").length();\n    if ($rm == "INVITE" && $fd == "nowhere%d.example") send_reply(403);\n' "$i" "$i"
		printf '    if (n%d > 100) $avp(long%d) = "$rU is long";\n    if (($ua ?? "") =~ /friendly-scanner%d/i) drop;\n' "$i" "$i" "$i"
	done
	echo '    send_reply(200);'
	echo '}'
} >build/script-500.cfg
for flow in ${1:-stateful-invite stateful-message fwd-message options-self register script-empty script-default script-500}; do
	calls=$(valgrind --tool=callgrind --callgrind-out-file=$out --toggle-collect=measured build/cost "$flow" 2>build/cost.err) ||
		{ cat build/cost.err >&2; exit 1; }
	total=$(sed -n 's/^summary: //p' $out)
	printf '%-18s %8d instructions a call\n' "$flow" $((total / calls))
	[ -z "${PROFILE:-}" ] || callgrind_annotate --show-percs=yes $out | grep -E '^ *[0-9,]+ \(' | head -n "$PROFILE"
done
