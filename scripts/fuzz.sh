#!/bin/sh
# Builds the libFuzzer targets of test/fuzz and runs each for SECONDS_EACH (60) from the seeds in $SHARED/corpus.
#   scripts/fuzz.sh [target...]        e.g. scripts/fuzz.sh message uri
# What a run finds new is kept in build/fuzz/corpus/TARGET; a crash is written to build/fuzz/crash and ends the run. Once it is mended the file goes to
# test/fuzz/regress/TARGET, where `make test` replays it.
set -eu
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-60}
shared=${SHARED:-../shared}
targets=${*:-message uri frame via contact digest sdp script machine}

mkdir -p build/fuzz/crash
for t in $targets; do
	seeds=build/fuzz/seeds/$t
	mkdir -p "$seeds" "build/fuzz/corpus/$t" "test/fuzz/regress/$t"
	dict=sip
	case $t in
	script | machine)
		cp test/fuzz/script-seeds/* "$seeds"
		dict=script
		;;
	esac
	[ "$t" = script ] || [ ! -d "$shared/corpus" ] || test/fuzz/seeds.py "$t" "$shared/corpus" "$seeds"
	make -s -j"$(nproc)" "build/fuzz/fuzz_$t"
	echo "fuzz_$t: $seconds s"
	"build/fuzz/fuzz_$t" -max_total_time="$seconds" -max_len=4096 -timeout=10 -print_final_stats=1 -verbosity=0 \
		-artifact_prefix=build/fuzz/crash/"$t"- -dict=test/fuzz/$dict.dict "build/fuzz/corpus/$t" "$seeds" "test/fuzz/regress/$t"
done
