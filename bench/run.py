#!/usr/bin/env python3
"""Runs sheaf-bench beside libuv by hand and asyncio, and prints a table.

The programs take turns, so that whatever else the machine does meets all of them; the
figures are medians of CPU time. Each checks its own results, and this checks them again.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TIME_LIMIT = 120  # seconds, one run

# Workload, n, repetitions; then the n of --quick.
WORKLOADS = [
    ("gather_ready", 1000, 100, 1000),
    ("gather_ready", 100_000, 1, 10_000),
    ("gather_done", 1000, 100, 1000),
    ("gather_sleep", 100_000, 1, 10_000),
    ("as_completed", 100_000, 1, 10_000),
    ("wait_first", 1000, 1, 1000),
    ("wait_seq", 1000, 1, 300),
    ("spawn_await", 200_000, 1, 20_000),
    ("group_spawn", 1000, 100, 1000),
    ("group_spawn", 1_000_000, 1, 100_000),
    ("await_chain", 10_000, 20, 1000),
    ("call_soon", 1_000_000, 1, 100_000),
    ("timer_churn", 200_000, 1, 20_000),
    ("cancel_all", 20_000, 1, 2000),
    ("post_threadsafe", 200_000, 1, 20_000),
    ("offload", 100_000, 1, 10_000),
    ("queue_ping", 500_000, 1, 20_000),
]
SUMS = {"gather_ready", "gather_done", "gather_sleep", "as_completed", "wait_first",
        "wait_seq", "spawn_await", "group_spawn", "offload"}  # fmt: skip


def expected(workload, n, reps):
    if workload == "queue_ping":
        return n * (n + 1) // 2
    if workload not in SUMS:
        return n
    repeated = workload in ("gather_ready", "gather_done", "group_spawn")
    return n * (n - 1) // 2 * (reps if repeated else 1)


def run_once(command, workload, n, reps):
    """CPU ns per operation, or None where the program does not have the workload."""
    done = subprocess.run(
        [*command, workload, str(n), str(reps)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=TIME_LIMIT,
    )  # fmt: skip
    if done.returncode == 3:
        return None
    if done.returncode != 0:
        sys.exit(f"{command[-1]} {workload} {n} {reps}: {done.stderr or done.returncode}")
    line = json.loads(done.stdout)
    if line["check"] != expected(workload, n, reps):
        sys.exit(f"{command[-1]} {workload} {n} {reps}: a wrong result: {line['check']}")
    return line["cpu_ns_per_op"]


def measure(peers, workload, n, reps, repeats):
    """The median of each program that has the workload."""
    times = {name: [] for name in peers}
    for _ in range(repeats):
        for name, command in peers.items():
            time = run_once(command, workload, n, reps)
            if time is not None:
                times[name].append(time)
    return {name: statistics.median(each) for name, each in times.items() if each}


def figure(ns):
    return "-" if ns is None else f"{ns:,.0f}" if ns >= 100 else f"{ns:.1f}"


def ratio(a, b):
    return "-" if a is None or b is None else f"{a / b:.3g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run each")
    parser.add_argument("--reps", type=int, default=5, help="runs of each (default 5)")
    parser.add_argument("--only", metavar="WORKLOAD,...", help="these alone")
    parser.add_argument(
        "--build", type=Path, default=HERE.parent / "build/release", metavar="DIR",
        help="where it was built (default build/release)",
    )  # fmt: skip
    options = parser.parse_args()

    wanted = options.only.split(",") if options.only else {w[0] for w in WORKLOADS}
    unknown = set(wanted) - {w[0] for w in WORKLOADS}
    if unknown:
        parser.error(f"no workload {', '.join(sorted(unknown))}")
    peers = {
        "sheaf": [str(options.build / "bench/sheaf-bench")],
        "libuv": [str(options.build / "bench/uv-baseline")],
        "asyncio": [sys.executable, str(HERE / "asyncio_baseline.py")],
    }

    print("CPU time per operation in ns\n")
    print(f"{'workload':<26}{'sheaf':>9}{'libuv':>9}{'asyncio':>9}"
          f"{'sheaf/libuv':>13}{'asyncio/sheaf':>15}")  # fmt: skip
    for workload, n, reps, small in WORKLOADS:
        if workload not in wanted:
            continue
        n = small if options.quick else n
        ns = measure(peers, workload, n, reps, 1 if options.quick else options.reps)
        size = f"{n:,}" if reps == 1 else f"{n:,} x {reps}"
        sheaf, libuv, asyncio = (ns.get(name) for name in peers)
        print(f"{workload + ' ' + size:<26}{figure(sheaf):>9}{figure(libuv):>9}"
              f"{figure(asyncio):>9}{ratio(sheaf, libuv):>13}{ratio(asyncio, sheaf):>15}",
              flush=True)  # fmt: skip


main()
