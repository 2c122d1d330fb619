#!/usr/bin/env bash
# Runs the tests of this repository: installs and starts what they need, and stops it afterwards.
#
#   tests/run.sh [FILTER...]          all tests, or those whose names contain a FILTER
#   tests/run.sh --unit [FILTER...]   only the tests that need no cluster
#
# The cluster tests run on the throwaway cluster of tests/cluster, which wants Linux, root and Go; or,
# with VNF_TEST_KUBECONFIG set to the path of a kubeconfig, on the cluster of its current context.
# Each of them makes a namespace of its own and removes it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cluster/borrow.sh
. tests/cluster/borrow.sh

# The one test binary that needs a cluster.
CLUSTER_TESTS=cluster_tests
# So many tests share the cluster at a time: they wait for Pods most of the time, but a small machine
# has to start those Pods as well.
TEST_THREADS=3

LOG=
SUMMARY=()
FAILED=no

usage() {
  sed -n '2,/^set -e/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

say() { printf '%s\n' "$*" >&2; }
die() { say "tests/run.sh: $*"; exit 1; }

# Without set -e in it, for the traps of bash run in the middle of whatever fails.
finish() {
  local code=$?
  rm -f "$LOG"
  return_cluster
  exit "$code"
}

# outcome NAME CODE SECONDS: a line of the summary; the counts are those that cargo's test binaries
# print, summed up.
outcome() {
  local name=$1 code=$2 seconds=$3 counts
  counts=$(awk '/^test result: / { passed += $4; failed += $6; ignored += $8; seen = 1 }
    END { if (seen) printf "%d passed, %d failed, %d ignored", passed, failed, ignored }' "$LOG")
  if [ "$code" = 0 ]; then
    SUMMARY+=("$(printf 'ok    %-8s %s  (%s s)' "$name" "${counts:-done}" "$seconds")")
  else
    FAILED=yes
    SUMMARY+=("$(printf 'FAIL  %-8s %s  (%s s)' "$name" "${counts:-did not run to its end}" "$seconds")")
  fi
}

# suite NAME COMMAND...: runs it to its end and goes on, for one failure must not hide the next.
suite() {
  local name=$1 code=0 began=$SECONDS
  shift
  say "== $name: $*"
  "$@" 2>&1 | tee "$LOG" || code=$?
  outcome "$name" "$code" $((SECONDS - began))
}

# The tests next to the one that needs a cluster.
other_tests() {
  local file
  for file in tests/*.rs; do
    if [ -f "$file" ]; then printf -- '--test=%s\n' "$(basename "$file" .rs)"; fi
  done
}

# need PROGRAM: a package of Debian's has the same name.
need() {
  if command -v "$1" >/dev/null; then return; fi
  say "== installing $1"
  apt-get install -qq -y --no-install-recommends "$1" >/dev/null ||
    die "there is no $1 on PATH, and apt-get could not install it (as root?)"
}

unit_suites() {
  local others
  mapfile -t others < <(other_tests)
  suite unit cargo test --no-fail-fast --lib --bins "${others[@]}" -- "$@"
  suite doc cargo test --doc -- "$@"
}

cluster_suites() {
  suite cluster cargo test --no-fail-fast --test "$CLUSTER_TESTS" -- --test-threads="$TEST_THREADS" "$@"
  # A filter asks for tests by their names, and these have none.
  if [ $# = 0 ]; then
    suite rbac tests/rbac.sh
    suite krew krew/test.sh
    if [ -n "$CLUSTER" ]; then
      suite large tests/large.sh
      # At the very end: it is the only one that does harm to a cluster, though to one of its own.
      suite restart tests/apiserver-restart.sh
    fi
  fi
}

# The programs of the cluster and the test binaries are built at the same time.
build_all() {
  local cluster=$! code=0
  cargo test --no-run || code=$?
  wait "$cluster" || code=$?
  [ "$code" = 0 ] || die "building failed, see above"
}

prepare_cluster() {
  if [ -n "${VNF_TEST_KUBECONFIG:-}" ]; then
    [ -r "$VNF_TEST_KUBECONFIG" ] || die "VNF_TEST_KUBECONFIG names $VNF_TEST_KUBECONFIG, which cannot be read"
    # The built one suits the tests best, but takes minutes: the user's will do.
    if ! command -v kubectl >/dev/null; then tests/cluster/build kubernetes; fi
  else
    say "== building what is missing (the first time: about 10 minutes on 2 cores, most of it Kubernetes)"
    tests/cluster/build kubernetes etcd kwok registry debian &
    build_all
    borrow_cluster
    export VNF_TEST_KUBECONFIG=$CLUSTER
  fi
  PATH=$(kubectl_bin):$PATH
  # Without it, a test that finds no cluster is passed over.
  export PATH VNF_TEST_REQUIRE=1
  # The shells in which completion is tried, besides bash.
  need zsh
  need fish
}

main() {
  local unit_only=no
  case ${1:-} in
    -h | --help) usage; exit ;;
    --unit) unit_only=yes; shift ;;
    --*) usage >&2; exit 2 ;;
  esac
  command -v cargo >/dev/null || die "there is no cargo on PATH: install Rust (https://rustup.rs)"
  LOG=$(mktemp)
  trap finish EXIT
  trap 'exit 130' INT TERM HUP
  # The signatures that the tests verify are made with it.
  need openssl
  # The cluster first: if it cannot be had, say so before the unit tests have run.
  if [ "$unit_only" = no ]; then prepare_cluster; fi
  unit_suites "$@"
  if [ "$unit_only" = no ]; then cluster_suites "$@"; fi
  printf '\n'
  printf '%s\n' "${SUMMARY[@]}"
  [ "$FAILED" = no ]
}

main "$@"
