# Sourced after lib.sh and control-plane.sh: nodes, each with its own namespaces, on one bridged network.
#
# The cluster has its own network namespace, which contains the bridge, the control plane and kube-proxy;
# every node is a port of the bridge. So nothing of the cluster's network is visible on this machine.

NAME=${STATE##*/}                       # the cluster's name: there may be several on a machine
NETWORK=$NAME                           # the network namespace
BRIDGE=pods0
POD_NET=10.244.0.0/16                   # nodeK has the address 10.244.0.(K+1), its pods 10.244.K.0/24
ADDRESS=10.244.0.1                      # the control plane, and the default gateway

node_names() { [ ! -d "$STATE/nodes" ] || ls "$STATE/nodes" | sort -V; }
node_dir() { echo "$STATE/nodes/$1"; }
node_address() { echo "10.244.0.$((${1#node} + 1))"; }
node_cgroups() { local c; for c in /sys/fs/cgroup /sys/fs/cgroup/*/; do [ ! -e "$c/cgroup.procs" ] || echo "${c%/}/$NAME-$1"; done; }

# node_pid NODE: the pid, on this machine, of the node's first process.
node_pid() { pgrep -P "$(cut -d ' ' -f 1 "$STATE/pid/$1")"; }
# in_node NODE CMD...: runs CMD inside the node.
in_node() {
  local name=$1
  shift
  nsenter -t "$(node_pid "$name")" -m -p -n -u "$@"
}
images() { ctr -a "$(node_dir "$1")/containerd.sock" -n k8s.io images "${@:2}"; }

# configure_node NODE: writes its configuration.
configure_node() {
  local dir k=${1#node}
  dir=$(node_dir "$1")
  mkdir -p "$dir"/{cni,log,manifests} $(node_cgroups "$1")
  certificate "kubelet-$1" ca "/O=system:nodes/CN=system:node:$1" "IP:$(node_address "$1"),DNS:$1"
  user "kubelet-$1" "/O=system:nodes/CN=system:node:$1"
  cat >"$dir/containerd.toml" <<END
version = 2
root = "$dir/containerd"
state = "$dir/containerd-run"
[grpc]
  address = "$dir/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
END
  cat >"$dir/cni/10-pods.conflist" <<END
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{
  "type": "bridge", "bridge": "$BRIDGE", "isGateway": false, "hairpinMode": true, "ipMasq": false,
  "ipam": {"type": "host-local", "dataDir": "$dir/ipam", "subnet": "$POD_NET", "gateway": "$ADDRESS",
           "rangeStart": "10.244.$k.1", "rangeEnd": "10.244.$k.254", "routes": [{"dst": "0.0.0.0/0"}]}}]}
END
  # Kubelets that share a cgroup root take each other's pods for orphans.
  cat >"$dir/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $(node_address "$1")
authentication:
  anonymous: {enabled: false}
  x509: {clientCAFile: $STATE/pki/ca.crt}
  webhook: {enabled: true}
authorization: {mode: Webhook}
tlsCertFile: $STATE/pki/kubelet-$1.crt
tlsPrivateKeyFile: $STATE/pki/kubelet-$1.key
cgroupDriver: cgroupfs
cgroupRoot: /$NAME-$1
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://$dir/containerd.sock
staticPodPath: $dir/manifests
clusterDomain: cluster.local
clusterDNS: [10.96.0.10]
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
enforceNodeAllocatable: []
evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: "100Mi"}
serializeImagePulls: false
# Otherwise images are removed when this machine's disk is nearly full, and could not be pulled again.
imageGCHighThresholdPercent: 100
nodeStatusUpdateFrequency: 5s
shutdownGracePeriod: 0s
featureGates: {PodObservedGenerationTracking: false}
END
}

# start_node NODE: starts its first process and adds its port of the bridge. The kubelet waits for `node.ready`.
start_node() {
  local dir pid
  dir=$(node_dir "$1")
  alive "$1" && return
  rm -f "$dir/node.ready"
  spawn "$1" unshare --mount --pid --net --uts --fork --kill-child --mount-proc \
    "$HERE/node" "$1" "$dir" "$(node_address "$1")/${POD_NET#*/}" "$BRIDGE" "$ADDRESS" "$BIN/kubelet" \
    --config="$dir/kubelet.yaml" --kubeconfig="$STATE/kubelet-$1.conf" \
    --hostname-override="$1" --node-ip="$(node_address "$1")"
  read -r pid _ <"$STATE/pid/$1"
  wait_for 100 "the network namespace of $1" own_network "$pid"
  ip link add "$1" type veth peer name uplink netns "$pid"
  ip link set "$1" master $BRIDGE up
}

own_network() { ! [ "/proc/$1/ns/net" -ef /proc/self/ns/net ]; }

# let_in NODE: loads the one image that every pod needs, and lets its kubelet start.
let_in() {
  local dir root
  dir=$(node_dir "$1")
  wait_for 300 "containerd of $1" images "$1" ls
  if ! images "$1" ls -q | grep -qx localhost/pause:1; then
    root=$(mktemp -d)
    mkdir "$root/bin"
    cp /bin/busybox "$root/bin/"
    ln -s busybox "$root/bin/sleep"
    "$HERE/image" --import "$dir/containerd.sock" localhost/pause:1 "$root" /bin/sleep infinity
    rm -rf "$root"
  fi
  touch "$dir/node.ready"
}

# wipe_node NODE: removes what is left of it after its first process has ended.
wipe_node() {
  local dir group path
  dir=$(node_dir "$1")
  # Removing a directory that another cluster has mounted on would unmount it there.
  for path in $(cat "$dir/made" 2>/dev/null); do
    grep -qsF " $path " /proc/[0-9]*/mountinfo || rmdir --ignore-fail-on-non-empty "$path"
  done
  for group in $(node_cgroups "$1"); do
    [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
  rm -rf "$dir"
}
