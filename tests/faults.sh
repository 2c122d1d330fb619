#!/usr/bin/env bash
# Every fault at every request of every operation, judged from outside (tests/it/faults), on the cluster whose Pods only
# pretend to run: about 3,000 cases, for which real containers would take many hours. A sample of them runs with the
# other tests, on a kubelet.
#
#   tests/faults.sh [CASE]     all cases, or those whose names begin with CASE; about an hour on 2 cores
#
# VNF_FAULTS_JOBS is how many cases of each operation are tried at a time: 2.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cluster/borrow.sh
. tests/cluster/borrow.sh

export VNF_FAULTS=${1:-all} VNF_FAULTS_JOBS=${VNF_FAULTS_JOBS:-2}
# All operations at a time: what takes long is waiting.
with_cluster kwok cargo test --test cluster_tests -- --nocapture --test-threads=8 faults::
