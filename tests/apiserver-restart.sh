#!/usr/bin/env bash
# Restarts the API server in the middle of an update, which has to come to its end all the same.
#
# On a cluster of its own, without a kubelet (tests/cluster/up --nodes kwok), which it stops again unless it ran
# before: nobody else is to feel the restart.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cluster/borrow.sh
. tests/cluster/borrow.sh

S=samples/container-update
RUN=$CLUSTER_CACHE/run/kwok
NAMESPACE=vnf-restart-$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
OUT=
UPDATE=

finish() {
  local code=$?
  if [ -n "$UPDATE" ]; then kill "$UPDATE" 2> /dev/null || true; fi
  return_cluster
  rm -f "$OUT"
  exit "$code"
}

fail() {
  printf 'apiserver-restart: FAILED: %s\n' "$1" >&2
  cat "$OUT" >&2
  exit 1
}

# eventually WHAT COMMAND...
eventually() {
  local what=$1 end=$((SECONDS + 60))
  shift
  until "$@" > /dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "not in time: $what"
    sleep 0.1
  done
}

says() { grep -q -e "$1" "$OUT"; }

# The same process again, as an operator's systemd or a node's kubelet would start it.
restart_apiserver() {
  local pid command environment
  pid=$(< "$RUN/pid/apiserver")
  mapfile -t -d '' command < "/proc/$pid/cmdline"
  mapfile -t -d '' environment < "/proc/$pid/environ"
  kill -KILL "$pid"
  while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
  if kubectl get --raw /readyz > /dev/null 2>&1; then fail "the API server still answers"; fi
  env -i "${environment[@]}" setsid "${command[@]}" >> "$RUN/log/apiserver.log" 2>&1 < /dev/null 7>&- &
  echo $! > "$RUN/pid/apiserver"
  disown
  eventually "the API server is back" kubectl get --raw /readyz
}

# As long as this budget is there, the update waits at its ReplicaSet.
shut_gate() {
  kubectl -n "$NAMESPACE" create -f - > /dev/null << YAML
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: gate}
spec: {maxUnavailable: 0, selector: {matchLabels: {kubectl-vnf/instance: $1}}}
YAML
}

image() { kubectl -n "$NAMESPACE" get "$1" -o jsonpath='{.spec.template.spec.containers[0].image}{.spec.containers[0].image}'; }

main() {
  local id code=0
  OUT=$(mktemp)
  trap finish EXIT
  trap 'exit 130' INT TERM HUP
  borrow_cluster kwok
  PATH=$(kubectl_bin):$PATH
  export KUBECONFIG=$CLUSTER PATH
  cargo build --quiet
  local vnf=("${CARGO_TARGET_DIR:-target}/debug/kubectl-vnf" -n "$NAMESPACE")
  kubectl create namespace "$NAMESPACE" > /dev/null
  eventually "Pods can be created" kubectl -n "$NAMESPACE" get serviceaccount default

  "${vnf[@]}" instantiate sample --package $S/before -f $S/instance_kubernetes.json > "$OUT" 2>&1 || fail "instantiate"
  id=$(kubectl -n "$NAMESPACE" get configmap -l kubectl-vnf/record=instance -o jsonpath='{.items[0].metadata.name}')
  shut_gate "${id#vnf-}"
  "${vnf[@]}" update sample --package $S/after --one-by-one --yes > "$OUT" 2>&1 &
  UPDATE=$!
  eventually "the update stands half way" says 'a disruption budget holds Pod'
  restart_apiserver
  kill -0 "$UPDATE" 2> /dev/null || fail "the update ended with the API server"
  kubectl -n "$NAMESPACE" delete poddisruptionbudget gate > /dev/null
  wait "$UPDATE" || code=$?
  UPDATE=
  [ "$code" = 0 ] || fail "the update ended with exit code $code"
  [ "$(image deployment/vdu1-update) $(image replicaset/vdu2-update) $(image pod/env-test)" = \
    'cirros celebdor/kuryr-demo tomcat' ] || fail "the images are not those of the new package"
  "${vnf[@]}" update sample --package $S/after > "$OUT" 2>&1 || fail "the second update"
  says unchanged || fail "something was left to do"
  "${vnf[@]}" terminate sample --delete --yes > "$OUT" 2>&1 || fail "terminate"
  kubectl delete namespace "$NAMESPACE" --wait=false > /dev/null
  echo "apiserver-restart: the update came to its end"
}

main "$@"
