#!/usr/bin/env python3
"""Checks docs/libuv.md against the installed uv.h and against the headers of runtime/.

Every public function has one row; what a row names of ours exists, and is the caller of that
function, or the row tells why not; a row without anything of ours gives a reason. The note of
a function that 1.44 has not begins with the version that brought it, "since 1.NN": an older
uv.h must not have it, and a newer one must.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "libuv.md"
RUNTIME = ROOT / "runtime" / "sheaf" / "runtime"

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.)*(?:\\\n(?:[^\n\\]|\\.)*)*", re.M)
DECLARED = re.compile(r"UV_EXTERN\b[^;()]*?\b(uv_\w+)\s*\(")
ROW = re.compile(r"^\| `(uv_\w+)` \| (.*?) \| (.*?) ?\|$", re.M)
SINCE = re.compile(r"^since 1\.(\d+)")
OURS = re.compile(r"`([\w:]+)`")


def include_folder():
    """Where uv.h is, from pkg-config; the system's folder without it."""
    try:
        ask = ["pkg-config", "--variable=includedir", "libuv"]
        folder = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        folder = ""
    return Path(folder or "/usr/include")


def public_functions(folder):
    text = DIRECTIVE.sub("", COMMENT.sub("", (folder / "uv.h").read_text()))
    return set(DECLARED.findall(text))


def minor_version(folder):
    text = (folder / "uv" / "version.h").read_text()
    return int(re.search(r"#define UV_VERSION_MINOR (\d+)", text)[1])


def declarations():
    """The code of each public header of runtime/, without comments."""
    headers = [path for path in RUNTIME.glob("*.hpp")]
    return [COMMENT.sub("", path.read_text()) for path in headers]


def exists(name, headers):
    """Whether a header declares it: as a type or function, or a member of one that it declares."""
    scope, _, member = name.rpartition("::")
    scope = scope.rpartition("::")[2]
    own = rf"\b(?:class|struct|namespace|enum class) {member}\b|\b{member}\("
    for code in headers:
        if not scope and re.search(own, code):
            return True
        inside = re.search(
            rf"\b(?:class|struct|namespace) (?:\[\[.*?\]\] )?{scope}\b[^;]*\{{", code)
        if scope and inside and re.search(rf"\b{member}\b", code[inside.end() :]):
            return True
    return False


def main():
    folder = include_folder()
    if not (folder / "uv.h").is_file():
        print(f"libuv: skipped, no uv.h in {folder}")
        return 0
    declared, minor, headers = public_functions(folder), minor_version(folder), declarations()
    called = "".join(COMMENT.sub("", p.read_text()) for p in RUNTIME.rglob("*.[ch]pp"))
    rows = ROW.findall(PAGE.read_text())
    problems = []

    names = [name for name, _, _ in rows]
    for name in sorted(declared - set(names)):
        problems.append(f"{name} has no row")
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"{name} has more than one row")

    for name, ours, note in rows:
        since = SINCE.search(note)
        newer = since is not None and int(since[1]) > minor
        if newer == (name in declared):
            problems.append(f"{name} is {'' if newer else 'not '}in uv.h 1.{minor}")
        if ours == "-":
            if not note:
                problems.append(f"{name} is not wrapped, and no reason is given")
            continue
        if not OURS.search(ours):
            problems.append(f"{name}: neither a name of ours nor -")
        for symbol in OURS.findall(ours):
            if not exists(symbol, headers):
                problems.append(f"{name}: there is no {symbol} in runtime/")
        if not note and not re.search(rf"\b{name}\b", called):
            problems.append(f"{name}: runtime/ does not use it, and the row does not say why")

    for problem in problems:
        print(f"{PAGE.name}: {problem}")
    print(f"libuv: {len(declared)} functions of uv.h 1.{minor}, {len(problems)} problem(s)")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
