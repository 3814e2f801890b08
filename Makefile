# make           the program, build/revfs
# make demo      installs what is missing, builds, shows the main job on real files (DATA=DIR: on those)
# make test      installs what is missing, builds, runs the tests (under 5 minutes on 2 cores)
# make lint      warnings of two compilers, static analysis, man pages, layers
# make deps      installs what building, testing and linting need, with apt
# make SAN=address,undefined test, make SAN=thread test: the same under sanitizers, in a folder of their own
# make CLI='snapshot_basic ls' test: of the tests of the command line these scripts alone
# make slow      the suites that take minutes (SUITE=NAME: one of them)
# make fuzz      the fuzz targets, a short time each
# make bench     revfs beside its peers (BENCH=quick: a tenth of the data)
# make install   below PREFIX (/usr/local); also uninstall; DESTDIR is put in front
# make code      lists the program, a line a file
# make clean, make compile_commands.json

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
# mount(8) looks for its helpers in /sbin alone.
SBINDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),/sbin,$(PREFIX)/sbin)
MANDIR ?= $(PREFIX)/share/man

SAN ?=
comma := ,
BUILD := build$(if $(SAN),/$(subst $(comma),-,$(SAN)))
JOBS ?= $(or $(shell nproc 2>/dev/null),2)
# A line a step; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),,@printf '%-5s %s\n' $(1) $@)

PKG_CONFIG ?= pkg-config
CACHE_PKGS := libzstd libxxhash libcrypto libcurl expat
FS_PKGS := fuse3 libgit2
TOOLS_PKGS := jansson libarchive
TEST_PKGS := cmocka
BUILD_PKGS := $(CACHE_PKGS) $(FS_PKGS) $(TOOLS_PKGS)
pkg = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)

# What stands here is asked for once a make; `demo` and `test` install first and then call make again.
PKG_CFLAGS := $(call pkg,--cflags,$(BUILD_PKGS))
CACHE_LIBS := $(call pkg,--libs,$(CACHE_PKGS))
FS_LIBS := $(call pkg,--libs,$(FS_PKGS))
TOOLS_LIBS := $(call pkg,--libs,$(TOOLS_PKGS))
TEST_CFLAGS = $(call pkg,--cflags,$(TEST_PKGS))
TEST_LIBS = $(call pkg,--libs,$(TEST_PKGS))
HAVE_DEPS := $(and $(CACHE_LIBS),$(FS_LIBS),$(TOOLS_LIBS))

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-sign-conversion -Wvla \
	-Wformat=2
ifdef CI
WARNINGS += -Werror
endif
OPTIMISE ?= -O2
HARDEN := -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314
CFLAGS ?= -g
SAN_FLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
ALL_CFLAGS = -std=c11 $(OPTIMISE) $(CFLAGS) $(WARNINGS) $(HARDEN) -pthread $(SAN_FLAGS) $(PKG_CFLAGS)
ALL_LDFLAGS = -pthread -pie -Wl,-z,relro,-z,now $(LDFLAGS) $(SAN_FLAGS)

