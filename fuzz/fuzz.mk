# make fuzz: every target of fuzz/ for FUZZ_SECONDS each (FUZZ=NAME: one of them), with libFuzzer and the sanitizers.

FUZZ_SECONDS ?= 10
FUZZ ?= $(sort $(basename $(notdir $(wildcard fuzz/*.c))))
FUZZ_SAN := fuzzer-no-link,address,undefined

.PHONY: fuzz now-fuzz
fuzz:
	@scripts/deps build fuzz
	@$(AGAIN) CC=clang SAN=$(FUZZ_SAN) now-fuzz

ifeq ($(SAN),$(FUZZ_SAN))
FUZZ_TARGETS := $(patsubst %,$(BUILD)/fuzz/%,$(FUZZ))
FUZZ_SEEDS := $(BUILD)/fuzz/seeds/make
FUZZ_OBJS := $(addsuffix .o,$(FUZZ_TARGETS) $(FUZZ_SEEDS)) $(BUILD)/fuzz/support/fuzz.o

$(FUZZ_TARGETS): %: %.o $(BUILD)/fuzz/support/fuzz.o $(BELOW)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(BUILD)/fuzz/support/fuzz.o $(BELOW) $(BELOW_LIBS)

$(FUZZ_SEEDS): %: %.o $(BELOW)
	$(call say,LD)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(BELOW) $(BELOW_LIBS)

now-fuzz: $(FUZZ_TARGETS) $(FUZZ_SEEDS)
	@fuzz/run $(BUILD)/fuzz $(JOBS) $(FUZZ_SECONDS) $(FUZZ)

.PRECIOUS: $(FUZZ_OBJS)
-include $(FUZZ_OBJS:.o=.d)
endif
