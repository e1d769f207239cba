#!/usr/bin/env python3
"""Runs programs.py and the program named, and fails if they print different lines."""

import difflib
import subprocess
import sys
from pathlib import Path

if sys.version_info < (3, 11):
    print("skipped: asyncio's task groups and timeouts came with Python 3.11")
    sys.exit(77)


def lines_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          timeout=120).stdout.splitlines()


python = lines_of(sys.executable, str(Path(__file__).with_name("programs.py")))
ours = lines_of(sys.argv[1])
difference = list(difflib.unified_diff(python, ours, "asyncio", "sheaf", lineterm=""))
print("\n".join(difference) or f"{len(ours)} lines, the same")
sys.exit(1 if difference or not ours else 0)
