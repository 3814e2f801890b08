#!/bin/bash
# Random operations on a tree, each state snapshotted; every revision and random checkouts compared with copies, and some read
# by the second reader.
# limit 900
. "${0%/*}/common"

# model SEED: in a folder of its own, removed when all was right.
model() {
	mkdir "world$1"
	(cd "world$1" && exec python3 -B "$TESTS_DIR/model/model.py" "$1" 20 12 20)
	chmod -R u+rwX "world$1"
	rm -rf "world$1"
}

test_random_states_come_back_as_they_were() {
	local seed=${SEED:-$RANDOM} round first second
	need python3
	# Two at a time: they measure nothing.  MODELS: how many.
	for round in $(seq 1 2 "${MODELS:-2}"); do
		remark "seeds $((seed + round)), $((seed + round + 1))"
		model $((seed + round)) &
		first=$!
		model $((seed + round + 1)) &
		second=$!
		wait $first
		wait $second
	done
}

run_tests
