#!/bin/bash
# Suites of the mount that take long: what kills commands on attached datasets, and these without root's rights.
# limit 900
# shellcheck disable=SC2046 # no name of ours has a blank
exec tests/cli/run $(grep -l '^# slow$' tests/mount/*.sh)
