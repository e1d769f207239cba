#!/usr/bin/env python3
"""Runs a program with SHEAF_TRACE and checks the file: CHECK TOOL PROGRAM [ARG...]."""

import os
import subprocess
import sys
import tempfile


def main():
    check, tool, *program = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "trace.json")
        run = subprocess.run(
            program, stdout=subprocess.DEVNULL, env={**os.environ, "SHEAF_TRACE": trace}
        )
        if run.returncode != 0:
            print(f"{program[0]} ended with {run.returncode}")
            return 1
        if not os.path.exists(trace):
            print(f"{program[0]} wrote no trace")
            return 1
        return subprocess.run(
            [check, trace], env={**os.environ, "SHEAF_TOOL": tool}
        ).returncode


sys.exit(main())
