#!/usr/bin/env python3
"""Runs an example and compares its whole standard output: EXE EXPECTED_FILE [ARG...]."""

import difflib
import subprocess
import sys


def main():
    exe, expected_file, *args = sys.argv[1:]
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
    if run.returncode != 0:
        print(f"the output is right, but it ended with {run.returncode}")
        return 1
    return 0


sys.exit(main())
