#!/usr/bin/env bash
# Builds and runs tests/consumers/main.cpp in every way a project may take sheaf in:
#
#   tests/consumers/run.sh BUILD_ROOT
#
# One line a way: PASS, FAIL or SKIP. Logs lie in BUILD_ROOT. Ends non-zero on a FAIL.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "${1:?usage: run.sh BUILD_ROOT}"
out=$(cd "$1" && pwd)
# shellcheck source=tests/consumers/ways.sh
. "$here/ways.sh"

export CCACHE_BASEDIR=$out CCACHE_NOHASHDIR=1

# The tree as a release has it: tracked files, and new ones that are not ignored.
copy_tree() {
  mkdir -p "$1"
  (cd "$root" &&
    if git rev-parse --git-dir >/dev/null 2>&1; then
      git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done
    else
      find . -path ./build -prune -o -type f -print0
    fi | tar --null -T - -cf -) | tar -xf - -C "$1"
}

host_setup() {  # DIR KIND BUILDTYPE
  mkdir -p "$1/host"
  cp "$here/meson/meson.build" "$here/main.cpp" "$1/host/"
  copy_tree "$1/host/subprojects/sheaf"
  meson setup "$1/build" "$1/host" -Ddefault_library="$2" --buildtype="$3" \
    --prefix=/usr --libdir=lib
}

subproject() {  # KIND BUILDTYPE
  host_setup "$out/host-$1" "$1" "$2" && ninja -C "$out/host-$1/build" &&
    "$out/host-$1/build/consumer"
}

# Built: the library (and the runtime inside it), nothing else. Installed: at most that.
only_the_library() {  # KIND EXPECTED...
  local kind=$1 build="$out/host-$1/build"
  shift
  (cd "$build" && meson introspect --targets) | python3 -c '
import json, sys
extra = [t["name"] for t in json.load(sys.stdin)
         if t["subproject"] == "sheaf" and t["build_by_default"]
         and t["name"] not in ("sheaf", "sheaf_runtime")]
print("built:", extra)
sys.exit(1 if extra else 0)' || return 1
  rm -rf "$out/destdir-$kind"
  DESTDIR="$out/destdir-$kind" meson install -C "$build" --no-rebuild --quiet || return 1
  local found
  found=$(cd "$out/destdir-$kind/usr" && find . ! -type d | sort)
  printf 'installed:\n%s\n' "$found"
  [ "$found" = "$(printf '%s\n' "$@" | sort)" ]
}

# Built as the release stage of ./dev test builds it, so that ccache has what that compiled.
install_both() {
  meson setup "$out-installed" "$root" -Ddefault_library=both --buildtype=release \
    -Dwerror=true --prefix="$out/prefix" --libdir=lib -Dtests=disabled \
    -Dexamples=disabled -Dtools=disabled && meson install -C "$out-installed" --quiet
}

export_prefix() {
  export PKG_CONFIG_PATH="$out/prefix/lib/pkgconfig"
  export LD_LIBRARY_PATH="$out/prefix/lib"
}

with_pkg_config() {  # [--static]
  local flags
  export_prefix
  flags=$(pkg-config --cflags --libs "$@" sheaf) || return 1
  echo "pkg-config says: $flags"
  # shellcheck disable=SC2086  # flags are words
  ${CXX_PLAIN:-g++} -std=c++20 -Wall -Wextra -Wpedantic -Werror "$here/main.cpp" \
    -o "$out/pkg-config-consumer" $flags && "$out/pkg-config-consumer"
}

static_pkg_config() {
  rm -f "$out"/prefix/lib/libsheaf.so*
  with_pkg_config --static
}

installed_headers() {  # every one of them, none that is private
  local sheaf="$out/prefix/include/sheaf"
  [ -f "$sheaf/sheaf.hpp" ] && [ -d "$sheaf/runtime" ] &&
    [ ! -e "$sheaf/runtime/detail/uv.hpp" ] &&
    ! grep -rnE '#\s*include\s*[<"](uv\.h|nlohmann/)' "$sheaf"
}

with_cmake() {
  export_prefix
  mkdir -p "$out/cmake-host"
  cp "$here/cmake/CMakeLists.txt" "$here/main.cpp" "$out/cmake-host/"
  cmake -S "$out/cmake-host" -B "$out/cmake-build" -DCMAKE_BUILD_TYPE=Debug &&
    cmake --build "$out/cmake-build" && "$out/cmake-build/consumer"
}

rm -rf "${out:?}"/{host-static,host-shared,prefix,cmake-host,cmake-build} "$out-installed"

way "subproject static" subproject static release
way "subproject static installs nothing of ours" only_the_library static ./bin/consumer
way "subproject shared" subproject shared debug
way "subproject shared installs the library alone" only_the_library shared \
  ./bin/consumer ./lib/libsheaf.so ./lib/libsheaf.so.0 "./lib/libsheaf.so.$(
    sed -n "s/^ *version: '\(.*\)',/\1/p" "$root/meson.build" | head -n 1)"
way "installed" install_both
way "installed headers" installed_headers
way "pkg-config shared" with_pkg_config
if command -v cmake >/dev/null; then
  way "cmake" with_cmake
else
  echo "SKIP cmake: not installed"
fi
way "pkg-config static" static_pkg_config

exit $failed
