"""examples/gateway: two hundred clients in front, back ends of every kind behind.

The back ends and the clients are asyncio's. Each kind of back end has one right outcome, so
each answer is known in full. Bytes are counted on both sides.
"""

import asyncio
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile

from harness import GUARD, Server, case, check, check_equal, guarded, main, run, until, until_open

PATIENT = 50_000  # ms: a limit that is never reached
SHORT = 150  # ms: the limit of the one that stalls


class BackEnd:
    """Counts what it reads and writes. `limit`: what the gateway is told."""

    limit = PATIENT

    def __init__(self):
        self.asked = self.read = self.written = self.open = 0
        self.errors = []

    async def start(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1_000)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        self.open += 1
        try:
            question = await reader.readline()
            if not question:
                return  # connected when the gateway had given up just now
            self.asked += 1
            self.read += len(question)
            await self.answer(question.decode().strip(), reader, writer)
        except ConnectionError:
            pass  # the gateway needs it no more
        except Exception as error:
            self.errors.append(error)
        finally:
            writer.close()
            self.open -= 1

    def send(self, writer, data):
        self.written += len(data)
        writer.write(data)

    def close(self):
        self.server.close()


class Good(BackEnd):
    async def answer(self, question, reader, writer):
        text = self.text(question)
        self.send(writer, f"{len(text)}\n{text}".encode())
        await writer.drain()

    def text(self, question):
        return f"{question} is {'good ' * (len(question) * 37 % 100)}."

    def line(self, question):
        return "ok " + self.text(question)


class Slow(Good):
    """In pieces, now and then."""

    async def answer(self, question, reader, writer):
        data = self.text(question).encode()
        self.send(writer, b"%d\n" % len(data))
        for at in range(0, len(data), 50):
            await asyncio.sleep(random.random() * 0.005)
            self.send(writer, data[at : at + 50])
        await writer.drain()


class Bad(BackEnd):
    def line(self, question):
        return "failed " + self.failure


class Stalls(Bad):
    limit = SHORT
    failure = "it took too long"

    async def answer(self, question, reader, writer):
        self.send(writer, b"100\nhalf of what")
        check_equal(await reader.read(), b"", "from a gateway that has given up")


class StallsLong(Stalls):
    limit = 2_000  # ms: longer than a busy machine takes for a good answer


class Resets(Bad):
    failure = "read: ECONNRESET: connection reset by peer"

    async def answer(self, question, reader, writer):
        s = writer.get_extra_info("socket")
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class TooLong(Bad):
    failure = "it sent more than it told"

    async def answer(self, question, reader, writer):
        self.send(writer, b"5\nmany more than five")
        await writer.drain()


class Forges(Bad):
    """Ends the gateway's answer, and begins another."""

    failure = "it sent more than a line"

    async def answer(self, question, reader, writer):
        text = b"fine\n.\n3 ok forged"
        self.send(writer, b"%d\n%s" % (len(text), text))


class TooShort(Bad):
    failure = "it sent less than it told"

    async def answer(self, question, reader, writer):
        self.send(writer, b"100\nless")
        await writer.drain()


class Endless(Bad):
    failure = "it told no good length"

    async def answer(self, question, reader, writer):
        while True:
            self.send(writer, b"9" * 1_000 + b"\n")
            await writer.drain()


class Silent(Bad):
    """Hangs up without a word."""

    failure = "it told no good length"

    async def answer(self, question, reader, writer):
        pass


class Absent(Bad):
    failure = "connect it: ECONNREFUSED: connection refused"

    async def start(self):
        await super().start()
        self.server.close()
        await self.server.wait_closed()


ALL_KINDS = (
    Slow,
    Stalls,
    Resets,
    Good,
    TooLong,
    TooShort,
    Forges,
    Endless,
    Silent,
    Absent,
)


