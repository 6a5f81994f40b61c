# Sourced by the scripts beside it: where things are kept, and what several of them do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. .ci/tools.env
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/entropool
mkdir -p "$CACHE"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# identity DIR: a name of the checkout that is there now. A path may be used again, a directory is not.
identity() { printf '%s %s' "$(cd "$1" && pwd -P)" "$(stat -c '%i %W' "$1")" | sha256sum | cut -c 1-16; }

# Checkouts on one machine share what they build, so that dependencies cost once. Cargo knows a member of the workspace by
# its path inside the checkout, and takes what another checkout built for this one's own if it is newer than the sources.
# But where RUSTC_WORKSPACE_WRAPPER is set, its value goes into the names of all files that are made of members, and only
# of members. So each checkout sets a path of its own, and has a directory of its own for finished programs. Then no checkout
# ever replaces a file of another: tests that run stay what was built, without a lock held while they run and without
# copies, and what a checkout built is still there when one comes back to it. Cargo's own lock on the shared directory lets
# one build run at a time. Where CARGO_TARGET_DIR is set, it is used in place of both directories.
export ENTROPOOL_TARGET_DIR=${ENTROPOOL_TARGET_DIR-${CARGO_TARGET_DIR-}}
OWN=$CACHE/checkouts/$(identity .)
export RUSTC_WORKSPACE_WRAPPER=$OWN/rustc
export CARGO_BUILD_BUILD_DIR=${ENTROPOOL_TARGET_DIR:-$CACHE/target}
export CARGO_TARGET_DIR=${ENTROPOOL_TARGET_DIR:-$OWN/target}
export CARGO_TERM_PROGRESS_WHEN=never

# checkout: makes $OWN, once.
checkout() {
  [ ! -s "$OWN/path" ] || return 0
  mkdir -p "$OWN"
  ln -sf "$PWD/.ci/rustc" "$OWN/rustc"
  ln -sf "$PWD/.ci/rustc" "$OWN/clippy"
  pwd -P >"$OWN/path.$$"
  mv "$OWN/path.$$" "$OWN/path"
}

# forget_gone: removes what was built for checkouts that are gone.
forget_gone() {
  local other path
  for other in "$CACHE"/checkouts/*; do
    path=$(cat "$other/path" 2>/dev/null) && [ -n "$path" ] || continue
    [ ! -d "$path" ] || [ "$(identity "$path")" != "${other##*/}" ] || continue
    # Another command may be at it as well, and nothing here depends on it.
    forget "$other" 2>/dev/null || true
  done
}

# forget OWN: its files in the shared directory have names that no other checkout's have.
forget() {
  if grep -xE -e '-[0-9a-f]{16}' "$1/made" >"$1/names"; then
    find "$CACHE/target" -mindepth 3 | grep -F -f "$1/names" | xargs -rd '\n' rm -rf
  fi
  rm -rf "$1"
}

checkout
forget_gone

# compile CMD...: cargo, without its lines on single crates; when it takes long, it says every half minute how far it is.
compile() {
  local color=auto
  [ ! -t 2 ] || color=always
  { CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-$color} cargo "$@" 2>&1 >&4 4>&- | progress 4>&-; } 4>&1
}

# progress: passes on what cargo says on standard input.
progress() {
  local from=$SECONDS next=30 part line='' plain crates=0 last='' escape=$'\e''\[[0-9;]*m'
  while :; do
    if IFS= read -r -t 1 part; then
      line+=$part plain=$line
      while [[ $plain =~ $escape ]]; do plain=${plain/"${BASH_REMATCH[0]}"/}; done
      if [[ $plain =~ ^\ *(Compiling|Checking)\ ([^ ]+) ]]; then
        crates=$((crates + 1)) last=${BASH_REMATCH[2]}
      elif [[ $plain =~ ^\ *Blocking\ .*\ build\ directory ]]; then
        say "waiting for another build to end: there is one at a time"
      elif ! [[ $plain =~ ^\ *(Blocking|Finished|Executable|Running|Fresh|Locking|Updating|Adding|Downloading|Downloaded)\  ]]; then
        say "$line"
      fi
      line=''
    else
      # More than 128 is a second without a whole line.
      [ $? -gt 128 ] || return 0
      line+=$part
    fi
    if [ $((SECONDS - from)) -ge $next ]; then
      [ -z "$last" ] || say "   $((SECONDS - from)) s: $crates crates started, the last is $last"
      next=$((next + 30))
    fi
  done
}

# clippy ARGS...: `cargo clippy`, with every warning an error. That command sets a wrapper that is the same in all checkouts.
clippy() { RUSTC_WORKSPACE_WRAPPER=$OWN/clippy compile check "$@"; }

# timed NAME CMD...: runs it, and says how long it took.
timed() {
  local name=$1 from=$SECONDS status=0
  shift
  "$@" || status=$?
  say "== $name: $((SECONDS - from)) s"
  return $status
}

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