objects = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)))
# A layer is a folder and those in it.
CACHE_OBJS := $(call objects,cache/*.c cache/*/*.c)
FS_OBJS := $(call objects,fs/*.c fs/*/*.c)
TOOLS_OBJS := $(call objects,tools/*.c tools/*/*.c)
TEST_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(wildcard $(foreach layer,cache fs tools,tests/$(layer)/*.c tests/$(layer)/*/*.c)))
TEST_HELP_OBJS := $(call objects,tests/support/*.c)
TEST_OBJS := $(addsuffix .o,$(TEST_PROGRAMS)) $(TEST_HELP_OBJS)
# Programs that suites in tests/cli, tests/mount and tests/slow call, a .c file each, without cmocka.
TEST_TOOLS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/cli/*.c tests/mount/*.c tests/slow/*.c))
MAN_PAGES := $(wildcard man/*.[1578])

.PHONY: all
all: $(BUILD)/revfs

$(BUILD)/revfs: $(TOOLS_OBJS) $(BUILD)/libfs.a $(BUILD)/libcache.a
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(TOOLS_OBJS) $(BUILD)/libfs.a $(BUILD)/libcache.a $(FS_LIBS) $(CACHE_LIBS) $(TOOLS_LIBS)

$(BUILD)/libcache.a: $(CACHE_OBJS)
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $(CACHE_OBJS)

$(BUILD)/libfs.a: $(FS_OBJS)
	$(call say,AR)
	$(Q)rm -f $@ && $(AR) rcs $@ $(FS_OBJS)

# Objects are made again when the flags change.
FLAGS_NOW = $(CC) $(ALL_CFLAGS) $(CPPFLAGS) $(ALL_LDFLAGS)
$(BUILD)/flags: .FORCE
	$(if $(HAVE_DEPS),,@scripts/deps --check build)
	@mkdir -p $(BUILD)
	@printf '%s\n' '$(FLAGS_NOW)' | cmp -s - $@ || printf '%s\n' '$(FLAGS_NOW)' > $@
.PHONY: .FORCE
.FORCE:

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%.o: tests/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

BELOW = $(BUILD)/libfs.a $(BUILD)/libcache.a
BELOW_LIBS = $(FS_LIBS) $(CACHE_LIBS) $(TOOLS_LIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(TEST_HELP_OBJS) $(BELOW)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(TEST_HELP_OBJS) $(BELOW) $(BELOW_LIBS) $(TEST_LIBS)

# Tests of tools/ modules link the objects of tools/ but main.
$(BUILD)/tests/tools/%: $(BUILD)/tests/tools/%.o $(TEST_HELP_OBJS) $(TOOLS_OBJS) $(BELOW)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(TEST_HELP_OBJS) $(filter-out %/main.o,$(TOOLS_OBJS)) $(BELOW) $(BELOW_LIBS) \
		$(TEST_LIBS)

$(TEST_TOOLS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(BELOW)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(BELOW) $(BELOW_LIBS)

.PRECIOUS: $(BUILD)/%.o $(BUILD)/tests/%.o
-include $(patsubst %.o,%.d,$(CACHE_OBJS) $(FS_OBJS) $(TOOLS_OBJS) $(TEST_OBJS) $(addsuffix .o,$(TEST_TOOLS)))

# `now-X` is X without the installing: a make of its own, so that it asks pkg-config after the installing.
AGAIN = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
.PHONY: test demo slow bench now-test now-demo now-slow now-bench tests
test:
	@scripts/deps build test
	@$(AGAIN) now-test
demo:
	@scripts/deps build
	@$(AGAIN) now-demo
slow:
	@scripts/deps build test
	@$(AGAIN) now-slow
bench:
	@scripts/deps build
	@$(AGAIN) now-bench

# Sanitizers take their time: the limits of a program and of a script, in seconds.
SLOWER := $(if $(SAN),PROGRAM_TIMEOUT=1800 TEST_TIMEOUT=1800)
tests: $(BUILD)/revfs $(TEST_PROGRAMS) $(TEST_TOOLS)
now-test: tests
	@$(SLOWER) CLI='$(CLI)' tests/run $(BUILD) $(JOBS)
now-demo: $(BUILD)/revfs
	@demo/run '$(CURDIR)/$(BUILD)/revfs' $(if $(DATA),'$(DATA)')
now-slow: $(BUILD)/revfs $(TEST_TOOLS)
	@tests/slow/run $(BUILD) $(SUITE)
$(BUILD)/bench/read: $(BUILD)/bench/read.o
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $<
now-bench: $(BUILD)/revfs $(BUILD)/bench/read $(BUILD)/tests/slow/link
	@bench/run '$(CURDIR)/$(BUILD)/revfs' $(or $(BENCH),full)

-include fuzz/fuzz.mk

.PHONY: deps lint code help install uninstall clean
deps:
	@scripts/deps build test lint

lint:
	@scripts/lint

code:
	@scripts/code

help:
	@sed -n '/^# make/s/^# //p' Makefile

# Written without a build, so that it is there for editors at once.
SOURCES = $(wildcard $(foreach layer,cache fs tools tests bench fuzz,$(layer)/*.c $(layer)/*/*.c) tests/*/*/*.c)
quoted = $(subst ",\",$(1))
compile_commands.json: .FORCE
	@{ echo '['; sep=; for source in $(SOURCES); do \
		printf '%s{"directory":"%s","file":"%s","command":"%s"}' "$$sep" '$(CURDIR)' "$$source" \
			'$(call quoted,$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c) '"$$source"; \
		sep=$$(printf ',\n.'); sep=$${sep%.}; done; printf '\n]\n'; } > $@

install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR)
	install -m 755 $(BUILD)/revfs $(DESTDIR)$(BINDIR)/revfs
	ln -sf revfs $(DESTDIR)$(BINDIR)/git-revfs
	ln -sf $(BINDIR)/revfs $(DESTDIR)$(SBINDIR)/mount.revfs
	for page in $(MAN_PAGES); do \
		install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; done

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/revfs $(DESTDIR)$(BINDIR)/git-revfs $(DESTDIR)$(SBINDIR)/mount.revfs
	for page in $(MAN_PAGES); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done

clean:
	rm -rf build compile_commands.json
