#!/usr/bin/env python3
"""The rules of the house that a compiler does not see.

runtime/ knows no coroutine and nothing of api/, api/ calls no uv_ function, files stay
small, and every source and header is named in its meson.build.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("runtime", "api")
HEADER_LINES = 300
SOURCE_LINES = 450

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.S)
PRIVATE = re.compile(r"_private_headers = files\((.*?)\)", re.S)
NAME = re.compile(r"^\s*'([^']+\.[ch]pp)'", re.M)
INCLUDE = re.compile(r"^\s*#\s*include\s*[<\"]([^>\"]+)[>\"]", re.M)
# uv_error and uv_category are ours.
UV_CALL = re.compile(r"\buv_(?!error\b|category\b)\w+\s*\(")


def code_of(text):
    """The text without comments and strings, its lines kept."""
    return COMMENT.sub(lambda m: "\n" * m[0].count("\n"), text)


def private_headers():
    """uv.h, and what no header that is installed may include."""
    builds = [(ROOT / layer / "meson.build").read_text() for layer in LAYERS]
    lists = [block for build in builds for block in PRIVATE.findall(build)]
    return {"uv.h", "nlohmann/json.hpp"}.union(*(NAME.findall(block) for block in lists))


def check_layer(layer, private, problems):
    root = ROOT / layer
    listed = set(NAME.findall((root / "meson.build").read_text()))
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*.[ch]pp")}

    for name in sorted(found.keys() - listed):
        problems.append(f"{layer}/{name}: not named in {layer}/meson.build")

    for name, path in sorted(found.items()):
        text = path.read_text()
        lines = text.count("\n")
        limit = HEADER_LINES if name.endswith(".hpp") else SOURCE_LINES
        if lines > limit:
            problems.append(f"{layer}/{name}: {lines} lines, the limit is {limit}")
        for include in INCLUDE.findall(text):
            if layer == "runtime":
                if include == "coroutine":
                    problems.append(f"{layer}/{name}: runtime/ knows no <coroutine>")
                if include.startswith("sheaf/") and not include.startswith("sheaf/runtime/"):
                    problems.append(f"{layer}/{name}: runtime/ includes <{include}>")
            elif include in ("uv.h", "sheaf/runtime/detail/uv.hpp"):
                problems.append(f"{layer}/{name}: api/ includes <{include}>")
            if name.endswith(".hpp") and include in private and name not in private:
                problems.append(f"{layer}/{name}: a public header includes <{include}>")
        if layer == "api":
            code = code_of(text)
            for call in UV_CALL.finditer(code):
                line = code.count("\n", 0, call.start()) + 1
                problems.append(f"{layer}/{name}:{line}: api/ calls {call[0]}...)")


def main():
    problems, private = [], private_headers()
    for layer in LAYERS:
        check_layer(layer, private, problems)
    for problem in problems:
        print(problem)
    print(f"border: {len(problems)} problem(s)")
    return 1 if problems else 0


sys.exit(main())
