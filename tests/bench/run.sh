#!/usr/bin/env bash
# `kubectl vnf` beside `helm --wait` and `kubectl apply` with waits: in one run, on one cluster, in turns, each in a
# namespace of its own (tests/it/bench.rs). Prints tables of medians; asserts nothing, for times are the machine's.
#
#   tests/bench/run.sh [ROUNDS]     5 by default, which takes about an hour on 2 cores
#
# The sample runs on the cluster with a kubelet, whose time is that of real containers; what is large on the one whose
# Pods only pretend to run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=../cluster/borrow.sh
. tests/cluster/borrow.sh

WORK=

finish() {
  local code=$?
  trap '' INT TERM
  return_cluster
  rm -rf "$WORK"
  exit "$code"
}

# on KIND TEST...: what is printed besides the tables tells how far it is.
on() {
  borrow_cluster "$1"
  shift
  VNF_TEST_KUBECONFIG=$CLUSTER cargo test --quiet --test cluster_tests -- \
    --ignored --nocapture --test-threads=1 --exact "$@"
  return_cluster
}

main() {
  WORK=$(mktemp -d)
  trap finish EXIT
  trap 'exit 130' INT TERM HUP
  tests/cluster/build kubernetes etcd kwok registry debian helm
  cargo install --quiet --locked --force --no-track --path . --root "$WORK"
  cargo test --quiet --no-run --test cluster_tests
  PATH=$(kubectl_bin):$PATH
  export PATH VNF_TEST_REQUIRE=1 VNF_BENCH_ROUNDS=${1:-5} VNF_BENCH_PLUGIN=$WORK/bin/kubectl-vnf
  on kubelet bench::the_sample
  on kwok bench::a_thousand_pods bench::start_and_list
}

main "$@"
