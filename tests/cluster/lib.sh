# Shared by build, up and down: folders, messages, locks, and the end of a cluster.
# shellcheck shell=bash disable=SC2034  # the variables are for the scripts that read this file
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kubectl-vnf/cluster
BIN=$CACHE/bin
# Debian's containerd, runc, CNI plugins and busybox: unpacked here, not installed, so that they
# neither replace nor start anything on the machine.
DEBS=$CACHE/debian
BRIDGE=vnf-test0
CNI_NAME=vnf-test
# Where any kubelet listens for device plugins, wherever its own folder is.
DEVICE_SOCKET=/var/lib/kubelet/device-plugins/kubelet.sock
# What a kubelet and the CNI bridge plugin change on the machine; put back when it goes down.
SYSCTLS=(vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes net/ipv4/ip_forward)

note() { printf 'cluster: %s\n' "$*" >&2; }

# die PROBLEM REMEDY
die() {
  printf 'cluster: error: %s\n' "$1" >&2
  if [ -n "${2:-}" ]; then printf 'cluster: remedy: %s\n' "$2" >&2; fi
  exit 1
}

# Milliseconds, from the shell alone: up measures its steps with it.
now() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
since() {
  local ms=$(($(now) - $1))
  printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# Sets KIND and with it the state folder R; every process of the cluster carries MARK in its
# environment: a better witness than a pid file, which may be lost, or its number used again.
choose_kind() {
  case $1 in
    kubelet | kwok) ;;
    *) die "unknown kind of nodes '$1'" "use --nodes kubelet or --nodes kwok" ;;
  esac
  KIND=$1
  R=$CACHE/run/$KIND
  MARK=VNF_TEST_CLUSTER=$R
}

# One `up` or `down` of a kind at a time. Daemons must be started with 9>&-, else they keep it.
lock_kind() {
  mkdir -p "$CACHE"
  exec 9> "$CACHE/$KIND.lock"
  flock 9
}

# The numbers of the cluster's processes.
processes() {
  grep -lzxF -e "$MARK" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true
}

# The containers of the node, by their IDs.
containers() {
  local bundle
  for bundle in "$R"/containerd/state/io.containerd.runtime.v2.task/k8s.io/*; do
    if [ -d "$bundle" ]; then echo "${bundle##*/}"; fi
  done
}

# The processes in the node's containers: they carry no mark, but each container has a cgroup.
container_processes() {
  local id
  for id in $(containers); do
    cat /sys/fs/cgroup/{,*/}k8s.io/"$id"/cgroup.procs 2>/dev/null || true
  done | sort -un
}

# Kills, without a chance to tidy up: what they would tidy is removed by the caller.
kill_all() {
  local lister=$1 pids n
  for n in {1..100}; do
    mapfile -t pids < <("$lister")
    [ ${#pids[@]} -gt 0 ] || return 0
    kill -KILL "${pids[@]}" 2>/dev/null || true
    sleep 0.05
  done
  die "cannot end the processes ${pids[*]}" "look at them with: ps -fp ${pids[*]// /,}"
}

unmount_state() {
  local point
  # The deepest first. Lazily: a mount may still be in use by a process about to end.
  while read -r point; do
    umount -l "$point" 2>/dev/null || true
  done < <(cut -d' ' -f2 /proc/mounts | grep -F "$R/" | sort -r || true)
}

# containerd keeps the sockets of its shims outside of its state folder, whatever it is told.
remove_shim_sockets() {
  local f
  for f in "$R"/containerd/state/io.containerd.runtime.v2.task/k8s.io/*/address; do
    [ -f "$f" ] || continue
    f=$(< "$f")
    rm -f "${f#unix://}"
  done
  rmdir /run/containerd/s /run/containerd 2>/dev/null || true
}

remove_network() {
  if [ -e "/sys/class/net/$BRIDGE" ]; then ip link delete "$BRIDGE" || true; fi
  # The CNI library's records, each of which names its network namespace, in the state folder.
  { grep -lF "$R/" /var/lib/cni/results/* 2>/dev/null || true; } | xargs -r rm -f
  rmdir /var/lib/cni/results /var/lib/cni 2>/dev/null || true
}

# Takes the container IDs: their list is gone with the mounts of the state folder.
remove_cgroups() {
  local id
  for id in "$@"; do rmdir /sys/fs/cgroup/{,*/}k8s.io/"$id" 2>/dev/null || true; done
  # Shared with any other containerd that serves a kubelet: removed only when it is empty.
  rmdir /sys/fs/cgroup/{,*/}k8s.io 2>/dev/null || true
}

kubelet_runs() { grep -qF " $DEVICE_SOCKET" /proc/net/unix; }

# Fixed folders that a kubelet makes; in one of them it links the logs of its containers.
remove_kubelet_folders() {
  kubelet_runs || rm -f "$DEVICE_SOCKET"
  rmdir /var/lib/kubelet/device-plugins /var/lib/kubelet 2>/dev/null || true
  [ -d /var/log/containers ] || return 0
  find /var/log/containers -type l -lname "$R/*" -delete
  rmdir /var/log/containers 2>/dev/null || true
}

restore_sysctls() {
  local name value
  [ -f "$R/sysctls" ] || return 0
  while read -r name value; do
    echo "$value" > "/proc/sys/$name" || note "could not put back /proc/sys/$name to $value"
  done < "$R/sysctls"
}

# Ends the cluster of KIND, whatever state it is in, and leaves nothing of it on the machine.
end_cluster() {
  local ids
  kill_all processes
  if [ "$KIND" = kubelet ] && [ "$(id -u)" = 0 ]; then
    mapfile -t ids < <(containers)
    kill_all container_processes
    remove_shim_sockets
    unmount_state
    remove_network
    remove_cgroups "${ids[@]}"
    remove_kubelet_folders
    restore_sysctls
  fi
  # A mount that is left is something of the machine: never delete into it.
  rm -rf --one-file-system "$R"
  rmdir "$CACHE/run" 2>/dev/null || true
}
