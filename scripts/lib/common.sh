# shellcheck shell=bash
# What every bash script here begins with. Sourced; changes no folder.

# awk reads `0.4` as a number only where the locale writes numbers so, and what is searched for in output is English.
export LC_ALL=C
# A caller's habits: a cd that goes elsewhere and says so, colours in output that is searched.
unset CDPATH CLICOLOR_FORCE

# Without links: CMake keeps the path that it is called in, and others compare what it kept.
# shellcheck disable=SC2034  # for who sources this
root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)

fail() {
  printf 'scripts/%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# What users set for their programs changes what a check of the library sees.
use_own_defaults() { unset COPPICE_WORKERS COPPICE_PIN COPPICE_STALL_MS; }

# build_release TARGET: says something only where it fails. A compiler that warns of more than ours do is no reason not
# to see a demo.
build_release() {
  local said
  if ! said=$({ cmake --preset release -DCOPPICE_WERROR=OFF &&
    cmake --build --preset release --target "$1"; } 2>&1); then
    printf '%s\n' "$said" >&2
    fail "the build failed (see above)."
  fi
}
