#!/bin/bash
# Scripts of the command line's tests that take long: what kills at every change, disks that are full, collections at
# remotes.
# limit 900
# shellcheck disable=SC2046 # no name of ours has a blank
exec tests/cli/run $(grep -l '^# slow$' tests/cli/*.sh)
