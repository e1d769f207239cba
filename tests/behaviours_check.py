#!/usr/bin/env python3
"""Checks that each behaviour of asyncio that sheaf follows has a row and a test.

    tests/behaviours_check.py            fails if an id lacks a row, a row lacks its test, or
                                         docs/behaviours.md is not what the rows and tests say
    tests/behaviours_check.py --write    writes docs/behaviours.md anew

The rows are in tests/behaviours.tsv: id, status, rule, note. A status is

    kept        as asyncio does it; a test carries the id in its name or tags
    differs     not as asyncio, on purpose: the note says how and why; a test pins it
    impossible  a type rules it out in C++: the note says which, and a static_assert under
                tests/ carries the id, in its message or in the comment above it
    other       belongs to something that sheaf has not: the note says what
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS = ROOT / "tests" / "behaviours.tsv"
PAGE = ROOT / "docs" / "behaviours.md"
STATUSES = ("kept", "differs", "impossible", "other")

# How many behaviours each group has, so that none is left out by leaving out its row.
GROUPS = {
    "LOOP": ("Event loop: scheduling, timers, errors, life cycle", 34),
    "FUT": ("Futures", 24),
    "TASK": ("Tasks, and how coroutines run", 19),
    "CANCEL": ("Cancellation", 22),
    "GATHER": ("gather", 20),
    "WAIT": ("wait", 14),
    "ASC": ("as_completed", 15),
    "SLEEP": ("sleep", 5),
    "WAITFOR": ("wait_for", 14),
    "TIMEOUT": ("timeout", 19),
    "SHIELD": ("shield", 8),
    "TG": ("task_group", 23),
    "LOCK": ("mutex", 8),
    "EVENT": ("event", 5),
    "COND": ("condition", 12),
    "SEM": ("semaphore, bounded_semaphore", 9),
    "BARRIER": ("barrier", 12),
    "QUEUE": ("queue, priority_queue, lifo_queue", 18),
    "RUN": ("run and runner", 14),
    "THREAD": ("Threads and executors", 13),
    "DEBUG": ("Debug mode and reports", 11),
    "STREAM": ("Streams and servers", 36),
    "PROC": ("Subprocesses", 17),
    "SIGNAL": ("Signals", 7),
}
ID = re.compile(r"\b(%s)-(\d+)\b" % "|".join(GROUPS))
CASE = re.compile(r"\b(?:TEST_CASE|TEMPLATE_TEST_CASE|SECTION)\s*\(((?:[^()\"]|\"(?:[^\"\\]|\\.)*\")*)")
ASSERT = re.compile(r"((?:^[ \t]*//[^\n]*\n)*)^[ \t]*static_assert\s*\((.*?)\);", re.M | re.S)
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')

HEAD = """# Behaviours

What asyncio does, rule by rule, and what sheaf does: <!-- counts -->. The ids are those
that tests carry in their names (`{example}`); this page is written by
`tests/behaviours_check.py --write`, which also fails the build when a rule has no test.

"""


def ids_in(text):
    return {m.group(0) for m in ID.finditer(text)}


def read_rows(problems):
    rows = {}
    for number, line in enumerate(ROWS.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        cells = line.split("\t")
        where = f"{ROWS.name}:{number}"
        if len(cells) != 4:
            problems.append(f"{where}: {len(cells)} cells, expected id, status, rule, note")
            continue
        key, status, rule, note = (c.strip() for c in cells)
        if not ID.fullmatch(key):
            problems.append(f"{where}: {key} is no id of a known group")
        if key in rows:
            problems.append(f"{where}: {key} has a row already")
        if status not in STATUSES:
            problems.append(f"{where}: {key}: status {status} is none of {', '.join(STATUSES)}")
        if status != "kept" and not note:
            problems.append(f"{where}: {key}: {status} needs a note that says why")
        if not rule:
            problems.append(f"{where}: {key} has no rule")
        rows[key] = (status, rule, note)
    return rows


def read_tests():
    """id -> files of tests that carry it; id -> files of static_asserts that do."""
    cases, asserts = defaultdict(set), defaultdict(set)
    for file in sorted((ROOT / "tests").rglob("*.cpp")):
        text = file.read_text()
        name = file.relative_to(ROOT / "tests").as_posix()
        for m in CASE.finditer(text):
            for key in ids_in("".join(LITERAL.findall(m.group(1)))):
                cases[key].add(name)
        for m in ASSERT.finditer(text):
            for key in ids_in(m.group(1) + m.group(2)):
                asserts[key].add(name)
    return cases, asserts


def check(rows, cases, asserts, problems):
    for group, (_, count) in GROUPS.items():
        for n in range(1, count + 1):
            if f"{group}-{n}" not in rows:
                problems.append(f"{ROWS.name}: {group}-{n} has no row")
    for key, (status, _, _) in rows.items():
        if status in ("kept", "differs") and key not in cases:
            problems.append(f"{key} is {status}, but no test carries it")
        if status == "impossible" and key not in asserts:
            problems.append(f"{key} is impossible, but no static_assert under tests/ carries it")
    for key in sorted(set(cases) | set(asserts)):
        if key not in rows:
            problems.append(f"{key} is in a test, but has no row")


def page(rows, cases, asserts):
    by_status = {s: sum(1 for r in rows.values() if r[0] == s) for s in STATUSES}
    counts = (f"{by_status['kept']} kept, {by_status['differs']} different on purpose, "
              f"{by_status['impossible']} ruled out by a type, "
              f"{by_status['other']} of things that sheaf has not")
    text = HEAD.replace("<!-- counts -->", counts).replace("{example}", "GATHER-7")
    for group, (title, count) in GROUPS.items():
        text += f"## {group}: {title}\n\n| id | rule of asyncio | here | tested in |\n|---|---|---|---|\n"
        for n in range(1, count + 1):
            key = f"{group}-{n}"
            if key not in rows:
                continue
            status, rule, note = rows[key]
            files = sorted(asserts[key] if status == "impossible" else cases[key])
            here = status if not note else f"{status}: {note}"
            text += f"| {key} | {rule} | {here} | {' '.join(f'`{f}`' for f in files)} |\n"
        text += "\n"
    return text.rstrip("\n") + "\n"


def main():
    problems = []
    rows = read_rows(problems)
    cases, asserts = read_tests()
    check(rows, cases, asserts, problems)
    wanted = page(rows, cases, asserts)
    if "--write" in sys.argv[1:]:
        PAGE.write_text(wanted)
    elif not PAGE.exists() or PAGE.read_text() != wanted:
        problems.append("docs/behaviours.md is out of date: tests/behaviours_check.py --write")
    for line in problems:
        print(line)
    print(f"behaviours: {len(rows)} rows, {len(problems)} problem(s)")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
