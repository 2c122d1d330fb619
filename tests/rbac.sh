#!/usr/bin/env bash
# Holds the Role of docs/permissions.md against a real API server: a user with it, and nothing more, can do the whole
# story; without one of its rights the user is told which, before anything was written.
#
# Wants kubectl on PATH and VNF_TEST_KUBECONFIG, as tests/run.sh sets them. Makes a namespace and removes it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

S=samples/container-update
USER_NAME=vnf-rbac-test
NAMESPACE=vnf-rbac-$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
PASSED=0
OUT=

export KUBECONFIG=${VNF_TEST_KUBECONFIG:?is not set: run tests/run.sh}

finish() {
  local code=$?
  kubectl delete namespace "$NAMESPACE" --wait=false --ignore-not-found > /dev/null || true
  rm -f "$OUT"
  exit "$code"
}

vnf() { "$PLUGIN" -n "$NAMESPACE" --as "$USER_NAME" "$@"; }

fail() {
  printf 'rbac: FAILED: %s\n' "$1" >&2
  cat "$OUT" >&2
  exit 1
}

# ends CODE COMMAND...: of the plugin, as the user.
ends() {
  local want=$1 code=0
  shift
  vnf "$@" > "$OUT" 2>&1 || code=$?
  [ "$code" = "$want" ] || fail "exit code $code, not $want: kubectl vnf $*"
  if grep -qiE 'forbidden|not allowed to' "$OUT" && [ "$want" != 1 ]; then fail "a right is missing: kubectl vnf $*"; fi
  PASSED=$((PASSED + 1))
}

says() { grep -qE -e "$1" "$OUT" || fail "the output does not say: $1"; PASSED=$((PASSED + 1)); }

# The one block of YAML in there.
# shellcheck disable=SC2016  # no expansion is meant
role() { sed -n '/^```yaml$/,/^```$/{/^```/d;p}' docs/permissions.md; }

# may_evict: "yes" or "no". The subresource apart, for pods/eviction would be a Pod of that name.
may_evict() {
  kubectl -n "$NAMESPACE" auth can-i create pods --subresource eviction --as "$USER_NAME" 2> /dev/null || true
}

# grant YES-OR-NO: the Role on stdin, and whether it allows to evict Pods: rights come into force a moment after
# they were written.
grant() {
  local n
  kubectl -n "$NAMESPACE" apply -f - > /dev/null
  for n in {1..50}; do
    if [ "$(may_evict)" = "$1" ]; then return; fi
    sleep 0.1
  done
  fail "the Role is not in force after $n tries"
}

story() {
  ends 0 instantiate sample --package $S/before -f $S/instance_kubernetes.json
  ends 0 list
  ends 1 diff sample --package $S/after
  says '2 config objects and 5 workloads change'
  ends 0 update sample --package $S/after --dry-run=server
  if grep -q 'no right to' "$OUT"; then fail "something is not told for want of a right"; fi
}

refused_without_eviction() {
  role | sed 's,pods/eviction,pods/nothing,' | grant no
  ends 1 update sample --package $S/after -f $S/sample_param_file.json --yes
  says 'create pods/eviction'
  says 'nothing was written'
  ends 0 op list sample
  if grep -q update "$OUT"; then fail "a refused update is on record"; fi
  role | grant yes
}

# A failed operation reads events and logs: as the user, too.
failing_update() {
  local package
  package=$(mktemp -d)
  cp -r $S/after "$package/"
  sed -i 's/image: tomcat/image: tomcat:nosuch/' "$package/after/Files/kubernetes/pod_env.yaml"
  samples/digests.sh "$package/after" > /dev/null
  ends 3 update sample --package "$package/after" --yes
  says 'tomcat:nosuch'
  rm -rf "$package"
  ends 0 op show sample
  ends 0 op fail sample
}

rest_of_story() {
  ends 0 scale sample --aspect vdu1_aspect --out
  if grep -q 'no right to' "$OUT"; then fail "something is not told for want of a right"; fi
  ends 0 scale sample --aspect vdu1_aspect --in
  ends 0 update sample --package $S/after -f $S/sample_param_file.json --yes
  ends 0 show modify_vnf_after
  ends 0 heal modify_vnf_after --vnfc VDU3-env-test
  ends 0 heal modify_vnf_after --all --yes
  ends 0 terminate modify_vnf_after --delete --yes
  if kubectl -n "$NAMESPACE" get pod,configmap,secret,lease -o name | grep -v kube-root-ca.crt; then
    fail "something is left"
  fi
}

main() {
  OUT=$(mktemp)
  trap finish EXIT
  cargo build --quiet
  PLUGIN=${CARGO_TARGET_DIR:-target}/debug/kubectl-vnf
  kubectl create namespace "$NAMESPACE" > /dev/null
  until kubectl -n "$NAMESPACE" get serviceaccount default > /dev/null 2>&1; do sleep 0.2; done
  kubectl -n "$NAMESPACE" create rolebinding vnf-admin --role vnf-admin --user "$USER_NAME" > /dev/null
  role | grant yes
  story
  refused_without_eviction
  failing_update
  rest_of_story
  echo "rbac: the Role of docs/permissions.md is enough: $PASSED checks"
}

main "$@"
