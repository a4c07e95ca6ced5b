#!/bin/sh
# Builds the libFuzzer targets of test/fuzz and runs each for SECONDS_EACH (60) from the seeds in $SHARED/corpus.
#   scripts/fuzz.sh [target...]        e.g. scripts/fuzz.sh message uri
# What a run finds new is kept in build/fuzz/corpus/TARGET; a crash is written to build/fuzz/crash and ends the run.
set -eu
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-60}
shared=${SHARED:-../shared}
targets=${*:-message uri frame via contact digest script}
flags="-std=gnu17 -D_GNU_SOURCE -Icore -g -O1 -fno-strict-aliasing -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"

mkdir -p build/fuzz/crash
for t in $targets; do
	seeds=build/fuzz/seeds/$t
	mkdir -p "$seeds" "build/fuzz/corpus/$t"
	if [ -d "$shared/corpus" ]; then
		test/fuzz/seeds.py "$t" "$shared/corpus" "$seeds"
	fi
	sources="core/msg/*.c core/base/str.c core/base/arena.c core/base/buf.c" dict=sip libs=
	if [ "$t" = script ]; then
		cp test/fuzz/script-seeds/* "$seeds"
		dict=script libs="-I. -lpcre2-8 -lcrypto -ljansson"
		sources="core/script/parse*.c core/script/check*.c core/script/lex.c core/script/diag.c core/script/source.c core/script/regex.c
			core/module/value.c core/module/param.c core/net/addr.c core/msg/*.c core/base/*.c"
	fi
	# shellcheck disable=SC2086
	${FUZZ_CC:-clang} $flags -Itest/fuzz -o "build/fuzz/fuzz_$t" "test/fuzz/fuzz_$t.c" $sources $libs
	echo "fuzz_$t: $seconds s"
	"build/fuzz/fuzz_$t" -max_total_time="$seconds" -max_len=4096 -timeout=5 -print_final_stats=0 -verbosity=0 \
		-artifact_prefix=build/fuzz/crash/"$t"- -dict=test/fuzz/$dict.dict "build/fuzz/corpus/$t" "$seeds"
done
