"""The left side of docs/asyncio.md, "Side by side": prints what programs.cpp prints."""

import asyncio
from contextvars import ContextVar


async def fetch(name, delay=0.01):
    await asyncio.sleep(delay)
    return f"page of {name}"


async def refuse(name):
    await asyncio.sleep(0.01)
    raise ConnectionError(f"{name} refused")


async def results_in_order():
    a, b = await asyncio.gather(fetch("a", 0.02), fetch("b"))
    print(a, b)
    for page in await asyncio.gather(fetch("c"), refuse("d"), return_exceptions=True):
        print("failed" if isinstance(page, Exception) else page)


async def tasks():
    task = asyncio.create_task(fetch("a"), name="fetcher")
    print(task.get_name(), task.done())
    print(await task)


async def as_they_complete():
    for next_one in asyncio.as_completed([fetch("slow", 0.03), fetch("fast")]):
        print(await next_one)


async def whoever_is_first():
    tasks = {asyncio.create_task(fetch("slow", 3600)), asyncio.create_task(fetch("fast"))}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    print(done.pop().result(), len(pending))


async def time_limits():
    try:
        await asyncio.wait_for(fetch("slow", 3600), 0.01)
    except TimeoutError:
        print("too slow")
    try:
        async with asyncio.timeout(0.01):
            await fetch("slow", 3600)
    except TimeoutError:
        print("too slow again")


async def shielded():
    save = asyncio.create_task(fetch("saved", 0.02))
    try:
        await asyncio.wait_for(asyncio.shield(save), 0.01)
    except TimeoutError:
        print("not waiting for it")
    print(await save)


async def groups():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fetch("a", 3600))
            group.create_task(refuse("b"))
    except* ConnectionError as failed:
        print(failed.exceptions[0])


async def cancelling():
    async def worker():
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            print("cleaning up")
            raise

    task = asyncio.create_task(worker())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")


async def locks_and_events():
    lock, ready, room = asyncio.Lock(), asyncio.Event(), asyncio.Semaphore(2)

    async def worker():
        await ready.wait()
        async with room, lock:
            print("one at a time", lock.locked())

    task = asyncio.create_task(worker())
    ready.set()
    await task


async def queues():
    queue = asyncio.Queue(1)

    async def produce():
        for i in range(3):
            await queue.put(i)

    producer = asyncio.create_task(produce())
    for _ in range(3):
        print(await queue.get())
        queue.task_done()
    await queue.join()
    await producer


async def generators():
    async def count(to):
        for i in range(to):
            await asyncio.sleep(0.001)
            yield i

    async for i in count(3):
        print(i)


async def threads():
    def blocking(a, b):
        return a * b

    print(await asyncio.to_thread(blocking, 6, 7))


user = ContextVar("user", default="nobody")


async def context():
    async def who():
        return user.get()

    user.set("ada")
    task = asyncio.create_task(who())
    user.set("bob")
    print(await task, user.get())


async def callbacks():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_later(0.01, future.set_result, "a result")
    future.add_done_callback(lambda f: print("done:", f.result()))
    print(await future)


async def main():
    for program in (results_in_order, tasks, as_they_complete, whoever_is_first, time_limits,
                    shielded, groups, cancelling, locks_and_events, queues, generators,
                    threads, context, callbacks):
        print("#", program.__name__)
        await program()


asyncio.run(main())
