# Sourced by the scripts that want the throwaway cluster (with a kubelet) for as long as they run:
#
#   borrow_cluster     starts it unless it runs, and sets CLUSTER to the path of its kubeconfig
#   return_cluster     stops it, if a borrower started it and no other borrower is left
#   kubectl_bin        prints the folder of the kubectl that was built with the cluster
#
# shellcheck shell=bash
CLUSTER_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CLUSTER_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-vnf/cluster
# In the state folder of the running cluster: whoever stops the cluster removes it as well.
CLUSTER_READY=$CLUSTER_CACHE/run/kubelet/ready
CLUSTER_BORROWED=$CLUSTER_CACHE/run/kubelet/borrowed
CLUSTER=

kubectl_bin() { "$CLUSTER_SCRIPTS/build" --print-bin; }

# `up` writes that file anew whenever it starts a cluster.
cluster_age() { stat -c '%i %Y' "$CLUSTER_READY" 2>/dev/null || true; }

borrow_cluster() {
  local before
  mkdir -p "$CLUSTER_CACHE"
  # Every borrower holds this lock shared. The cluster's processes must not inherit it: 7>&-.
  exec 7>> "$CLUSTER_CACHE/kubelet.borrowers"
  flock -s 7
  before=$(cluster_age)
  CLUSTER=$("$CLUSTER_SCRIPTS/up" --nodes kubelet 7>&-)
  if [ "$(cluster_age)" != "$before" ]; then touch "$CLUSTER_BORROWED"; fi
}

return_cluster() {
  [ -n "$CLUSTER" ] || return 0
  if [ -f "$CLUSTER_BORROWED" ] && flock -n -x 7; then
    "$CLUSTER_SCRIPTS/down" --nodes kubelet 7>&-
  fi
  exec 7>&-
  CLUSTER=
}