class World:
    """A gateway and its back ends."""

    def __init__(self, kinds, trace=None):
        self.back_ends = [kind() for kind in kinds]
        self.trace = trace

    async def __aenter__(self):
        for each in self.back_ends:
            await each.start()
        program = sys.argv[1]
        ways = [f"{each.port}:{each.limit}" for each in self.back_ends]
        env = {"SHEAF_TRACE": self.trace} if self.trace else {}
        self.gateway = Server(program, 0, *ways, env=env)
        return self

    async def __aexit__(self, *_):
        for each in self.back_ends:
            each.close()
            check(not each.errors, f"{type(each).__name__}: {each.errors}")

    def check_lines(self, lines, question, what):
        """They name each back end once, with its right outcome. Gives their order."""
        order = []
        for line in lines:
            name, outcome = line.split(" ", 1)
            back_end = self.back_ends[int(name)]
            expected = back_end.line(question)
            if isinstance(back_end, Absent):  # it names the port
                outcome = re.sub(r"connect '127.0.0.1:\d+'", "connect it", outcome)
            check_equal(outcome, expected, what)
            order.append(int(name))
        return order

    def quiet(self):
        return all(each.open == 0 for each in self.back_ends)


class Client:
    """Counts what it sends and gets."""

    async def connect(self, world):
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", world.gateway.port, limit=1 << 20
        )
        self.sent = self.got = 0
        return self

    async def ask(self, command):
        """The lines of the answer."""
        self.send(command)
        return await self.answer()

    def send(self, command):
        data = command.encode() + b"\n"
        self.sent += len(data)
        self.writer.write(data)

    async def answer(self):
        lines = []
        while True:
            line = await self.reader.readline()
            check(line.endswith(b"\n"), f"the answer was cut after {lines}")
            self.got += len(line)
            if line == b".\n":
                return lines
            lines.append(line.decode()[:-1])

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()


async def ask_everyone(world, number):
    """A new client that asks for all that there is, in one way or the other."""
    client = await Client().connect(world)
    question = f"question-{number}"
    everyone = list(range(len(world.back_ends)))
    if number % 2:
        lines = await client.ask(f"all {question}")
        check_equal(world.check_lines(lines, question, "all"), everyone, "all: the order")
    else:
        lines = await client.ask(f"stream {question}")
        order = world.check_lines(lines, question, "stream")
        check_equal(sorted(order), everyone, "stream: each once")
    return client


async def ask_for_some(world, number, client):
    """The same client again, for what cuts off the losers."""
    question = f"some-{number}"
    good = [i for i, each in enumerate(world.back_ends) if isinstance(each, Good)]
    if number % 3 == 0:
        lines = await client.ask(f"quorum 2 {question}")
        order = world.check_lines(lines, question, "quorum")
        check_equal(sorted(order), good, "quorum: the two good ones")
    elif number % 3 == 1:
        lines = await client.ask(f"quorum 3 {question}")
        check(lines[0].startswith("failed ") and len(lines) == 1, f"quorum: {lines}")
    else:
        lines = await client.ask(f"hedge {question}")
        order = world.check_lines(lines, question, "hedge")
        check(len(order) == 1 and order[0] in good, f"hedge: {lines}")


async def count_bytes(world, clients, *others):
    """What the gateway has counted is what the other sides have."""
    lines = await clients[0].ask("stats")
    clients[0].got -= sum(len(line) + 1 for line in lines) + 2
    everybody = [*clients, *others]
    _, connections, read, written = lines[0].split()
    check_equal(int(connections), len(everybody), "clients")
    check_equal(int(read), sum(each.sent for each in everybody), "bytes from clients")
    check_equal(int(written), sum(each.got for each in everybody), "bytes to clients")
    for line, back_end in zip(lines[1:], world.back_ends, strict=True):
        _, asked, sent, received = map(int, line.split())
        kind = type(back_end).__name__
        check_equal(asked, back_end.asked, f"{kind}: questions")
        check_equal(sent, back_end.read, f"{kind}: bytes of questions")
        if isinstance(back_end, Good):
            check_equal(received, back_end.written, f"{kind}: bytes of answers")


async def what_is_open(world):
    """After a first client has been served, and all is closed again."""
    client = await Client().connect(world)
    await client.ask("all first")
    await client.close()
    await until(lambda: world.gateway.sockets() == 1 and world.quiet(), "all are closed")
    return client, world.gateway.descriptors()


async def storm(world, number):
    """That many clients at once; nothing may be lost, and nothing left."""
    first, before = await what_is_open(world)
    clients = await asyncio.gather(*(ask_everyone(world, i) for i in range(number)))
    await count_bytes(world, clients, first)
    await asyncio.gather(
        *(ask_for_some(world, i, client) for i, client in enumerate(clients))
    )
    await asyncio.gather(*(client.close() for client in clients))

    await until_open(world.gateway, before)
    await until(world.quiet, "the back ends' connections")
    world.gateway.process.send_signal(signal.SIGTERM)
    check_equal(world.gateway.ended(), "")


