"""examples/unix_server: driven by asyncio's streams, nc and socat."""

import asyncio
import os
import signal
import socket
import subprocess
import tempfile

from harness import GUARD, Server, case, check, check_equal, guarded, main, run, until


class Place:
    """A path that nothing is at."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        return os.path.join(self.folder.name, "socket")

    def __exit__(self, *_):
        self.folder.cleanup()


async def connect(path):
    return await asyncio.open_unix_connection(path)


async def tell(writer, reader, line):
    writer.write(line.encode() + b"\n")
    return (await reader.readline()).decode().rstrip("\n")


@case("unix: set, get, wait; one that waits is told by another")
def _(program):
    with Place() as path:
        server = Server(program, path)

        async def talk():
            reader, writer = await connect(path)
            for line, answer in [
                ("get sun", "none"),
                ("set sun hot and far", "ok"),
                ("get sun", "is hot and far"),
                ("wait sun", "is hot and far"),
                ("set sun", "ok"),
                ("get sun", "is "),
                ("dance", "error: set NAME VALUE, get NAME, wait NAME"),
                ("", "error: set NAME VALUE, get NAME, wait NAME"),
            ]:
                check_equal(await tell(writer, reader, line), answer, line)
            waiting = [await connect(path) for _ in range(50)]
            for _, other in waiting:
                other.write(b"get moon\nwait moon\n")
            for other, _ in waiting:
                check_equal(await other.readline(), b"none\n")
            check_equal(await tell(writer, reader, "set moon pale"), "ok")
            for other, _ in waiting:
                check_equal(await other.readline(), b"is pale\n")
            for _, each in [(reader, writer), *waiting]:
                each.close()
                await each.wait_closed()

        guarded(talk())
        server.stop()
        check(not os.path.exists(path), "the socket goes with the server")


@case("unix: a socket that nobody listens on is replaced")
def _(program):
    with Place() as path:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        server = Server(program, path)

        async def talk():
            reader, writer = await connect(path)
            check_equal(await tell(writer, reader, "get x"), "none")
            writer.close()

        guarded(talk())
        server.stop()


@case("unix: any other file is left alone, and so is a server that lives")
def _(program):
    with Place() as path:
        with open(path, "w") as file:
            file.write("precious")
        refuse(program, path)
        with open(path) as file:
            check_equal(file.read(), "precious")
        os.unlink(path)
        server = Server(program, path)
        refuse(program, path)

        async def talk():
            reader, writer = await connect(path)
            check_equal(await tell(writer, reader, "get x"), "none")
            writer.close()

        guarded(talk())
        server.stop()


def refuse(program, path):
    done = subprocess.run([program, path], capture_output=True, timeout=GUARD)
    check_equal((done.returncode, done.stdout), (1, b""))
    check(b"EADDRINUSE" in done.stderr, done.stderr)


@case("unix: at SIGTERM an idle client gets the end, one that waits for ever is not waited for")
def _(program):
    with Place() as path:
        server = Server(program, path)

        async def talk():
            idle, idle_writer = await connect(path)
            reader, writer = await connect(path)
            writer.write(b"get x\nwait godot\n")
            check_equal(await reader.readline(), b"none\n")
            server.process.send_signal(signal.SIGTERM)
            check_equal(await idle.read(), b"")
            check_equal(await reader.read(), b"")
            idle_writer.close()
            writer.close()

        guarded(talk())
        check_equal(server.ended(errors=".*connection 2.*waiting for event at .*unix_server.cpp.*"), "")


@case("unix: socat and nc", needs="socat nc")
def _(program):
    with Place() as path:
        server = Server(program, path)
        to_server = f"UNIX-CONNECT:{path}"
        told = run("socat", "-t", GUARD, "-", to_server, data=b"set sun hot\nget sun\n")
        check_equal(told, b"ok\nis hot\n")
        many = b"".join(b"set n%d %d\nget n%d\n" % (i, i, i) for i in range(2_000))
        told = run("socat", "-t", GUARD, "-", to_server, data=many)
        check_equal(told, b"".join(b"ok\nis %d\n" % i for i in range(2_000)))
        check_equal(run("nc", "-N", "-U", path, data=b"get sun\n"), b"is hot\n")
        guarded(until(lambda: server.sockets() == 1, "all are closed"))
        server.stop()


main()
