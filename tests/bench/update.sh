#!/usr/bin/env bash
# The update of the sample beside `helm upgrade --wait` of the same manifests as a chart: in one run, on one
# cluster, in alternation, each in a namespace of its own. Prints a table of medians; asserts nothing, for
# times are the machine's.
#
#   tests/bench/update.sh [ROUNDS]     5 by default
#
# "End after last Ready" is judged by a second watcher, kubectl: the time at which the command ended, less the
# time at which it showed the last restarted Pod as Ready. Negative: the command ended before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=../cluster/borrow.sh
. tests/cluster/borrow.sh

S=samples/container-update
ROUNDS=${1:-5}
WORK=
NAMESPACE=
WATCH=

say() { printf '%s\n' "$*" >&2; }
# Microseconds.
now() { echo "${EPOCHREALTIME/[.,]/}"; }

finish() {
  local code=$?
  trap '' INT TERM
  if [ "$code" != 0 ]; then say "ended early, exit code $code"; fi
  stop_watch
  if [ -n "$NAMESPACE" ]; then kubectl delete namespace "$NAMESPACE" --wait=false > /dev/null || true; fi
  return_cluster
  rm -rf "$WORK"
  exit "$code"
}

make_chart() {
  local version=$1 package=$2 chart=$WORK/chart-$1
  mkdir -p "$chart/templates"
  printf 'apiVersion: v2\nname: sample\nversion: %s.0.0\n' "$version" > "$chart/Chart.yaml"
  cp "$S/$package"/Files/kubernetes/*.yaml "$chart/templates/"
}

new_namespace() {
  NAMESPACE=vnf-bench-$(od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
  kubectl create namespace "$NAMESPACE" > /dev/null
  until kubectl -n "$NAMESPACE" get serviceaccount default > /dev/null 2>&1; do sleep 0.1; done
}

# Waited for: the end of one round must not be in the way of the next.
drop_namespace() {
  kubectl delete namespace "$NAMESPACE" > /dev/null
  NAMESPACE=
}

# Each event of a Pod in a line: TIME|UID|RESTARTS|READY.
start_watch() {
  local n
  # The former round's is there until the pipeline has begun to write.
  : > "$1"
  # A group of its own, led by the process of the braces: so all of the pipeline can be ended.
  set -m
  {
    kubectl -n "$NAMESPACE" get pods --watch --output-watch-events -o jsonpath="\
{.object.metadata.uid}|{.object.status.containerStatuses[0].restartCount}|\
{.object.status.conditions[?(@.type=='Ready')].status}{'\n'}" |
      while IFS= read -r line; do printf '%s|%s\n' "$(now)" "$line"; done > "$1"
  } &
  WATCH=$!
  set +m
  for n in {1..100}; do
    if [ "$(grep -c 'True$' "$1")" -ge 8 ]; then return; fi
    sleep 0.1
  done
  say "the watcher does not see 8 Pods Ready after $n tries"
  exit 1
}

stop_watch() {
  if [ -n "$WATCH" ]; then kill -- "-$WATCH" 2> /dev/null || true; fi
  WATCH=
}

# last_ready FILE SINCE: when the last container became Ready that had not been before, and how many did.
last_ready() {
  awk -F '|' -v since="$2" '$4 == "True" && !seen[$2 " " $3]++ && $1 > since { last = $1; n++ }
    END { printf "%.0f %d\n", last, n }' "$1"
}

helm() {
  HELM_CACHE_HOME=$WORK/helm HELM_CONFIG_HOME=$WORK/helm HELM_DATA_HOME=$WORK/helm \
    "$BIN/helm" --namespace "$NAMESPACE" "$@"
}
vnf() { "$PLUGIN" --namespace "$NAMESPACE" "$@"; }

install_vnf() { vnf instantiate sample --package $S/before -f $S/instance_kubernetes.json; }
install_helm() { helm install sample "$WORK/chart-1" --wait --timeout 2m; }
update_vnf() { vnf update sample --package $S/after -f $S/sample_param_file.json --yes; }
update_helm() { helm upgrade sample "$WORK/chart-2" --wait --timeout 2m; }

# timed NAME COMMAND...: its wall time in milliseconds is added to the file NAME.
timed() {
  local name=$1 began ended
  shift
  began=$(now)
  "$@" > "$WORK/out" 2>&1 || { cat "$WORK/out" >&2; say "failed: $*"; exit 1; }
  ended=$(now)
  echo $(((ended - began) / 1000)) >> "$WORK/$name"
  BEGAN=$began ENDED=$ended
}

round() {
  local tool=$1 last restarted
  new_namespace
  timed "install-$tool" "install_$tool"
  start_watch "$WORK/events"
  timed "update-$tool" "update_$tool"
  # The watcher may be late, and what a command did not wait for is still to come.
  sleep 3
  stop_watch
  read -r last restarted < <(last_ready "$WORK/events" "$BEGAN")
  echo $(((ENDED - last) / 1000)) >> "$WORK/after-$tool"
  echo "$restarted" >> "$WORK/restarted-$tool"
  drop_namespace
}

# The peak of a process's memory as the kernel keeps it, read until it ends: kB.
peak_memory() {
  local pid=$1 key value _ peak=0
  while { while read -r key value _; do
    if [ "$key" = VmHWM: ]; then peak=$value; fi
  done < "/proc/$pid/status"; } 2> /dev/null && [ -d "/proc/$pid" ]; do
    sleep 0.02
  done
  echo "$peak"
}

# observed OPERATION ARGUMENT...: its requests and memory. Not timed: it logs, and is looked at while it runs.
observed() {
  local name=$1 peak requests
  shift
  # Not the function: that would be a shell of its own.
  "$PLUGIN" --namespace "$NAMESPACE" "$@" -v=6 > /dev/null 2> "$WORK/requests" &
  peak=$(peak_memory $!)
  wait $!
  requests=$(grep -cE ' (GET|POST|PUT|PATCH|DELETE) https?://' "$WORK/requests")
  printf '%-22s %8s %10s MB\n' "$name" "$requests" "$(awk -v kb="$peak" 'BEGIN { printf "%.1f", kb / 1000 }')"
}

observe_all() {
  new_namespace
  printf '\n%-22s %8s %13s\n' OPERATION REQUESTS 'PEAK MEMORY'
  observed instantiate instantiate sample --package $S/before -f $S/instance_kubernetes.json
  observed list list
  observed update update sample --package $S/after -f $S/sample_param_file.json --yes
  observed 'update, nothing to do' update modify_vnf_after --package $S/after --yes
  observed 'heal --all' heal modify_vnf_after --all --yes
  observed 'terminate --delete' terminate modify_vnf_after --delete --yes
  drop_namespace
}

# Of the numbers in a file, in its unit.
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# row LABEL NAME UNIT: both tools; for times of commands also the ratio.
row() {
  awk -v label="$1" -v a="$(median "$WORK/$2-vnf")" -v b="$(median "$WORK/$2-helm")" -v unit="$3" 'BEGIN {
    if (unit == "pods") { printf "%-22s %11d %11d\n", label, a, b; exit }
    printf "%-22s %9.2f s %9.2f s", label, a / 1000, b / 1000
    printf(unit == "wall" ? " %8.2f\n" : "\n", a / b) }'
}

start_up() {
  for _ in {1..21}; do timed start "$PLUGIN" --help; done
  printf '\n%-22s %8s ms\n' 'kubectl vnf --help' "$(median "$WORK/start")"
}

main() {
  local n
  WORK=$(mktemp -d)
  trap finish EXIT
  trap 'exit 130' INT TERM HUP
  tests/cluster/build kubernetes etcd registry debian helm
  cargo install --quiet --locked --force --no-track --path . --root "$WORK" 2> /dev/null
  PLUGIN=$WORK/bin/kubectl-vnf
  borrow_cluster
  BIN=$(kubectl_bin)
  export KUBECONFIG=$CLUSTER PATH=$BIN:$PATH
  make_chart 1 before
  make_chart 2 after
  for ((n = 1; n <= ROUNDS; n++)); do
    say "round $n of $ROUNDS"
    # Neither is always the one that finds the images warm.
    if ((n % 2)); then round vnf; round helm; else round helm; round vnf; fi
  done
  printf '%-22s %11s %11s %8s\n' "MEDIAN OF $ROUNDS" 'kubectl vnf' helm RATIO
  row 'install' install wall
  row 'update' update wall
  row 'end after last Ready' after gap
  row 'Pods restarted' restarted pods
  observe_all
  start_up
}

main "$@"
