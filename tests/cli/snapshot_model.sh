#!/bin/bash
# long
# Random operations on a tree, each state snapshotted; every revision and random checkouts compared with copies.
. "${0%/*}/../cli/harness"

test_random_states_come_back_as_they_were() {
	local seed=${SEED:-$RANDOM}
	need python3
	mkdir world
	cd world
	python3 -B "$TESTS_DIR/model/model.py" "$seed" 8 12 100
}

run_tests
