#!/usr/bin/env bash
# `make check`: what a compiler run of the tests does not say. Each part prints its findings, the last lines sum up.
set -u
cd "$(dirname "$0")/.."
jobs=$(nproc)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The Makefile's own warnings, so that there is one list of them.
warn=$(make -s --no-print-directory --eval='warn:;@echo "$(WARN)"' warn)
flags="-std=gnu17 -D_GNU_SOURCE -DSIPARIO_VERSION=\"0\" -Icore -I. -Itest/unit $warn"
read -ra FLAGS <<<"$flags"

mapfile -t rooms < <(ls -d core db modules test/unit 2>/dev/null)
mapfile -t sources < <(find "${rooms[@]}" -name '*.c' | sort)
mapfile -t headers < <(find "${rooms[@]}" -name '*.h' | sort)

failed=0
# step NAME COMMAND...: runs it, shows what it said when it failed
step() {
	local name=$1 from=$SECONDS
	shift
	if "$@" >"$log" 2>&1; then
		printf 'ok      %-34s %3d s\n' "$name" $((SECONDS - from))
	else
		cat "$log"
		printf 'FAILED  %-34s %3d s\n' "$name" $((SECONDS - from))
		failed=$((failed + 1))
	fi
}

# Warnings that need the optimiser (uninitialised, truncation) come only from a real compilation.
one_gcc() { printf '%s\0' "${sources[@]}" | xargs -0 -P "$jobs" -n 1 gcc "${FLAGS[@]}" -O2 -S -o /dev/null; }
one_clang() { printf '%s\0' "${sources[@]}" | xargs -0 -P "$jobs" -n 8 clang "${FLAGS[@]}" -fsyntax-only; }
alone() { printf '%s\n' "${headers[@]}" | xargs -P "$jobs" -I{} sh -c 'echo "#include \"{}\"" | gcc "$@" -fsyntax-only -x c - || { echo "in {}"; exit 1; }' sh "${FLAGS[@]}"; }
static() {
	cppcheck --quiet --error-exitcode=1 -j "$jobs" --std=c11 --language=c -D_GNU_SOURCE -Icore -I. \
		--enable=warning,performance,portability --inline-suppr \
		--suppress=missingInclude --suppress=missingIncludeSystem --suppress=unmatchedSuppression \
		--suppress=*:test/* --suppress=preprocessorErrorDirective --suppress=normalCheckLevelMaxBranches \
		"${rooms[@]}"
}

step "floors (core/FLOORS)" python3 scripts/floors.py .
step "headers compile alone (${#headers[@]})" alone
step "warnings, gcc (${#sources[@]} files)" one_gcc
step "warnings, clang (${#sources[@]} files)" one_clang
step "cppcheck" static

[ "$failed" = 0 ] && echo "check: all good" || echo "check: $failed of 5 parts failed"
exit $((failed > 0))
