# Read by up: the node with a real kubelet, its container runtime and its image registry.
# shellcheck shell=bash

# The images that Pods of the tests name, as a registry stores them.
IMAGES=(library/nginx:latest library/nginx:alpine library/nginx:1.27 library/tomcat:latest
  library/cirros:latest library/busybox:latest celebdor/kuryr-demo:latest)

# The one layer of all images: busybox, and what the images start.
make_layer() {
  local root=$R/image name
  mkdir -p "$root"/{bin,tmp,etc,dev,proc,sys,config}
  cp "$DEBS/bin/busybox" "$root/bin/"
  for name in $("$DEBS/bin/busybox" --list); do
    if [ "$name" != busybox ]; then ln -s busybox "$root/bin/$name"; fi
  done
  # An ordinary container logs what it sees of its configuration, once, so that tests can read it.
  cat > "$root/bin/start" <<'SH'
#!/bin/sh
trap 'exit 0' TERM INT
# This busybox's date knows no fractions of a second.
echo start $(echo | ts %.s)
env | grep -E '^(CM|SEC)'
for f in /config/* /config/*/* /etc/secrets/* /etc/secrets/*/*; do
  [ -f "$f" ] && echo "$f: $(cat "$f")"
done
while :; do sleep 3600 & wait $!; done
SH
  # A container that fails, and is careless with its secret.
  cat > "$root/bin/crash" <<'SH'
#!/bin/sh
echo "broken: cannot reach its backend"
[ -n "$SECENV" ] && echo "broken: credentials used: $SECENV"
exit 1
SH
  chmod 755 "$root"/bin/{start,crash}
  tar -C "$root" --owner=0 --group=0 --numeric-owner -cf "$R/layer.tar" .
  rm -rf "$root"
}

machine() {
  case $(uname -m) in
    x86_64) echo linux/amd64 ;;
    aarch64) echo linux/arm64 ;;
    *) echo "linux/$(uname -m)" ;;
  esac
}

# The manifests live in the registry's memory: they are pushed at each start.
push_images() {
  local at=127.0.0.1:$REGISTRY_PORT name jobs=()
  make_layer
  until port_open "$REGISTRY_PORT"; do sleep 0.05; done
  export DOCKER_CONFIG=$R # nobody's credential helper
  "$BIN/crane" append -f "$R/layer.tar" -t "$at/base:1"
  # Each gets a label of its own and with it an ID of its own: a kubelet reports an image by its ID.
  for name in "${IMAGES[@]}" library/pause:1 library/broken:crash; do
    "$BIN/crane" mutate "$at/base:1" -t "$at/$name" --label "image=$name" --env PATH=/bin \
      --set-platform "$(machine)" --cmd "/bin/$(case $name in *:crash) echo crash ;; *) echo start ;; esac)" &
    jobs+=($!)
  done
  for name in "${jobs[@]}"; do wait "$name"; done
}

await_images() {
  wait "${PIDS[images]}" || fail images "pushing the images to the registry failed"
  step "images pushed"
}

# Overlay mounts do not stack: inside of a container the slow way is the only one.
snapshotter() {
  mkdir -p "$R/containerd"
  if [ "$(stat -f -c %T "$R/containerd")" = overlayfs ]; then echo native; else echo overlayfs; fi
}

write_containerd_config() {
  local c=$R/containerd
  mkdir -p "$c"/{cni,registry/_default}
  # restrict_oom_score_adj: without CAP_SYS_RESOURCE no sandbox starts else.
  cat > "$c/config.toml" <<TOML
version = 2
root = "$c/root"
state = "$c/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "$c/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/pause:1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$(snapshotter)"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "$DEBS/bin/runc"
        Root = "$c/runc"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$c/registry"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$DEBS/cni"
    conf_dir = "$c/cni"
TOML
  # All registries are the local one: a Pod of a test never pulls from the network.
  cat > "$c/registry/_default/hosts.toml" <<TOML
server = "http://127.0.0.1:$REGISTRY_PORT"
[host."http://127.0.0.1:$REGISTRY_PORT"]
  capabilities = ["pull", "resolve"]
TOML
  # isGateway gives the machine an address on the bridge, for the kubelet's probes.
  cat > "$c/cni/10-bridge.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "$CNI_NAME", "plugins": [
  {"type": "bridge", "bridge": "$BRIDGE", "isGateway": true, "ipMasq": false,
   "ipam": {"type": "host-local", "subnet": "10.77.0.0/16", "dataDir": "$c/ipam"}}]}
JSON
}

save_sysctls() {
  local name
  for name in "${SYSCTLS[@]}"; do
    if [ -r "/proc/sys/$name" ]; then echo "$name $(< "/proc/sys/$name")"; fi
  done > "$R/sysctls"
}

# The registry with its images and containerd: while etcd and the API server start.
start_runtime() {
  save_sysctls
  start registry "$BIN/crane" registry serve --address "127.0.0.1:$REGISTRY_PORT"
  push_images > "$R/log/images.log" 2>&1 9>&- &
  PIDS[images]=$!
  write_containerd_config
  # containerd looks for its shim on PATH.
  start containerd env PATH="$DEBS/bin:$PATH" "$DEBS/bin/containerd" \
    --config "$R/containerd/config.toml"
}

# Where the kubelet differs from a production one: nothing of the machine is measured, reserved
# or cleaned up, so that a full disk or little memory does not evict the Pods of a test.
write_kubelet_config() {
  cat > "$R/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $KUBELET_PORT
healthzPort: 0
readOnlyPort: 0
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$R/containerd/containerd.sock
podLogsDir: $R/kubelet/logs
volumePluginDir: $R/kubelet/volume-plugins
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
makeIPTablesUtilChains: false
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 0
maxPods: 250
# No DNS answers there; without an address each Pod would get a warning event.
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
imageGCHighThresholdPercent: 100
evictionHard:
  memory.available: 0%
  nodefs.available: 0%
  nodefs.inodesFree: 0%
  imagefs.available: 0%
  imagefs.inodesFree: 0%
YAML
}

# Under the name localhost the API server reaches it over loopback, for logs and exec.
start_kubelet() {
  write_kubelet_config
  await containerd 30 test -S "$R/containerd/containerd.sock"
  start kubelet "$BIN/kubelet" --config="$R/kubelet.yaml" --kubeconfig="$R/kubeconfig" \
    --root-dir="$R/kubelet" --cert-dir="$R/kubelet/pki" --hostname-override=localhost --v=2
}
