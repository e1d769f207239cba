#!/usr/bin/env bash
# What a build with -Dtls=disabled installs: nothing that asks for OpenSSL, and a consumer
# builds with it.
#
#   tests/consumers/no_tls.sh BUILD
#
# BUILD is configured with -Dpkgconfig.relocatable=true, and built. One line a way: PASS or
# FAIL. Ends non-zero on a FAIL.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "${1:?usage: no_tls.sh BUILD}" && pwd)
out=$build/consumers
mkdir -p "$out"
# shellcheck source=tests/consumers/ways.sh
. "$here/ways.sh"

install_here() { DESTDIR="$out/root" meson install -C "$build" --no-rebuild --quiet; }

prefix() { dirname "$(dirname "$(dirname "$(find "$out/root" -name sheaf.pc)")")"; }

installed() {
  local prefix
  prefix=$(prefix)
  [ -f "$prefix/include/sheaf/sheaf.hpp" ] &&
    [ -z "$(find "$prefix/include" -name '*tls*')" ] &&
    ! grep -rnE '#\s*include\s*[<"]openssl/' "$prefix/include" &&
    ! grep -n openssl "$prefix/lib/pkgconfig/sheaf.pc"
}

links_no_openssl() { ! ldd "$1" | grep -E 'libssl|libcrypto'; }

# sheaf.hpp includes what is not installed unless the flags say that there is no TLS.
consumer() {
  local flags
  flags=$(PKG_CONFIG_PATH="$(prefix)/lib/pkgconfig" pkg-config --cflags --libs sheaf) ||
    return 1
  echo "pkg-config says: $flags"
  # shellcheck disable=SC2086  # flags are words
  g++ -std=c++20 -Wall -Wextra -Wpedantic -Werror "$here/main.cpp" -o "$out/consumer" \
    $flags && "$out/consumer" && links_no_openssl "$out/consumer"
}

rm -rf "$out/root"
way "no TLS: install" install_here
way "no TLS: nothing installed asks for OpenSSL" installed
way "no TLS: a consumer by pkg-config" consumer

exit $failed
