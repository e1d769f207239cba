#!/usr/bin/env python3
"""Checks the documentation: relative links resolve, and C++ snippets are compiled code.

A ```cpp or ```python block says above itself where it comes from, and has to be found there,
whatever the indentation; a line that is only `// ...` skips any number of lines:

    <!-- from examples/gather.cpp -->

A block that nothing compiles (a signature, a mistake shown on purpose) says so instead:

    <!-- not compiled: shows what g++ 12 gets wrong -->
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
SOURCE = re.compile(r"<!--\s*from\s+(\S+?)\s*-->")
EXCUSE = re.compile(r"<!--\s*not compiled:\s*\S.*-->")
FENCE = re.compile(r"^(\s*)(```+|~~~+)\s*(\w*)")
GAP = "// ..."


def pages():
    yield from sorted(ROOT.glob("*.md"))
    for folder in ("docs", "examples", "bench", "tools"):
        yield from sorted((ROOT / folder).rglob("*.md"))


def anchor(heading):
    """The anchor GitHub gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[^\w\- ]", "", text.replace("`", "").strip().lower())
    return text.replace(" ", "-")


def split(text):
    """(prose lines by number, snippets as (line, language, comment above, code lines))."""
    prose, snippets, above, fence = [], [], "", None
    for number, line in enumerate(text.splitlines(), 1):
        match = FENCE.match(line)
        if fence is None and match:
            fence = match[2]
            snippets.append((number, match[3], above, []))
        elif fence is not None and match and match[2].startswith(fence) and not match[3]:
            fence, above = None, ""
        elif fence is not None:
            snippets[-1][3].append(line)
        else:
            prose.append((number, re.sub(r"`[^`]*`", "", line)))
            if line.strip():
                above = line
    return prose, snippets


def anchors_of(path):
    prose, _ = split(path.read_text())
    raw = path.read_text().splitlines()
    return {anchor(raw[n - 1].lstrip("#")) for n, line in prose if line.startswith("#")}


def check_links(page, prose, problems):
    where = page.relative_to(ROOT)
    for number, line in prose:
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, fragment = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            if not path.exists():
                problems.append(f"{where}:{number}: no such file: {target}")
            elif fragment and path.suffix == ".md" and fragment not in anchors_of(path):
                problems.append(f"{where}:{number}: no such heading: {target}")


def found_in(snippet, source):
    """Whether the lines stand in the source, in order, each part between gaps unbroken."""
    strip = lambda lines: [s for s in (line.strip() for line in lines) if s]
    lines, at = strip(source), 0
    parts, part = [], []
    for line in strip(snippet) + [GAP]:
        if line == GAP:
            parts, part = parts + [part] if part else parts, []
        else:
            part.append(line)
    for part in parts:
        while lines[at : at + len(part)] != part:
            at += 1
            if at > len(lines):
                return False
        at += len(part)
    return True


def check_snippets(page, snippets, problems):
    where = page.relative_to(ROOT)
    for number, language, above, code in snippets:
        if language not in ("cpp", "python") or EXCUSE.search(above):
            continue
        source = SOURCE.search(above)
        if not source:
            problems.append(f"{where}:{number}: a snippet without `<!-- from FILE -->`")
        elif not (ROOT / source[1]).is_file():
            problems.append(f"{where}:{number}: no such file: {source[1]}")
        elif not found_in(code, (ROOT / source[1]).read_text().splitlines()):
            problems.append(f"{where}:{number}: differs from {source[1]}")


def main():
    problems, count = [], 0
    for page in pages():
        prose, snippets = split(page.read_text())
        check_links(page, prose, problems)
        check_snippets(page, snippets, problems)
        count += 1
    for problem in problems:
        print(problem)
    print(f"docs: {count} page(s), {len(problems)} problem(s)")
    return 1 if problems else 0


sys.exit(main())