@case("gateway: 200 clients, back ends of every kind: each answer is whole and right")
def _(program, tool):
    async def talk():
        async with World(ALL_KINDS) as world:
            await storm(world, 200)

    guarded(talk())


@case("gateway: its trace of a smaller storm holds together")
def _(program, tool):
    with tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "trace.json")

        async def talk():
            async with World(ALL_KINDS, trace) as world:
                await storm(world, 6)  # each verb once, at least

        guarded(talk())
        told = run(tool, "trace", "check", trace).decode()
        check_equal(told.strip(), f"{trace}: ok")
        print(f"the trace of {os.path.getsize(trace) >> 10} KiB is ok")


@case("gateway: answers come one by one: the quick do not wait for the slow")
def _(program, tool):
    async def talk():
        async with World((StallsLong, Good)) as world:
            client = await Client().connect(world)
            client.send("stream early")
            first = await client.reader.readline()
            check_equal(first.decode().split()[:2], ["1", "ok"])
            check_equal(world.back_ends[0].open, 1, "the slow one is asked still")
            await client.answer()
            await client.close()
            world.gateway.stop()

    guarded(talk())


@case("gateway: clients that leave in the middle take nothing with them")
def _(program, tool):
    async def talk():
        async with World(ALL_KINDS) as world:
            _, before = await what_is_open(world)
            staying = await Client().connect(world)
            for round in range(3):
                leaving = [await Client().connect(world) for _ in range(60)]
                for i, client in enumerate(leaving):
                    verb = ("all", "stream", "quorum 2", "quorum 4", "hedge")[i % 5]
                    client.send(f"{verb} gone-{i}")
                asked = world.back_ends[3].asked
                await until(lambda: world.back_ends[3].asked > asked, "some are asked")
                for i, client in enumerate(leaving):
                    if i % 2:
                        s = client.writer.get_extra_info("socket")
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.writer.close()
                lines = await staying.ask(f"all here-{round}")
                world.check_lines(lines, f"here-{round}", "to the one that stays")
            await staying.close()
            await until_open(world.gateway, before)
            await until(world.quiet, "the back ends' connections")
            world.gateway.stop()

    guarded(talk())


@case("gateway: at SIGTERM questions under way are answered, in full")
def _(program, tool):
    async def talk():
        async with World(ALL_KINDS) as world:
            idle = await Client().connect(world)
            check_equal((await idle.ask("dance"))[0].split()[0], "error")
            clients = [await Client().connect(world) for _ in range(30)]
            for i, client in enumerate(clients):
                client.send(f"{'all' if i % 2 else 'stream'} last-{i}")
            stalls = world.back_ends[1]
            await until(lambda: stalls.asked == 30, "all 30 are under way")
            world.gateway.process.send_signal(signal.SIGTERM)
            check_equal(await idle.reader.read(), b"", "to the idle")
            for i, client in enumerate(clients):
                lines = await client.answer()
                order = world.check_lines(lines, f"last-{i}", "the last answer")
                check_equal(len(order), len(world.back_ends), "back ends")
                check_equal(await client.reader.read(), b"", "after the last answer")
                await client.close()
            await idle.close()
            check_equal(world.gateway.ended(), "")

    guarded(talk())


@case("gateway: wrong arguments and wrong questions are told")
def _(program, tool):
    for wrong in ([], ["0"], ["0", "1"], ["0", ":"], ["x", "1:1"], ["0", "1:x"], ["0", ""]):
        done = subprocess.run([program, *wrong], capture_output=True, timeout=GUARD)
        check_equal((done.returncode, done.stdout), (2, b""), f"arguments {wrong}")
        check(done.stderr.startswith(b"usage: gateway PORT"), done.stderr)

    async def talk():
        async with World((Good, Resets)) as world:
            client = await Client().connect(world)
            for question in ("", "none", "quorum 0 x", "quorum 3 x", "quorum x"):
                lines = await client.ask(question)
                check(len(lines) == 1 and lines[0].startswith("error "), f"{question}: {lines}")
            check_equal(await client.ask("quorum 2 x"), ["failed 1 back ends"])
            await client.close()
            world.gateway.stop()

    guarded(talk())


main()
