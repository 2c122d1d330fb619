#!/usr/bin/env bash
# Makes the pictures of the README, docs/pictures/*.svg, of what the program really shows on a terminal.
#
#   docs/pictures.sh
#
# It works on the throwaway cluster of tests/cluster (Linux, root), or, with VNF_TEST_KUBECONFIG set to the
# path of a kubeconfig, on the cluster of its current context; in a namespace `core`, which it makes and
# removes. Wants Rust, and util-linux' script.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=../tests/cluster/borrow.sh
. tests/cluster/borrow.sh

NAMESPACE=core
S=samples/container-update
WORK=
MADE=no

die() { printf 'docs/pictures.sh: %s\n' "$1" >&2; exit 1; }

# Without set -e in it, for the traps of bash run in the middle of whatever fails.
finish() {
  local code=$?
  if [ "$MADE" = yes ]; then kubectl delete namespace "$NAMESPACE" --wait=false >&2; fi
  if [ -n "$WORK" ]; then rm -rf "$WORK"; fi
  return_cluster
  exit "$code"
}

# on_terminal COMMAND...: what it shows there, its own line first. How it ends is its own affair.
on_terminal() {
  printf '\e[2m$ %s\e[0m\n' "$*"
  script -qec "stty cols 92 rows 50; $(printf '%q ' "$@")" /dev/null < /dev/null || true
}

# picture NAME [--when TEXT] [--from TEXT]: of what comes in.
picture() {
  local name=$1
  shift
  "$SVG" "$@" > "$WORK/$name.svg" || die "no picture $name"
  mv "$WORK/$name.svg" "docs/pictures/$name.svg"
  printf 'docs/pictures/%s.svg\n' "$name"
}

main() {
  trap finish EXIT
  trap 'exit 130' INT TERM HUP
  WORK=$(mktemp -d)
  cargo build --quiet
  cargo build --quiet --example svg
  SVG=${CARGO_TARGET_DIR:-target}/debug/examples/svg
  if [ -z "${VNF_TEST_KUBECONFIG:-}" ]; then borrow_cluster; fi
  cp "${VNF_TEST_KUBECONFIG:-$CLUSTER}" "$WORK/kubeconfig"
  PATH=$(cd "$(dirname "$SVG")/.." && pwd):$(kubectl_bin):$PATH
  export PATH KUBECONFIG=$WORK/kubeconfig COLUMNS=92 LC_ALL=C.UTF-8 TERM=xterm-256color
  unset NO_COLOR CLICOLOR_FORCE
  kubectl config rename-context "$(kubectl config current-context)" lab > /dev/null
  kubectl config set-context lab --namespace="$NAMESPACE" > /dev/null
  kubectl create namespace "$NAMESPACE" > /dev/null || die "the namespace $NAMESPACE is to be made here"
  MADE=yes
  kubectl vnf instantiate sample-vnf --package "$S/before" --progress none > /dev/null 2>&1 ||
    die "the sample cannot be instantiated"
  mkdir -p docs/pictures

  on_terminal kubectl vnf update sample-vnf --package "$S/after" --dry-run=server | picture plan
  # The last moment at which somebody is still on the way.
  on_terminal kubectl vnf update sample-vnf --package "$S/after" --yes |
    picture tree --when "4 of 5 VDUs done" --from "Updating "
  kubectl vnf undo sample-vnf --yes --progress none > /dev/null 2>&1 || die "the update cannot be undone"

  cp -r "$S/after" "$WORK/next"
  sed -i 's/image: cirros/image: cirros:nosuch/' "$WORK/next/Files/kubernetes/deployment.yaml"
  kubectl vnf package build "$WORK/next" -o "$WORK/next.csar" > /dev/null 2>&1 || die "no package to fail with"
  (cd "$WORK" && on_terminal kubectl vnf update sample-vnf --package next.csar --yes) |
    picture failed --from "✖ VDU1 Deployment vdu1-update: "
}

main "$@"
