#!/usr/bin/env bash
# `make bench`: the benchmark kit, Sipario beside Kamailio where that is installed.
#   RUNS=5 DURATION=5 SCENARIOS="register full-invite" SHARED=../shared make bench
# BENCH_ARGS goes to the kit as it is: on a busy machine "--quiet 0.9 --retries 0", or it waits for silence.
set -eu
cd "$(dirname "$0")/../.."
kit=${SHARED:-../shared}/bench
runs=${RUNS:-3}
duration=${DURATION:-5}
scenarios=${SCENARIOS:-options-self fwd-message stateful-message stateful-invite register register-new register-auth register-auth-reuse full-invite}
[ -f "$kit/run.py" ] || { echo "bench: no benchmark kit in $kit: say SHARED=/where/it/is" >&2; exit 1; }
export SIPARIO_BIN=$PWD/build/sipario
servers=(-s sipario)
command -v kamailio >/dev/null && servers=(-s kamailio -s sipario)
more=${BENCH_ARGS:-}
wanted=()
for s in $scenarios; do wanted+=(-c "$s"); done
# The kit compiles to a temporary folder and may stand in a read-only place.
export PYTHONDONTWRITEBYTECODE=1
# shellcheck disable=SC2086
python3 "$kit/run.py" run "${servers[@]}" "${wanted[@]}" --runs "$runs" --duration "$duration" --out build/bench.jsonl $more
[ -n "${SCENARIOS:-}" ] || python3 "$kit/run.py" memory "${servers[@]}" --out build/bench.jsonl $more | grep '^|'
