#!/usr/bin/env bash
# Loads trace files the way their viewers do, without a browser:
#
#   tests/trace/check.sh FILE...
#
#   SHEAF_NPM_DIR=DIR    where the npm packages are installed, once   (build/npm)
#   SHEAF_TOOL=PROGRAM   the sheaf command; `trace check` runs too    (none)
#
# Fails on any warning of catapult's importer, on slices or arrows that it does not show, and
# on what the JSON schema refuses. Says SKIPPED and exits 77 where npm cannot give the packages.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
packages=${SHEAF_NPM_DIR:-$root/build/npm}

skip() { echo "SKIPPED: $*"; exit 77; }

if [ $# -eq 0 ]; then
  echo "usage: $0 FILE..." >&2
  exit 2
fi

command -v node >/dev/null || skip "no node"

if [ ! -d "$packages/node_modules/traceviewer" ] || [ ! -d "$packages/node_modules/ajv" ]; then
  command -v npm >/dev/null || skip "no npm"
  mkdir -p "$packages"
  npm install --silent --no-audit --no-fund --prefix "$packages" \
    traceviewer@1.0.11 ajv@8 >"$packages/install.log" 2>&1 ||
    skip "npm cannot install traceviewer and ajv, see $packages/install.log"
fi

if [ -n "${SHEAF_TOOL:-}" ]; then
  "$SHEAF_TOOL" trace check "$@"
fi

node "$here/import.cjs" "$packages/node_modules" \
  "$root/tools/schema/sheaf-trace.schema.json" "$@"
