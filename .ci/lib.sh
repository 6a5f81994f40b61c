# Sourced by the other scripts in this directory: paths, and functions that several of them use.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. .ci/tools.env
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/entropool
mkdir -p "$CACHE"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# identity DIR: prints a name for the checkout in DIR. A path can be reused by another checkout; path, inode and time of
# birth together cannot.
identity() { printf '%s %s' "$(cd "$1" && pwd -P)" "$(stat -c '%i %W' "$1")" | sha256sum | cut -c 1-16; }

# Checkouts on one machine share one build directory, so that dependencies are built once. Cargo identifies a workspace
# member by its path inside the checkout, and considers another checkout's output fresh if it is newer than the sources.
# But the value of RUSTC_WORKSPACE_WRAPPER is part of the file names of all members' output, and of theirs only. So each
# checkout sets its own path, and has its own directory for finished programs. No checkout ever replaces a file of another
# one: running tests keep their programs without a lock and without copies, and the output of a checkout is still there
# when one returns to it. Cargo's lock on the shared directory allows one build at a time. If CARGO_TARGET_DIR is set, it
# replaces both directories.
export ENTROPOOL_TARGET_DIR=${ENTROPOOL_TARGET_DIR-${CARGO_TARGET_DIR-}}
OWN=$CACHE/checkouts/$(identity .)
export RUSTC_WORKSPACE_WRAPPER=$OWN/rustc
export CARGO_BUILD_BUILD_DIR=${ENTROPOOL_TARGET_DIR:-$CACHE/target}
export CARGO_TARGET_DIR=${ENTROPOOL_TARGET_DIR:-$OWN/target}
export CARGO_TERM_PROGRESS_WHEN=never

# checkout: creates $OWN, once.
checkout() {
  [ ! -s "$OWN/path" ] || return 0
  mkdir -p "$OWN"
  ln -sf "$PWD/.ci/rustc" "$OWN/rustc"
  ln -sf "$PWD/.ci/rustc" "$OWN/clippy"
  pwd -P >"$OWN/path.$$"
  mv "$OWN/path.$$" "$OWN/path"
}

# forget_gone: removes the output of checkouts that no longer exist.
forget_gone() {
  local other path
  for other in "$CACHE"/checkouts/*; do
    path=$(cat "$other/path" 2>/dev/null) && [ -n "$path" ] || continue
    [ ! -d "$path" ] || [ "$(identity "$path")" != "${other##*/}" ] || continue
    # Another command may be removing it too; a failure does not matter.
    forget "$other" 2>/dev/null || true
  done
}

# forget OWN: removes the output of one checkout, by its unique file names.
forget() {
  if grep -xE -e '-[0-9a-f]{16}' "$1/made" >"$1/names"; then
    find "$CACHE/target" -mindepth 3 | grep -F -f "$1/names" | xargs -rd '\n' rm -rf
  fi
  rm -rf "$1"
}

checkout
forget_gone

# compile CMD...: runs cargo without its lines on single crates, and prints the progress every 30 seconds.
compile() {
  local color=auto
  [ ! -t 2 ] || color=always
  { CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-$color} cargo "$@" 2>&1 >&4 4>&- | progress 4>&-; } 4>&1
}

# progress: filters cargo's output on standard input.
progress() {
  local from=$SECONDS next=30 part line='' plain crates=0 last='' escape=$'\e''\[[0-9;]*m'
  while :; do
    if IFS= read -r -t 1 part; then
      line+=$part plain=$line
      while [[ $plain =~ $escape ]]; do plain=${plain/"${BASH_REMATCH[0]}"/}; done
      if [[ $plain =~ ^\ *(Compiling|Checking)\ ([^ ]+) ]]; then
        crates=$((crates + 1)) last=${BASH_REMATCH[2]}
      elif [[ $plain =~ ^\ *Blocking\ .*\ build\ directory ]]; then
        say "waiting for another build to finish (one runs at a time)"
      elif ! [[ $plain =~ ^\ *(Blocking|Finished|Executable|Running|Fresh|Locking|Updating|Adding|Downloading|Downloaded)\  ]]; then
        say "$line"
      fi
      line=''
    else
      # A status above 128 means no whole line within a second.
      [ $? -gt 128 ] || return 0
      line+=$part
    fi
    if [ $((SECONDS - from)) -ge $next ]; then
      [ -z "$last" ] || say "   $((SECONDS - from)) s: $crates crates started, the last is $last"
      next=$((next + 30))
    fi
  done
}

# clippy ARGS...: runs clippy, with every warning an error. `cargo clippy` itself sets a wrapper that is the same in all
# checkouts.
clippy() { RUSTC_WORKSPACE_WRAPPER=$OWN/clippy compile check "$@"; }

# timed NAME CMD...: runs the command and prints how long it took.
timed() {
  local name=$1 from=$SECONDS status=0
  shift
  "$@" || status=$?
  say "== $name: $((SECONDS - from)) s"
  return $status
}

# as_root CMD...: only package management needs root.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; return; fi
  command -v sudo >/dev/null || die "installing packages needs root: run this as root, or install sudo"
  sudo "$@"
}

# one_at_a_time NAME: takes a lock, so that two commands do not install the same thing at once.
one_at_a_time() {
  exec 9>"$CACHE/$1.lock"
  flock 9
}
