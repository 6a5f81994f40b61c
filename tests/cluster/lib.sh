# Sourced by the scripts beside it: daemons identified by pid and start time, certificates, waiting.
# They keep everything that they create below $STATE.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# The directory of Kubernetes' programs; they are built the first time, which takes minutes.
programs() { "$HERE/../../.ci/kubernetes"; }

# wait_for TRIES WHAT CMD...: tries CMD ten times a second until it succeeds.
wait_for() {
  local tries=$1 what=$2 try
  shift 2
  for ((try = 0; try < tries; try++)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  find "$STATE/log" -name '*.log' ! -name audit.log -exec tail -n 5 {} + >&2 || true
  die "$what is not there after $tries tries; its log is in $STATE/log"
}

# spawn NAME CMD...: starts a daemon in its own session; log and pid are below $STATE.
spawn() {
  local name=$1
  shift
  alive "$name" && return
  setsid nohup "$@" </dev/null >>"$STATE/log/$name.log" 2>&1 &
  echo "$! $(started $!)" >"$STATE/pid/$name"
  # Otherwise the shell would report a daemon that is killed on purpose.
  disown
}

# started PID: when it started, in ticks since boot. A pid is reused, this pair is not.
started() { cut -d ' ' -f 22 "/proc/$1/stat" 2>/dev/null; }

# alive NAME: whether the recorded pid is still the process that was started. A zombie is alive while it has threads:
# until the last one has ended, its ports are in use and its files locked.
alive() {
  local pid start
  read -r pid start 2>/dev/null <"$STATE/pid/$1" || return 1
  [ "$(started "$pid")" = "$start" ] || return 1
  [ "$(cut -d ' ' -f 3 "/proc/$pid/stat" 2>/dev/null)" != Z ] || [ "$(ls "/proc/$pid/task" 2>/dev/null | wc -l)" -gt 1 ]
}

# reap NAME [SIGNAL]: ends the daemon by pid, with SIGNAL (default TERM), and with KILL after five seconds.
reap() {
  local pid try
  if alive "$1"; then
    read -r pid _ <"$STATE/pid/$1"
    kill -"${2:-TERM}" "$pid" 2>/dev/null || true
    for ((try = 0; try < 100; try++)); do
      alive "$1" || break
      sleep 0.05
    done
    alive "$1" && kill -KILL "$pid"
  fi
  rm -f "$STATE/pid/$1"
}

# authority NAME: a key and a certificate that signs others.
authority() {
  local path=$STATE/pki/$1
  [ -s "$path.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
    -keyout "$path.key" -out "$path.crt" -subj "/CN=$1" 2>/dev/null
}

# certificate NAME AUTHORITY SUBJECT [NAMES]: a key and a certificate for both ends of a connection.
certificate() {
  local path=$STATE/pki/$1 authority=$STATE/pki/$2 subject=$3 names=${4:-}
  [ ! -s "$path.crt" ] || return 0
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$path.key" -subj "$subject" 2>/dev/null |
    openssl x509 -req -CA "$authority.crt" -CAkey "$authority.key" -days 3650 -out "$path.crt" \
      -extfile <(printf '%s\n' "keyUsage = critical, digitalSignature" "extendedKeyUsage = serverAuth, clientAuth" \
        ${names:+"subjectAltName = $names"}) 2>/dev/null
}
