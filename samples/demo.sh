#!/usr/bin/env bash
# Shows the whole life of a VNF, with the real commands and their real output: instantiate, update,
# heal, terminate. Builds what it needs; wants Rust, and Go for its throwaway cluster.
#
#   samples/demo.sh                  on a throwaway cluster on this machine (Linux, root), stopped afterwards
#   samples/demo.sh --context NAME   on the cluster of this context of your kubeconfig, in a new namespace;
#                                    wants to pull nginx, tomcat, cirros and celebdor/kuryr-demo
#   samples/demo.sh --keep           leaves cluster, namespace and programs for you to go on with
#
# What it says at its end was proven, is read from the cluster with kubectl, not with the plugin.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=../tests/cluster/borrow.sh
. tests/cluster/borrow.sh

CONTEXT=
KEEP=no
WORK=
NAMESPACE=
STEP='before the first step'
FAILED=0
S=samples/container-update

BOLD='' DIM='' GREEN='' RED='' PLAIN=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' RED=$'\e[31m' PLAIN=$'\e[0m'
fi

usage() {
  sed -n '2,/^set -e/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

say() { printf '%s\n' "$*"; }
die() {
  printf 'demo: error: %s\n' "$1" >&2
  printf 'demo: remedy: %s\n' "$2" >&2
  exit 1
}

# ---- what is shown ---------------------------------------------------------------------------------

# step NUMBER. TEXT: a heading.
step() {
  STEP=$1
  printf '\n%s== %s ==%s\n' "$BOLD" "$1" "$PLAIN"
}

# A word as one would type it.
quoted() {
  case $1 in
    *[!A-Za-z0-9_./:=@,-]*) printf "'%s'" "$1" ;;
    *) printf '%s' "$1" ;;
  esac
}

# A command in lines of at most 90 columns, none of which ends between a flag and its value.
echo_command() {
  local line='$' part
  while [ $# -gt 0 ]; do
    part=$(quoted "$1")
    case $1:${2--} in
      -*:-*) ;;
      -*) part+=" $(quoted "$2")"; shift ;;
    esac
    shift
    if [ $((${#line} + ${#part})) -gt 87 ]; then
      printf '%s%s \\%s\n' "$DIM" "$line" "$PLAIN"
      line='   '
    fi
    line+=" $part"
  done
  printf '%s%s%s\n' "$DIM" "$line" "$PLAIN"
}

# run COMMAND...: shown and run; a failure ends the demo.
run() {
  echo_command "$@"
  "$@"
}

# run_expecting CODE COMMAND...: the same for a command that tells something by its exit code.
run_expecting() {
  local want=$1 code=0
  shift
  echo_command "$@"
  "$@" || code=$?
  say "${DIM}(exit code $code)$PLAIN"
  [ "$code" = "$want" ]
}

# ---- what is checked -------------------------------------------------------------------------------

# check TEXT CONDITION...: one line of the proof.
check() {
  local text=$1
  shift
  if "$@"; then
    printf '  %s✔%s %s\n' "$GREEN" "$PLAIN" "$text"
  else
    printf '  %s✖ %s%s   (%s)\n' "$RED" "$text" "$PLAIN" "$*"
    FAILED=$((FAILED + 1))
  fi
}

# Every Pod in a line: NAME UID RESTARTS START READY IMAGE OWNER-KIND OWNER, without those that are leaving.
pods() {
  kubectl get pods --no-headers -o custom-columns="\
NAME:.metadata.name,UID:.metadata.uid,RESTARTS:.status.containerStatuses[0].restartCount,\
START:.status.startTime,READY:.status.conditions[?(@.type=='Ready')].status,\
IMAGE:.spec.containers[0].image,KIND:.metadata.ownerReferences[0].kind,\
OWNER:.metadata.ownerReferences[0].name,LEAVING:.metadata.deletionTimestamp" |
    awk '$9 == "<none>" { NF = 8; print }' | sort
}

# What changes when anybody writes, be it the plugin: config and records by their resourceVersion,
# workloads by their generation, for their resourceVersion moves with their status.
writes() {
  kubectl get configmap,secret,lease --no-headers \
    -o custom-columns=KIND:.kind,NAME:.metadata.name,UID:.metadata.uid,VERSION:.metadata.resourceVersion
  kubectl get deployment,replicaset,daemonset --no-headers \
    -o custom-columns=KIND:.kind,NAME:.metadata.name,UID:.metadata.uid,GENERATION:.metadata.generation
}

# take NAME: keeps the state of now under that name.
take() {
  pods > "$WORK/$1.pods"
  writes > "$WORK/$1.writes"
}

# pods_of WHEN WORKLOAD: the lines of a workload's Pods: a bare Pod, or those that a ReplicaSet, a
# DaemonSet, or a Deployment's ReplicaSet (its name and a hash) owns.
pods_of() {
  awk -v w="$2" '$1 == w && $8 == "<none>" { print }
    $8 == w || ($7 == "ReplicaSet" && $8 ~ ("^" w "-[a-z0-9]+$")) { print }' "$WORK/$1.pods"
}

# columns WHEN WORKLOAD NUMBERS: those columns of its Pods, as text to compare.
columns() { pods_of "$1" "$2" | awk -v list="$3" '{ n = split(list, c, ","); for (i = 1; i <= n; i++) printf "%s ", $c[i]; print "" }' | sort; }
uids() { columns "$1" "$2" 2; }

restart_count() { columns "$1" "$2" 3 | tr -d ' '; }
all_ready() { [ "$(wc -l < "$WORK/$1.pods")" -ge "$2" ] && ! awk '$5 != "True"' "$WORK/$1.pods" | grep -q .; }
# Neither the Pod nor its container is another one: UID, restart count and start time.
untouched() { [ -n "$(uids "$1" "$3")" ] && [ "$(columns "$1" "$3" 2,3,4)" = "$(columns "$2" "$3" 2,3,4)" ]; }
# The Pod is the same one, its container is not.
restarted_in_place() {
  [ -n "$(uids "$1" "$3")" ] && [ "$(uids "$1" "$3")" = "$(uids "$2" "$3")" ] &&
    [ "$(restart_count "$2" "$3")" = $(($(restart_count "$1" "$3") + 1)) ]
}
# As many Pods as before, and none of the former ones among them.
replaced() {
  [ "$(uids "$1" "$3" | wc -l)" = "$(uids "$2" "$3" | wc -l)" ] &&
    [ -z "$(comm -12 <(uids "$1" "$3") <(uids "$2" "$3"))" ]
}
has_image() { [ "$(columns "$1" "$2" 6 | sort -u | tr -d ' ')" = "$3" ]; }
same_writes() { cmp -s "$WORK/$1.writes" "$WORK/$2.writes"; }
same_pods() { cmp -s "$WORK/$1.pods" "$WORK/$2.pods"; }
# same_object WHEN WHEN KIND NAME: not written in between.
same_object() { [ "$(object_line "$1" "$3" "$4")" = "$(object_line "$2" "$3" "$4" || echo gone)" ]; }
object_line() { awk -v k="$2" -v n="$3" '$1 == k && $2 == n { $1 = $1; print }' "$WORK/$1.writes" | grep .; }
same_uid() { [ "$(object_line "$1" "$3" "$4" | awk '{ print $3 }')" = "$(object_line "$2" "$3" "$4" | awk '{ print $3 }')" ]; }
equal() { [ "$1" = "$2" ]; }
container_port() { kubectl get replicaset vdu2-update -o 'jsonpath={.spec.template.spec.containers[0].ports[0].containerPort}'; }
# All that a package of the sample, or a record of the plugin, can be.
what_is_left() {
  kubectl get pod,deployment,replicaset,daemonset,configmap,secret,lease --no-headers -o name |
    grep -vxF -e configmap/kube-root-ca.crt -e configmap/not-ours || true
}

# ---- the machine -----------------------------------------------------------------------------------

# The programs of the cluster are Go's work, the plugin is cargo's: both at a time.
build_all() {
  local go=
  say "Building. From nothing, on 2 cores: the plugin 4 minutes$([ -n "$CONTEXT" ] || echo ", Kubernetes 9 minutes at the same time")."
  say "The next time: a second."
  if [ -z "$CONTEXT" ]; then
    tests/cluster/build kubernetes etcd registry debian &
    go=$!
  elif ! command -v kubectl > /dev/null; then
    say "There is no kubectl on PATH: building one."
    tests/cluster/build kubernetes &
    go=$!
  fi
  cargo install --quiet --locked --force --no-track --path . --root "$WORK" 2> "$WORK/cargo.log" || {
    cat "$WORK/cargo.log" >&2
    die "the plugin could not be built" "see the messages of cargo above"
  }
  [ -z "$go" ] || wait "$go" || die "the programs of the cluster could not be built" "see the messages above"
}

put_on_path() {
  local kubectl
  kubectl=$(kubectl_bin)/kubectl
  if [ -n "$CONTEXT" ] && command -v kubectl > /dev/null; then kubectl=$(command -v kubectl); fi
  ln -s "$kubectl" "$WORK/bin/kubectl"
  export PATH=$WORK/bin:$PATH
}

# A copy of the one context, in which the demo's namespace is the default one: the commands are as
# short as a user would type them, and the kubeconfig of the user is only read.
make_kubeconfig() {
  local source=()
  if [ -z "$CONTEXT" ]; then
    say "Starting a throwaway cluster on this machine (about 5 s)."
    borrow_cluster
    source=(--kubeconfig "$CLUSTER")
  else
    kubectl config get-contexts "$CONTEXT" > /dev/null ||
      die "your kubeconfig has no context '$CONTEXT'" "kubectl config get-contexts lists those it has"
    source=(--context "$CONTEXT")
  fi
  (umask 077 && kubectl "${source[@]}" config view --raw --minify --flatten > "$WORK/kubeconfig")
  export KUBECONFIG=$WORK/kubeconfig
  NAMESPACE=vnf-demo-$(od -An -N2 -tx1 /dev/urandom | tr -d ' \n')
  kubectl create namespace "$NAMESPACE" > /dev/null
  kubectl config set-context --current --namespace "$NAMESPACE" > /dev/null
  # A bystander, which no operation may touch.
  kubectl create configmap not-ours --from-literal=key=value > /dev/null
  # A Pod is refused before its namespace has this.
  until kubectl get serviceaccount default > /dev/null 2>&1; do sleep 0.2; done
}

# The namespace of a cluster that is about to be stopped goes with it.
clean_up() {
  if [ -n "$NAMESPACE" ]; then
    kubectl delete namespace "$NAMESPACE" --wait=false > /dev/null || true
    if [ -n "$CONTEXT" ]; then
      say "Deleting the namespace $NAMESPACE."
      kubectl wait --for=delete "namespace/$NAMESPACE" --timeout=120s > /dev/null || true
    fi
  fi
  return_cluster
  rm -rf "$WORK"
}

tell_how_to_go_on() {
  say ""
  say "Kept, as you asked. To go on:"
  say "  export KUBECONFIG=$WORK/kubeconfig PATH=$WORK/bin:\$PATH"
  say "  kubectl vnf list          # namespace $NAMESPACE"
  say "To clean up:"
  if [ -n "$CONTEXT" ]; then
    say "  kubectl delete namespace $NAMESPACE; rm -r $WORK"
  else
    say "  tests/cluster/down; rm -r $WORK"
  fi
}

finish() {
  local code=$?
  trap '' INT TERM HUP
  if [ "$code" != 0 ] && [ "$FAILED" = 0 ]; then
    printf '%sdemo: failed at: %s (exit code %s)%s\n' "$RED" "$STEP" "$code" "$PLAIN" >&2
    if [ -n "$NAMESPACE" ]; then kubectl get pods >&2 || true; fi
  fi
  if [ "$KEEP" = yes ] && [ -n "$NAMESPACE" ]; then tell_how_to_go_on; else clean_up; fi
  exit "$code"
}

# ---- the story -------------------------------------------------------------------------------------

instantiate() {
  step "1. What a package holds, and what it would put on the cluster"
  run kubectl vnf package inspect $S/before
  step "2. Instantiate it: 8 VDUs, all waited for"
  run kubectl vnf instantiate sample-vnf --package $S/before -f $S/instance_kubernetes.json
  run kubectl get pods
  take instantiated
  step "3. The record of the instance is in the cluster"
  run kubectl vnf list
  run kubectl get configmap -l kubectl-vnf/record=instance
}

update() {
  step "4. What would an update to the next package change? (Exit code 1: something)"
  run_expecting 1 kubectl vnf diff sample-vnf --package $S/after
  take diffed
  step "5. Update: the 5 workloads that use what changed restart, the 3 others do not"
  run kubectl vnf update sample-vnf --package $S/after -f $S/sample_param_file.json --yes
  run kubectl get pods
  take updated
  PORT_UPDATED=$(container_port)
  step "6. The record afterwards: new name, new package, one change deferred"
  run kubectl vnf show modify_vnf_after
  step "7. The containers have the new config; env-test2 uses the other ConfigMap"
  # shellcheck disable=SC2016  # the container's variables are meant
  local env='echo "$CMENV"; echo "$SECENV"'
  run kubectl exec env-test -- sh -c "$env"
  run kubectl exec volume-test -- cat /config/cm/config.txt /etc/secrets/creds/secret.txt
  say ""
  # Only the images of the throwaway cluster print what they found at their start.
  if [ -z "$CONTEXT" ]; then run kubectl logs volume-test; fi
  run kubectl exec env-test2 -- sh -c "$env"
  ENV_NEW=$(kubectl exec env-test -- sh -c "$env")
  FILE_NEW=$(kubectl exec volume-test -- cat /config/cm/config.txt /etc/secrets/creds/secret.txt)
  ENV_OTHER=$(kubectl exec env-test2 -- sh -c "$env")
  step "8. The same update again changes nothing"
  run kubectl vnf update modify_vnf_after --package $S/after -f $S/sample_param_file.json --yes
  take repeated
}

heal() {
  local pod
  pod=$(pods_of repeated vdu1-update | awk 'NR == 1 { print $1 }')
  step "9. Heal one VNFC: its Pod is replaced, and that Pod alone"
  run kubectl vnf heal modify_vnf_after --vnfc "VDU1-$pod"
  take healed
  step "10. Heal all: the workloads are made anew, and the deferred port is in force"
  run kubectl vnf heal modify_vnf_after --all --yes
  run kubectl get pods
  take renewed
  run kubectl get replicaset vdu2-update -o 'jsonpath={.spec.template.spec.containers[0].ports[0]}{"\n"}'
  PORT_RENEWED=$(container_port)
  run kubectl vnf op list modify_vnf_after
}

terminate() {
  step "11. Terminate: objects, record, operations and packages are gone"
  run kubectl vnf terminate modify_vnf_after --delete --yes
  run kubectl get all,configmap,secret,lease
  take terminated
}

prove() {
  local w
  step "What was proven, read with kubectl alone"
  say "instantiate"
  check "all Pods of 8 workloads were Ready when the command ended" all_ready instantiated 8
  say "diff"
  check "wrote nothing: every object as before" same_writes instantiated diffed
  say "update"
  for w in env-test:tomcat volume-test:cirros; do
    check "Pod ${w%:*}: same UID, one restart more, image ${w#*:}" both \
      "restarted_in_place diffed updated ${w%:*}" "has_image updated ${w%:*} ${w#*:}"
  done
  for w in vdu1-update:cirros vdu2-update:celebdor/kuryr-demo daemonset-vdu5:cirros; do
    check "${w%:*}: new Pods only, image ${w#*:}" both \
      "replaced diffed updated ${w%:*}" "has_image updated ${w%:*} ${w#*:}"
  done
  for w in deployment2-vdu6 env-test2 volume-test2; do
    check "$w: same Pods, by UID, restart count and start time" untouched diffed updated "$w"
  done
  for w in ConfigMap:cm-data3 Secret:secret-data3 ConfigMap:not-ours; do
    check "${w%:*} ${w#*:}: same resourceVersion" same_object diffed updated "${w%:*}" "${w#*:}"
  done
  check "env-test sees the new values" equal "$ENV_NEW" $'configmap2 data2\nfoo2\nbar2\nexample-pass-002'
  check "volume-test sees the new files" equal "$FILE_NEW" $'configmap2 data2\nfoo2\nbar2secret2 data2\nbaz2'
  check "env-test2 sees its own, unchanged ConfigMap" equal "$ENV_OTHER" $'configmap data\nfoo\nbar\nexample-pass-01'
  check "containerPort of vdu2-update is still 80: deferred" equal "$PORT_UPDATED" 80
  say "the same update again"
  check "wrote nothing, restarted nothing" both "same_writes updated repeated" "same_pods updated repeated"
  say "heal --vnfc"
  check "vdu1-update has a new Pod" replaced repeated healed vdu1-update
  for w in vdu2-update env-test volume-test daemonset-vdu5 deployment2-vdu6 env-test2 volume-test2; do
    check "$w: same Pods" untouched repeated healed "$w"
  done
  say "heal --all"
  for w in vdu1-update vdu2-update env-test volume-test daemonset-vdu5 deployment2-vdu6 env-test2 volume-test2; do
    check "$w: new Pods only" replaced healed renewed "$w"
  done
  check "all of them Ready" all_ready renewed 8
  check "containerPort of vdu2-update is 180 now" equal "$PORT_RENEWED" 180
  for w in ConfigMap:cm-data ConfigMap:cm-data3 Secret:secret-data Secret:secret-data3; do
    check "${w%:*} ${w#*:}: same UID" same_uid healed renewed "${w%:*}" "${w#*:}"
  done
  say "terminate --delete"
  check "nothing is left of the VNF or of its records" equal "$(what_is_left)" ""
  check "ConfigMap not-ours: same resourceVersion as at the start" same_object instantiated terminated ConfigMap not-ours
}

# both CONDITION CONDITION: each a command in one word.
both() {
  # shellcheck disable=SC2086  # words are meant
  $1 && $2
}

main() {
  local began
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit ;;
      --context) [ $# -ge 2 ] || die "--context wants a value" "kubectl config get-contexts lists them"; CONTEXT=$2; shift 2 ;;
      --context=*) CONTEXT=${1#*=}; shift ;;
      --keep) KEEP=yes; shift ;;
      *) usage >&2; exit 2 ;;
    esac
  done
  command -v cargo > /dev/null || die "there is no cargo on PATH" "install Rust (https://rustup.rs)"
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/vnf-demo.XXXXXX")
  trap finish EXIT
  trap 'exit 130' INT TERM HUP
  build_all
  began=$SECONDS
  put_on_path
  make_kubeconfig
  instantiate
  update
  heal
  terminate
  prove
  say ""
  if [ "$FAILED" != 0 ]; then
    say "$FAILED checks FAILED."
    exit 1
  fi
  say "All checks hold. $((SECONDS - began)) s without the building."
}

main "$@"
