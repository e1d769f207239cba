#!/usr/bin/env python3
"""Runs an example and compares its whole standard output and its exit status.

run_example.py [--status N] EXE EXPECTED_FILE [ARG...]
"""

import difflib
import subprocess
import sys


def main():
    words, status = sys.argv[1:], 0
    if words[0] == "--status":
        status, words = int(words[1]), words[2:]
    exe, expected_file, *args = words
    run = subprocess.run([exe, *args], stdout=subprocess.PIPE)
    with open(expected_file, "rb") as file:
        expected = file.read()
    if run.stdout != expected:
        sys.stdout.writelines(
            difflib.unified_diff(
                expected.decode("utf-8", "replace").splitlines(keepends=True),
                run.stdout.decode("utf-8", "replace").splitlines(keepends=True),
                expected_file,
                "what it printed",
            )
        )
        return 1
    if run.returncode != status:
        print(f"the output is right, but it ended with {run.returncode}")
        return 1
    return 0


sys.exit(main())
