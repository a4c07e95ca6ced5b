# Sipario. `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
VERSION := 0.1.0
CC      ?= cc
PREFIX  ?= /usr/local
SHARED  ?= ../shared
B       := build

LIBS    := -lcares -ljansson -lsqlite3 -lpq -lcrypto -lpcre2-8 -ldl -lm -pthread
WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
           -Wpointer-arith -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wno-missing-field-initializers
COMMON  := -std=gnu17 -D_GNU_SOURCE -DSIPARIO_VERSION='"$(VERSION)"' -Icore -I. -g -fno-strict-aliasing -fvisibility=default $(WARN)
CFLAGS  ?= -O2
HARDEN  := -D_FORTIFY_SOURCE=2 -fstack-protector-strong
SAN     := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

# Three builds of the same sources: rel (what ships), san (what the tests run), clang (make check).
# rel is optimised as a whole: the small functions on slices are inlined across files.
FLAGS_rel   := $(CFLAGS) $(HARDEN) -flto=auto
LDFLAGS_rel := $(FLAGS_rel)
FLAGS_san   := $(SAN)
LDFLAGS_san := -fsanitize=address,undefined

CORE_SRC := $(filter-out core/main.c core/ctl/%,$(shell find core db -name '*.c' | sort))
CTL_SRC  := $(wildcard core/ctl/*.c)
MODULES  := $(notdir $(patsubst %/,%,$(wildcard modules/*/)))
mod_src   = $(filter-out %_test.c,$(wildcard modules/$(1)/*.c))
UNIT_SRC := $(filter-out test/unit/test_main.c,$(wildcard test/unit/*_test.c test/unit/*/*_test.c)) $(wildcard modules/*/*_test.c)
UNIT     := $(patsubst %.c,%,$(notdir $(UNIT_SRC)))

all: rel
rel: $(B)/sipario $(B)/siparioctl $(MODULES:%=$(B)/modules/%.so)
san: $(B)/san/sipario $(B)/san/siparioctl $(MODULES:%=$(B)/san/modules/%.so)

# $(1) variant, $(2) where its programs go
define variant
$(B)/obj/$(1)/%.o: %.c Makefile
	@mkdir -p $$(@D)
	@echo "  $$(@:$(B)/%=%)"
	@$$(CC) $$(COMMON) $$(FLAGS_$(1)) $$(if $$(filter modules/%,$$<),-fPIC,-fPIE) -MMD -MP -c $$< -o $$@

$(2)/sipario: $(CORE_SRC:%.c=$(B)/obj/$(1)/%.o) $(B)/obj/$(1)/core/main.o
	@mkdir -p $$(@D)
	@echo "  $$(@:$(B)/%=%)"
	@$$(CC) $$(LDFLAGS_$(1)) -rdynamic -o $$@ $$^ $$(LIBS) $$(LIBS_$(1))

$(2)/siparioctl: $(CORE_SRC:%.c=$(B)/obj/$(1)/%.o) $(CTL_SRC:%.c=$(B)/obj/$(1)/%.o)
	@mkdir -p $$(@D)
	@echo "  $$(@:$(B)/%=%)"
	@$$(CC) $$(LDFLAGS_$(1)) -rdynamic -o $$@ $$^ $$(LIBS) $$(LIBS_$(1))
endef
LIBS_rel := -ljemalloc
$(eval $(call variant,rel,$(B)))
$(eval $(call variant,san,$(B)/san))

# $(1) module, $(2) variant, $(3) where
define module
$(3)/modules/$(1).so: $(patsubst %.c,$(B)/obj/$(2)/%.o,$(call mod_src,$(1)))
	@mkdir -p $$(@D)
	@echo "  $$(@:$(B)/%=%)"
	@$$(CC) $$(LDFLAGS_$(2)) -shared -Wl,-Bsymbolic -o $$@ $$^
endef
$(foreach m,$(MODULES),$(eval $(call module,$(m),rel,$(B)))$(eval $(call module,$(m),san,$(B)/san)))

# A unit test is linked with the whole core (and, for a module's test, that module's objects).
define unit
$(B)/san/test/$(notdir $(basename $(1))): $(B)/obj/san/$(basename $(1)).o $(B)/obj/san/test/unit/test_main.o $(CORE_SRC:%.c=$(B)/obj/san/%.o) \
    $(if $(filter modules/%,$(1)),$(patsubst %.c,$(B)/obj/san/%.o,$(call mod_src,$(word 2,$(subst /, ,$(1))))))
	@mkdir -p $$(@D)
	@echo "  $$(@:$(B)/%=%)"
	@$$(CC) $$(LDFLAGS_san) -rdynamic -o $$@ $$(filter %.o,$$^) $$(LIBS) -lcmocka
endef
$(foreach t,$(UNIT_SRC),$(eval $(call unit,$(t))))
# this one loads them
$(B)/san/test/modules_test: | $(MODULES:%=$(B)/san/modules/%.so)
$(B)/obj/san/test/unit/%.o: COMMON += -Itest/unit
$(B)/obj/san/modules/%_test.o: COMMON += -Itest/unit

# Worlds under a virtual clock, see test/sim; its workers die where they touch shared memory
SIM_LINK := -Wl,--wrap=unlock,--wrap=critical_leave,--wrap=shm_alloc,--wrap=shm_zalloc,--wrap=shm_dup,--wrap=shm_free
$(B)/san/test/sim: $(patsubst %.c,$(B)/obj/san/%.o,$(wildcard test/sim/*.c)) $(CORE_SRC:%.c=$(B)/obj/san/%.o)
	@mkdir -p $(@D)
	@echo "  $(@:$(B)/%=%)"
	@$(CC) $(LDFLAGS_san) $(SIM_LINK) -rdynamic -o $@ $^ $(LIBS)

# The fuzz targets, twice: with libFuzzer (clang), and for `make test` as programs that replay files.
FUZZ           := $(patsubst test/fuzz/fuzz_%.c,%,$(wildcard test/fuzz/fuzz_*.c))
FUZZ_PARSERS   := $(wildcard core/msg/*.c) core/base/str.c core/base/arena.c core/base/buf.c
FLAGS_fuzz     := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -Itest/fuzz
LDFLAGS_fuzz   := -fsanitize=fuzzer,address,undefined
$(B)/obj/fuzz/%: CC = clang
$(eval $(call variant,fuzz,$(B)/obj/fuzz))
define fuzz
$(B)/fuzz/fuzz_$(1): $(patsubst %.c,$(B)/obj/fuzz/%.o,test/fuzz/fuzz_$(1).c $(if $(filter script machine,$(1)),$(CORE_SRC),$(FUZZ_PARSERS)))
	@mkdir -p $$(@D)
	@echo "  $$(@:$(B)/%=%)"
	@clang $$(LDFLAGS_fuzz) -rdynamic -o $$@ $$^ $$(LIBS)
$(B)/san/test/fuzz_$(1): $(patsubst %.c,$(B)/obj/san/%.o,test/fuzz/fuzz_$(1).c test/fuzz/replay.c $(CORE_SRC))
	@mkdir -p $$(@D)
	@echo "  $$(@:$(B)/%=%)"
	@$$(CC) $$(LDFLAGS_san) -rdynamic -o $$@ $$^ $$(LIBS)
endef
$(foreach t,$(FUZZ),$(eval $(call fuzz,$(t))))
$(B)/obj/san/test/fuzz/%.o: COMMON += -Itest/fuzz
replay: $(FUZZ:%=$(B)/san/test/fuzz_%)

unit: $(UNIT:%=$(B)/san/test/%)

deps:
	scripts/deps.sh
run:
	scripts/run.sh
test: deps
	$(MAKE) --no-print-directory -j$$(nproc) san unit replay $(B)/san/test/sim
	test/run --shared $(SHARED)
# The unit tests alone, a name or pattern in T: make quick T=str_test
quick: unit
	test/run --shared $(SHARED) --only unit $(if $(T),--match $(T))
# Simulated worlds, each from its seed: what they break is printed with the seed, shrunk, as a ladder.
sim: $(B)/san/test/sim
	$(B)/san/test/sim --seeds $(or $(SEEDS),200) --first $(or $(FIRST),1) --jobs $$(nproc)
# Mistakes put into the core that those worlds must notice.
sim-mutants: $(B)/san/test/sim
	test/sim/mutants $(if $(T),"$(T)")
# What only shows in minutes; see test/soak/run for SOAK_SECONDS and SOAK_CALLS.
soak: rel
	test/soak/run $(if $(T),"$(T)")
	$(if $(T),,$(MAKE) --no-print-directory kill ROUNDS=100)
# What got 200 is kept, each call is on record once: processes and PostgreSQL killed, the disk full, ROUNDS times each in a storm. KILL_SEED replays.
kill: san
	KILL_ROUNDS=$(or $(ROUNDS),100) test/kill/run -j 2 $(if $(T),"$(T)")
check:
	scripts/check.sh
# The manual's tables, from those the server itself uses.
doc: san
	python3 scripts/doc.py
bench: rel
	test/bench/bench.sh
# 50,000 users register on a database that is 100 ms away, Kamailio beside it; see test/bench/far.py.
far: rel
	SIPARIO_SHARED=$(abspath $(SHARED)) test/bench/far.py
# Instructions a call, by flow; see test/bench/cost.sh for T and PROFILE.
cost: $(B)/cost $(MODULES:%=$(B)/modules/%.so)
	test/bench/cost.sh "$(T)"
$(B)/cost: $(CORE_SRC:%.c=$(B)/obj/rel/%.o) $(B)/obj/rel/test/bench/cost.o
	@echo "  $(@:$(B)/%=%)"
	@$(CC) $(LDFLAGS_rel) -rdynamic -o $@ $^ $(LIBS)
# Each parser, the checker and the script machine under libFuzzer for SECONDS, from the shared corpus.
fuzz:
	SHARED=$(SHARED) SECONDS_EACH=$(or $(SECONDS),60) scripts/fuzz.sh $(T)
clean:
	rm -rf $(B)

install: rel
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/sipario/modules $(DESTDIR)$(PREFIX)/share/sipario $(DESTDIR)$(PREFIX)/etc/sipario
	install -m 755 $(B)/sipario $(DESTDIR)$(PREFIX)/sbin/sipario
	install -m 755 $(B)/siparioctl $(DESTDIR)$(PREFIX)/bin/siparioctl
	install -m 644 $(B)/modules/*.so $(DESTDIR)$(PREFIX)/lib/sipario/modules/
	cp -r db/schema $(DESTDIR)$(PREFIX)/share/sipario/
	install -m 644 etc/sipario.cfg $(DESTDIR)$(PREFIX)/etc/sipario/sipario.cfg
	install -d $(DESTDIR)$(PREFIX)/share/doc/sipario $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/man/man8 \
	    $(DESTDIR)$(PREFIX)/share/vim/vimfiles/syntax $(DESTDIR)$(PREFIX)/share/vim/vimfiles/ftdetect
	cp -r doc/*.md doc/modules doc/editors $(DESTDIR)$(PREFIX)/share/doc/sipario/
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	$(B)/siparioctl completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/siparioctl
	$(B)/siparioctl completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_siparioctl
	install -m 644 doc/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 doc/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 doc/editors/vim/syntax/sipario.vim $(DESTDIR)$(PREFIX)/share/vim/vimfiles/syntax/
	install -m 644 doc/editors/vim/ftdetect/sipario.vim $(DESTDIR)$(PREFIX)/share/vim/vimfiles/ftdetect/
	install -m 644 etc/sipario.cfg $(DESTDIR)$(PREFIX)/share/sipario/sipario.cfg
	install -d $(DESTDIR)$(PREFIX)/share/sipario/examples
	install -m 644 etc/examples/*.cfg $(DESTDIR)$(PREFIX)/share/sipario/examples/

help:
	@echo 'make            build/sipario, build/siparioctl, build/modules/*.so'
	@echo 'make run        everything a newcomer needs, then the server in the foreground'
	@echo 'make test       every test; ends with "N passed, N failed"'
	@echo 'make quick T=x  one unit test'
	@echo 'make sim        the core in simulated worlds; SEEDS=1000, FIRST=1; build/san/test/sim --seed N for one'
	@echo 'make sim-mutants  whether they find the mistakes of test/sim/mutants; T="Timer C" for some'
	@echo 'make soak       peers that misbehave for minutes, memory over a million calls; T="memory" for some; wants a quiet machine'
	@echo 'make kill       processes and PostgreSQL killed, the disk full, in storms of REGISTERs and calls; ROUNDS=100 of each, KILL_SEED=n replays'
	@echo 'make check      floors, headers, warnings under gcc and clang, cppcheck'
	@echo 'make doc        writes the tables of the manual anew'
	@echo 'make bench      the benchmark kit'
	@echo 'make far        50,000 registrations with digest on a PostgreSQL that is 100 ms away, and OPTIONS meanwhile'
	@echo 'make cost       instructions a call under valgrind; T="register" for some flows'
	@echo 'make fuzz       every parser, the checker and the script machine under libFuzzer; SECONDS=60 each, T="message uri" for some'
	@echo 'make install    DESTDIR= PREFIX=/usr/local'
	@echo 'make clean      removes build/'
	@echo 'make deps       the Debian packages this needs'

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
.PHONY: all rel san unit replay deps run test quick sim sim-mutants soak kill check doc bench far cost fuzz clean install help
.SECONDARY:
