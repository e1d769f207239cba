#!/usr/bin/env python3
"""Checks that docs/asyncio.md has a row for each public name of this Python's asyncio, and
of the versions from 3.11 to 3.14."""

import asyncio
import re
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "asyncio.md"

# What versions after 3.11 added, so that the check is the same with any Python.
LATER = """
EventLoop FrameCallGraphEntry FutureCallGraph ProactorEventLoop QueueShutDown Runner TaskGroup
capture_call_graph create_eager_task_factory eager_task_factory format_call_graph
future_add_to_awaited_by future_discard_from_awaited_by print_call_graph
""".split()


def main():
    section = PAGE.read_text().split("## Every public name", 1)
    if len(section) != 2:
        print(f"{PAGE.name}: no section '## Every public name'")
        return 1
    rows = set(re.findall(r"^\| `(\w+)` \|", section[1], re.M))
    names = {n for n in asyncio.__all__ if not n.startswith("_")} | set(LATER)
    missing = sorted(names - rows)
    for name in missing:
        print(f"{PAGE.name}: asyncio.{name} has no row")
    print(f"asyncio names: {len(names)} names, {len(missing)} problem(s)")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
