#!/usr/bin/env bash
# Every fault at every request of every operation, judged from outside (tests/it/faults).
#
#   tests/faults.sh [CASE]     all cases, or those whose names begin with CASE
#
# First on the cluster whose Pods only pretend to run, where thousands of cases take about an hour on 2 cores; then what
# went wrong there, and requests that are only made elsewhere, on the one with a kubelet, whose word counts. For what
# stands in for kubelets deletes Pods by name, and now and then hits one that was made anew meanwhile.
#
# FAULT_JOBS is how many cases of each of the eight operations are tried at a time: 2.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cluster/borrow.sh
. tests/cluster/borrow.sh

WORK=

finish() {
  local code=$?
  trap '' INT TERM
  return_cluster
  rm -rf "$WORK"
  exit "$code"
}

# on KIND JOBS [THREADS]
on() {
  local code=0
  echo "== $1"
  borrow_cluster "$1"
  VNF_TEST_KUBECONFIG=$CLUSTER VNF_FAULTS_JOBS=$2 cargo test --quiet --test cluster_tests -- \
    --nocapture --test-threads="${3:-8}" faults:: 2>&1 | tee -a "$WORK/log" || code=$?
  return_cluster
  return "$code"
}

main() {
  WORK=$(mktemp -d)
  trap finish EXIT
  trap 'exit 130' INT TERM HUP
  tests/cluster/build kubernetes etcd kwok registry debian
  cargo test --quiet --no-run --test cluster_tests
  PATH=$(kubectl_bin):$PATH
  touch "$WORK/seen"
  export PATH VNF_TEST_REQUIRE=1 VNF_FAULTS=${1:-all} VNF_FAULTS_SEEN=$WORK/seen
  if on kwok "${FAULT_JOBS:-2}"; then echo "== all went right there"; fi
  cp "$WORK/log" "$WORK/seen"
  # Real containers want more of the machine.
  on kubelet 1 3
}

main "$@"
