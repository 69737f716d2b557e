# Sourced by the commands beside it. Environment: Q8S_CACHE keeps what was built, Q8S_STATE the running cluster; versions below.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
K8S_VERSION=${K8S_VERSION:-1.36.3}
ETCD_VERSION=${ETCD_VERSION:-3.6.8}
HELM_VERSION=${HELM_VERSION:-3.22.0}
H2SPEC_VERSION=${H2SPEC_VERSION:-v2.2.1+incompatible}
VERSITYGW_VERSION=${VERSITYGW_VERSION:-v1.8.0}
COREDNS_VERSION=${COREDNS_VERSION:-1.12.0}
NODE_VERSION=${NODE_VERSION:-24.21.0}
Q8S_CACHE=${Q8S_CACHE:-$HOME/.cache/q8s}
Q8S_STATE=${Q8S_STATE:-/var/tmp/q8s}
BIN=$Q8S_CACHE/bin
NS=q8s                     # the control plane's namespace; node i lives in q8s-nodeI
CONTROL_IP=10.87.0.1
export PATH=$BIN:$PATH

node_ns() { echo "q8s-node$1"; }
node_ip() { echo "10.87.0.$((10 + $1))"; }
node_socket() { echo "$Q8S_STATE/node$1/containerd.sock"; }
nodes() { for d in "$Q8S_STATE"/node[0-9]*; do [ -d "$d" ] && echo "${d##*/node}"; done; return 0; }
in_ns() { nsenter --net=/run/netns/$NS "$@"; }
# start NAMESPACE NAME CMD...: runs CMD in the namespace, logs to NAME.log, remembers its pid
start() {
  local ns=$1 name=$2; shift 2
  (
    # What the caller holds open, a lock above all, is not the program's to keep.
    for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -le 2 ] || eval "exec $fd>&-"; done
    exec nsenter --net=/run/netns/"$ns" "$@"
  ) >"$Q8S_STATE/log/$name.log" 2>&1 </dev/null &
  echo $! >"$Q8S_STATE/pid/$name"
}
stop() { [ -f "$Q8S_STATE/pid/$1" ] && kill "${2:--TERM}" "$(cat "$Q8S_STATE/pid/$1")" 2>/dev/null; rm -f "$Q8S_STATE/pid/$1"; }
wait_for() { # SECONDS WHAT CMD...
  local s=$1 what=$2; shift 2
  for _ in $(seq $((s * 4))); do "$@" >/dev/null 2>&1 && return 0; sleep 0.25; done
  echo "test/cluster: $what was not ready within $s s; see $Q8S_STATE/log" >&2; return 1
}
