#!/bin/bash
# Commands that are killed before every single one of their changes, or before every STEPth; tests/cli/killed_at.sh tries
# some.
# limit 1200
STEP=${STEP:-1} exec bash "${BASH_SOURCE[0]%/*}/../cli/killed_at.sh"
