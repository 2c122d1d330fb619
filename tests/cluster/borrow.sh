# Sourced by the scripts that want a throwaway cluster for as long as they run:
#
#   borrow_cluster [KIND]   starts it (kubelet or kwok; by default with a kubelet) unless it runs, and sets CLUSTER to
#                           the path of its kubeconfig
#   return_cluster          stops it, if a borrower started it and no other borrower is left
#   with_cluster KIND COMMAND...
#                           runs a command of the tests with the cluster and its programs, as all that a script does
#   kubectl_bin             prints the folder of the kubectl that was built with the cluster
#
# shellcheck shell=bash
CLUSTER_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CLUSTER_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-vnf/cluster
CLUSTER_KIND=
# In the state folder of the running cluster: whoever stops the cluster removes them as well.
CLUSTER_READY=
CLUSTER_BORROWED=
CLUSTER=

kubectl_bin() { "$CLUSTER_SCRIPTS/build" --print-bin; }

# `up` writes that file anew whenever it starts a cluster.
cluster_age() { stat -c '%i %Y' "$CLUSTER_READY" 2>/dev/null || true; }

borrow_cluster() {
  local before
  CLUSTER_KIND=${1:-kubelet}
  CLUSTER_READY=$CLUSTER_CACHE/run/$CLUSTER_KIND/ready
  CLUSTER_BORROWED=$CLUSTER_CACHE/run/$CLUSTER_KIND/borrowed
  mkdir -p "$CLUSTER_CACHE"
  # Every borrower holds this lock shared. The cluster's processes must not inherit it: 7>&-.
  exec 7>> "$CLUSTER_CACHE/$CLUSTER_KIND.borrowers"
  flock -s 7
  before=$(cluster_age)
  CLUSTER=$("$CLUSTER_SCRIPTS/up" --nodes "$CLUSTER_KIND" 7>&-)
  if [ "$(cluster_age)" != "$before" ]; then touch "$CLUSTER_BORROWED"; fi
}

return_cluster() {
  [ -n "$CLUSTER" ] || return 0
  if [ -f "$CLUSTER_BORROWED" ] && flock -n -x 7; then
    "$CLUSTER_SCRIPTS/down" --nodes "$CLUSTER_KIND" 7>&-
  fi
  exec 7>&-
  CLUSTER=
}

with_cluster() {
  trap 'code=$?; return_cluster; exit $code' EXIT
  trap 'exit 130' INT TERM HUP
  borrow_cluster "$1"
  shift
  PATH=$(kubectl_bin):$PATH
  export PATH VNF_TEST_KUBECONFIG=$CLUSTER VNF_TEST_REQUIRE=1
  "$@"
}
