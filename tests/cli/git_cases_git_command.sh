#!/bin/bash
# slow
# The tests of git_cases_git.sh with the user's git in the place of libgit2.
export REVFS_GIT_READER=command
. "${0%/*}/git_cases_git.sh"
