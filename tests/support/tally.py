#!/usr/bin/env python3
"""Counts what meson's test logs hold: `tally.py LOG.json...` prints PASSED FAILED SKIPPED.

A Catch2 program counts once for each of its test cases, every other test once.
"""

import json
import re
import sys

CATCH_ALL = re.compile(r"^All tests passed \(.* in (\d+) test cases?\)$", re.M)
CATCH_CASES = re.compile(r"^test cases:\s+(\d+)((?:\s*\|\s*\d+ [a-z ]+)*)$", re.M)
CATCH_PART = re.compile(r"(\d+) ([a-z ]+)")
CATCH_NONE = re.compile(r"^No tests? (ran|cases matched)", re.M)
SKIPPED = re.compile(r"^SKIPPED: ", re.M)


def catch_cases(text):
    """(passed, failed, skipped) of a Catch2 run, or None when it printed no summary."""
    if match := CATCH_ALL.search(text):
        skipped = len(SKIPPED.findall(text))  # Catch2 2 has no word for it
        return max(int(match[1]) - skipped, 0), 0, skipped
    if match := CATCH_CASES.search(text):
        parts = {what.strip(): int(n) for n, what in CATCH_PART.findall(match[2])}
        failed, skipped = parts.get("failed", 0), parts.get("skipped", 0)
        return int(match[1]) - failed - skipped, failed, skipped
    if CATCH_NONE.search(text):
        return 0, 1, 0  # a test program without tests is a mistake
    return None


def count(run):
    ok = run["result"] in ("OK", "EXPECTEDFAIL")
    if run["result"] == "SKIP":
        return 0, 0, 1
    passed, failed, skipped = catch_cases(run.get("stdout", "")) or (int(ok), 0, 0)
    if not ok and failed == 0:  # a crash, a timeout, a sanitizer's report at exit
        failed = 1
    return passed, failed, skipped


def main():
    total = [0, 0, 0]
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                total = [a + b for a, b in zip(total, count(json.loads(line)))]
    print(*total)


main()
