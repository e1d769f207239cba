#!/usr/bin/env python3
"""asyncio_baseline.py WORKLOAD N [REPS]: the workloads of sheaf-bench on asyncio.

One line of JSON; exit code 3 for a workload it does not have.
"""

import asyncio
import itertools
import json
import sys
import threading
import time

LIMITS = (30, 60, 10, 5, 120)  # seconds, none of which passes


def status_bytes(field):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


class Meter:
    """The time of the work alone, and the growth of the peak of resident memory."""

    def __init__(self):
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # forget the peak so far
        except OSError:
            pass
        self.base = status_bytes("VmRSS:")

    def __enter__(self):
        self.wall, self.cpu = time.perf_counter_ns(), time.process_time_ns()

    def __exit__(self, *_):
        self.wall = time.perf_counter_ns() - self.wall
        self.cpu = time.process_time_ns() - self.cpu
        self.rss = max(0, status_bytes("VmHWM:") - self.base)


def delays():
    seed = 12345
    while True:
        seed = (seed * 1664525 + 1013904223) % 2**32
        yield (1 + (seed >> 8) % 100) / 1000


async def ready(i):
    await asyncio.sleep(0)
    return i


async def done(i):
    return i


async def sleeper(seconds, i):
    await asyncio.sleep(seconds)
    return i


def sleepers(n):
    return [sleeper(seconds, i) for i, seconds in zip(range(n), delays())]


async def gather_often(job, n, reps):
    total = 0
    for _ in range(reps):
        results = await asyncio.gather(*map(job, range(n)))
        assert results[0] == 0 and results[-1] == n - 1
        total += sum(results)
    return total


async def measure_gather(meter, job, n, reps):
    await gather_often(job, n if reps > 1 else min(n, 10000), max(1, reps // 10))
    with meter:
        return await gather_often(job, n, reps)


async def gather_ready(meter, n, reps):
    return await measure_gather(meter, ready, n, reps)


async def gather_done(meter, n, reps):
    return await measure_gather(meter, done, n, reps)


async def gather_sleep(meter, n, _):
    with meter:
        return sum(await asyncio.gather(*sleepers(n)))


async def as_completed(meter, n, _):
    with meter:
        return sum([await each for each in asyncio.as_completed(sleepers(n))])


async def wait_until_empty(pending, before_round=lambda: None):
    check = 0
    while pending:
        before_round()
        ended, pending = await asyncio.wait(
            pending, return_when=asyncio.FIRST_COMPLETED
        )
        check += sum(task.result() for task in ended)
    return check


async def wait_first(meter, n, _):
    with meter:
        return await wait_until_empty({asyncio.create_task(c) for c in sleepers(n)})


async def value_of(future):
    return await future


async def wait_seq(meter, n, _):
    loop = asyncio.get_running_loop()
    with meter:
        futures = [loop.create_future() for _ in range(n)]
        tasks = {asyncio.create_task(value_of(f)) for f in futures}
        await asyncio.sleep(0)
        rounds = enumerate(futures)

        def settle_one():
            i, future = next(rounds)
            future.set_result(i)

        return await wait_until_empty(tasks, settle_one)


async def spawn_and_await(n):
    total = 0
    for i in range(n):
        total += await asyncio.create_task(done(i))
    return total


async def spawn_await(meter, n, _):
    await spawn_and_await(10000)
    with meter:
        return await spawn_and_await(n)


async def add(total, i):
    total[0] += i


async def group_spawn(meter, n, reps):
    total = [0]
    with meter:
        for _ in range(reps):
            async with asyncio.TaskGroup() as group:
                for i in range(n):
                    group.create_task(add(total, i))
    return total[0]


async def descend(depth):
    if depth == 0:
        await asyncio.sleep(0)
        return 0
    return await descend(depth - 1) + 1


async def await_chain(meter, n, reps):
    with meter:
        for _ in range(reps):
            levels = await descend(n)
    return levels


async def run_batches(n):
    loop = asyncio.get_running_loop()
    finished = loop.create_future()
    count = itertools.count()

    def next_batch(left):
        if left == 0:
            finished.set_result(next(count))
            return
        k = min(left, 1000)
        for _ in range(k):
            loop.call_soon(count.__next__)
        loop.call_soon(next_batch, left - k)

    next_batch(n)
    return await finished


async def call_soon(meter, n, _):
    await run_batches(10000)
    with meter:
        return await run_batches(n)


def never():
    sys.exit("a timer fired")


async def timer_churn(meter, n, _):
    loop = asyncio.get_running_loop()
    live, cancelled = [None] * min(n, 10000), 0
    with meter:
        for i in range(n):
            slot = i % 10000
            if live[slot]:
                live[slot].cancel()
                cancelled += 1
            live[slot] = loop.call_later(LIMITS[i % 5], never)
            if i % 1000 == 999:
                await asyncio.sleep(0)
        for timer in live:
            timer.cancel()
            cancelled += 1
        await asyncio.sleep(0)
    return cancelled


async def cancel_all(meter, n, _):
    cancelled = 0

    async def sleep_an_hour():
        nonlocal cancelled
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled += 1
            raise

    with meter:
        everything = asyncio.gather(
            *(sleep_an_hour() for _ in range(n)), return_exceptions=True
        )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        everything.cancel()
        try:
            await everything
        except asyncio.CancelledError:
            pass
    return cancelled


async def post_threadsafe(meter, n, _):
    loop = asyncio.get_running_loop()
    finished = loop.create_future()
    count = 0

    def arrive():
        nonlocal count
        count += 1
        if count == n:
            finished.set_result(None)

    def post():
        for _ in range(n):
            loop.call_soon_threadsafe(arrive)

    with meter:
        poster = threading.Thread(target=post)
        poster.start()
        await finished
        poster.join()
    return count


WORKLOADS = {
    f.__name__: f
    for f in (
        gather_ready, gather_done, gather_sleep, as_completed, wait_first, wait_seq,
        spawn_await, group_spawn, await_chain, call_soon, timer_churn, cancel_all, post_threadsafe,
    )
}  # fmt: skip


def measure(name, n, reps):
    meter = Meter()
    check = asyncio.run(WORKLOADS[name](meter, n, reps))
    ops = n * reps
    line = {
        "peer": "asyncio",
        "workload": name,
        "n": n,
        "reps": reps,
        "wall_ns_per_op": round(meter.wall / ops, 3),
        "cpu_ns_per_op": round(meter.cpu / ops, 3),
        "rss_bytes_per_op": round(meter.rss / n, 1),
        "check": check,
    }
    print(json.dumps(line), flush=True)


def main():
    name, n = sys.argv[1], int(sys.argv[2])
    reps = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if name not in WORKLOADS:
        sys.exit(3)
    if name != "await_chain":
        return measure(name, n, reps)
    # With the defaults Python gives up at about a thousand levels.
    sys.setrecursionlimit(n + 1000)
    threading.stack_size(1 << 30)
    thread = threading.Thread(target=measure, args=(name, n, reps))
    thread.start()
    thread.join()


main()
