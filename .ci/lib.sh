# Sourced by the scripts beside it: where things are kept, and what several of them do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. .ci/tools.env
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/entropool
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
export CARGO_TERM_PROGRESS_WHEN=never
mkdir -p "$CACHE"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# as_root CMD...: package management needs it, nothing else does.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; return; fi
  command -v sudo >/dev/null || die "installing packages needs root: run this as root, or install sudo"
  sudo "$@"
}

# one_at_a_time NAME: two commands started together must not install the same thing.
one_at_a_time() {
  exec 9>"$CACHE/$1.lock"
  flock 9
}
