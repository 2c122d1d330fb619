#!/usr/bin/env bash
# The tests of what is large (tests/it/large.rs), on a cluster of their own without a kubelet, whose Pods only pretend
# to run. It is stopped again unless it ran before.
#
#   tests/large.sh [FILTER...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cluster/borrow.sh
. tests/cluster/borrow.sh

if [ $# = 0 ]; then set -- large::; fi
# One at a time: what each takes is measured.
with_cluster kwok cargo test --test cluster_tests -- --ignored --test-threads=1 "$@"
