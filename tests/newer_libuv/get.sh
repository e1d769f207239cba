#!/usr/bin/env bash
# get.sh FOLDER: the libuv of the Debian release after this one, built static in FOLDER/prefix.
# Its source comes by apt, from where this machine's packages come, with lists and a cache of
# its own in FOLDER. Where it cannot be had the last line says why, and the status is 3.
set -euo pipefail

folder=$(mkdir -p "$1" && cd "$1" && pwd)
prefix=$folder/prefix

give_up() { echo "$*"; exit 3; }
have() { command -v "$1" >/dev/null 2>&1; }

codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null; }

next_of() {
  case $1 in
    bookworm) echo trixie ;;
    trixie) echo forky ;;
  esac
}

# source_lines SUITE NEXT: a deb-src line of NEXT for each place that this machine has SUITE from.
source_lines() {
  awk -v suite="$1" -v next_suite="$2" '
    function line(where, key) {
      print "deb-src " (key ? "[signed-by=" key "] " : "") where " " next_suite " main"
    }
    function stanza() {
      if ((" " suites " ") ~ (" " suite " ") && uri && !off) line(uri, key)
      suites = uri = key = off = ""
    }
    FNR == 1 { stanza() }
    FILENAME ~ /\.sources$/ {
      if ($0 ~ /^[[:space:]]*$/) stanza()
      else if (/^URIs:/) uri = $2
      else if (/^Suites:/) { sub(/^Suites:[[:space:]]*/, ""); suites = $0 }
      else if (/^Signed-By:/) key = $2
      else if (/^Enabled:[[:space:]]*no/) off = 1
      next
    }
    $1 == "deb" {
      sub(/^deb[[:space:]]+/, "")
      if (match($0, /signed-by=[^] ]*/)) key = substr($0, RSTART + 10, RLENGTH - 10)
      sub(/^\[[^]]*\][[:space:]]*/, "")
      if ($2 == suite) line($1, key)
      key = ""
    }
    END { stanza() }
  ' "${@:3}" </dev/null | sort -u
}

lists() { find /etc/apt \( -name '*.list' -o -name '*.sources' \) -type f 2>/dev/null | sort; }

apt() {
  apt-get -qq -o Dir::Etc::sourcelist="$folder/apt.list" -o Dir::Etc::sourceparts=- \
    -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache" \
    -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

fetch() {
  local here next
  here=$(codename)
  next=$(next_of "$here")
  [ -n "$next" ] || give_up "no release after '$here' is known"
  # shellcheck disable=SC2046  # one name a line, without spaces
  source_lines "$here" "$next" $(lists) >"$folder/apt.list"
  [ -s "$folder/apt.list" ] || give_up "apt has no source of $here here"
  mkdir -p "$folder"/{lists,cache/archives}/partial
  apt update || give_up "apt has no list of $next"
  rm -f "$folder"/libuv1_*
  (cd "$folder" && apt source --download-only libuv1) || give_up "apt has no libuv of $next"
}

make() {
  rm -rf "$folder/source" "$folder/build" "$prefix"
  mkdir "$folder/source"
  tar -xf "$folder"/libuv1_*.orig.tar.* -C "$folder/source" --strip-components=1
  cmake -S "$folder/source" -B "$folder/build" -DCMAKE_INSTALL_PREFIX="$prefix" \
    -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
    -DLIBUV_BUILD_SHARED=OFF
  cmake --build "$folder/build" --parallel "$(nproc)"
  cmake --install "$folder/build"
  cp "$prefix/lib/pkgconfig/libuv-static.pc" "$prefix/lib/pkgconfig/libuv.pc"
}

[ ! -f "$prefix/lib/pkgconfig/libuv.pc" ] || exit 0
have apt-get || give_up "there is no apt-get here"
have cmake || give_up "cmake is not installed"
fetch
make
