"""examples/echo_server: driven by asyncio's streams and by nc."""

import asyncio
import os
import signal
import socket
import struct
import subprocess

from harness import GUARD, Server, Skip, case, check, check_equal, guarded, main, run, until, until_open


async def connect(server):
    return await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 20)


async def close(writer):
    writer.close()
    await writer.wait_closed()


@case("echo: --help is for people, a wrong argument is refused")
def _(program):
    help = run(program, "--help")
    check(help.startswith(b"usage: echo_server [PORT]"), help)
    for wrong in ("x", "65536", "-1", "7x", ""):
        done = subprocess.run([program, wrong], capture_output=True, timeout=GUARD)
        check_equal((done.returncode, done.stdout), (2, b""), f"argument {wrong!r}")
        check_equal(done.stderr, help, "usage")


@case("echo: a port that is taken is an error, told in words")
def _(program):
    server = Server(program)
    done = subprocess.run([program, server.address], capture_output=True, timeout=GUARD)
    check_equal(done.returncode, 1, "status")
    check(b"EADDRINUSE" in done.stderr and server.address.encode() in done.stderr, done.stderr)
    server.stop()


@case("echo: each line comes back, to a hundred clients at once, in order")
def _(program):
    server = Server(program, 0)

    async def client(number):
        reader, writer = await connect(server)
        for i in range(20):
            line = f"{number} {i} {'x' * (i * 50)}\n".encode()
            writer.write(line)
            check_equal(await reader.readline(), line)
        await close(writer)

    async def clients():
        await asyncio.gather(*map(client, range(100)))

    guarded(clients())
    server.stop()


@case("echo: a rest without a newline comes back when the client ends its side")
def _(program):
    server = Server(program)

    async def talk():
        reader, writer = await connect(server)
        writer.write(b"one\ntwo\nthree")
        writer.write_eof()
        check_equal(await reader.read(), b"one\ntwo\nthree")
        await close(writer)

    guarded(talk())
    server.stop()


@case("echo: 80 MB to a client that reads late: nothing is lost, and little is kept")
def _(program):
    server = Server(program)
    line, count = b"y" * 9_999 + b"\n", 8_000

    async def talk():
        reader, writer = await connect(server)
        # Else the system alone might hold it all, on both ways.
        here = writer.get_extra_info("socket")
        here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)

        async def send():
            for _ in range(count):
                writer.write(line)
                await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        # It reads nothing until the server has stopped taking: the buffers are full.
        sent = -1
        while not sending.done() and (sent != (sent := sending_socket_queue(writer)) or sent == 0):
            await asyncio.sleep(0.05)
        check(not sending.done(), "80 MB went into a server that sent none back")
        for i in range(count):
            check(await reader.readexactly(len(line)) == line, f"line {i} differs")
        check_equal(await reader.read(), b"", "after the last line")
        await sending
        await close(writer)

    guarded(talk())
    server.stop()


def sending_socket_queue(writer):
    """What the system still holds of what was sent, and asyncio's own buffer."""
    return writer.transport.get_write_buffer_size()


@case("echo: a line that is too long is told so; the others do not notice")
def _(program):
    server = Server(program)

    async def talk():
        other_reader, other = await connect(server)
        reader, writer = await connect(server)
        writer.write(b"z" * 100_000)
        check_equal(await reader.readline(), b"a line has up to 65536 bytes\n")
        other.write(b"still here\n")
        check_equal(await other_reader.readline(), b"still here\n")
        await close(other)
        writer.transport.abort()

    guarded(talk())
    server.stop()


@case("echo: clients that reset or vanish cost nothing but their connection")
def _(program):
    server = Server(program)

    async def talk():
        reader, writer = await connect(server)
        writer.write(b"first\n")
        check_equal(await reader.readline(), b"first\n")
        before = server.descriptors()
        for i in range(50):
            s = socket.create_connection(("127.0.0.1", server.port))
            s.sendall(b"part of a line" if i % 2 else b"a line\n" * 1000)
            if i % 3:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        await until_open(server, before)
        writer.write(b"last\n")
        check_equal(await reader.readline(), b"last\n")
        await close(writer)

    guarded(talk())
    server.stop()


@case("echo: out of descriptors: it says so, and serves who waits when there are some again")
def _(program):
    with open(program, "rb") as file:
        if b"__ubsan_" in file.read():
            raise Skip("UBSan looks at objects through a pipe, and there is none to be had")
    server = Server(program, descriptors=40)

    async def talk():
        clients = [await connect(server) for _ in range(60)]
        for i, (_, writer) in enumerate(clients):
            writer.write(b"%d\n" % i)
        answers = [asyncio.create_task(reader.readline()) for reader, _ in clients]
        check_equal(await answers[0], b"0\n")
        for i, (answer, (_, writer)) in enumerate(zip(answers, clients)):
            check_equal(await answer, b"%d\n" % i)  # each makes room for one more
            await close(writer)

    guarded(talk())
    server.stop(errors=".*(EMFILE|too many open files).*")


@case("echo: SIGTERM and SIGINT end it: no new clients, those there get the end")
def _(program):
    for signum in (signal.SIGTERM, signal.SIGINT):
        server = Server(program)

        async def talk():
            reader, writer = await connect(server)
            writer.write(b"hello\nhalf a li")
            check_equal(await reader.readline(), b"hello\n")
            server.process.send_signal(signum)
            rest = await reader.read()
            check(rest in (b"", b"half a li"), rest)
            await close(writer)

        guarded(talk())
        check_equal(server.ended(), "")


@case("echo: SIGTERM with a client that never reads: it is not waited for without end")
def _(program):
    server = Server(program)
    with socket.create_connection(("127.0.0.1", server.port)) as s:
        s.settimeout(0.5)
        full = False
        while not full:
            try:
                s.send(b"w" * 999 + b"\n")
            except TimeoutError:
                full = server.sleeps()  # and not only slow: it takes no more
        server.stop(errors=".*connection 1 from 127.0.0.1:.*")


@case("echo: nc gets back what it sent", needs="nc")
def _(program):
    server = Server(program)
    text = b"".join(b"line %d of many\n" % i for i in range(5_000))
    check(run("nc", "-N", "127.0.0.1", server.port, data=text) == text, "it differs")
    server.stop()


main()
