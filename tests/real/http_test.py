"""examples/http_server: driven by curl and wrk, and by bytes that no good client sends."""

import asyncio
import os
import random
import re
import signal
import socket
import time
from email.utils import parsedate_to_datetime

from harness import GUARD, Server, case, check, check_equal, guarded, main, run, until

GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
HELLO = b"hello from sheaf\n"


async def connect(server):
    return await asyncio.open_connection("127.0.0.1", server.port)


async def read_response(reader, head_only=False):
    """(status, headers, body); None at the end."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[:-2]
    headers = dict(line.split(": ", 1) for line in lines[1:])
    length = 0 if head_only else int(headers["Content-Length"])
    return int(lines[0].split()[1]), headers, await reader.readexactly(length)


async def ask(server, raw, eof=False):
    """The first response to these bytes, and whether the server then ended."""
    reader, writer = await connect(server)
    writer.write(raw)
    if eof:
        writer.write_eof()
    status, headers, body = await read_response(reader, raw.startswith(b"HEAD"))
    if headers["Connection"] == "close":
        check_equal(await reader.read(), b"", f"after the answer to {raw[:60]!r}")
    writer.close()
    return status, headers, body


def request(line=b"GET / HTTP/1.1", *headers, body=b"", host=b"Host: here"):
    return b"\r\n".join([line, *([host] if host else []), *headers, b"", body])


# what it is, what is sent, the status, whether the connection stays
BAD = [
    ("no version", request(b"GET /"), 400),
    ("no target", request(b"GET"), 400),
    ("two blanks", request(b"GET  / HTTP/1.1"), 400),
    ("a blank at the end", request(b"GET / HTTP/1.1 "), 400),
    ("version in small letters", request(b"GET / http/1.1"), 400),
    ("no such version", request(b"GET / HTTP/x.1"), 400),
    ("HTTP/2.0", request(b"GET / HTTP/2.0"), 505),
    ("HTTP/0.9", request(b"GET / HTTP/0.9"), 505),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ("a method that is none", request(b"G(T / HTTP/1.1"), 400),
    ("a target without a slash", request(b"GET index HTTP/1.1"), 400),
    ("no Host", request(host=None), 400),
    ("two Hosts", request(b"GET / HTTP/1.1", b"Host: there"), 400),
    ("a header without a colon", request(b"GET / HTTP/1.1", b"nothing"), 400),
    ("a header without a name", request(b"GET / HTTP/1.1", b": x"), 400),
    ("a blank before the colon", request(b"GET / HTTP/1.1", b"A : x"), 400),
    ("a folded header", request(b"GET / HTTP/1.1", b"A: x", b" y"), 400),
    ("NUL in a header", request(b"GET / HTTP/1.1", b"A: x\0y"), 400),
    ("CR in a header", request(b"GET / HTTP/1.1", b"A: x\ry"), 400),
    ("bare LFs", b"GET / HTTP/1.1\nHost: here\n\n", 400),
    ("one bare LF", b"GET / HTTP/1.1\r\nHost: here\nA: b\r\n\r\n", 400),
    ("a bare LF ahead", b"\nGET / HTTP/1.1\r\nHost: here\r\n\r\n", 400),
    ("a bare CR ahead", b"\rGET / HTTP/1.1\r\nHost: here\r\n\r\n", 400),
    ("a long target", request(b"GET /" + b"x" * 5_000 + b" HTTP/1.1"), 414),
    ("a long header", request(b"GET / HTTP/1.1", b"A: " + b"x" * 17_000), 431),
    ("an endless header", b"GET / HTTP/1.1\r\nA: " + b"x" * 50_000, 431),
    ("many headers", request(b"GET / HTTP/1.1", *[b"A: x"] * 150), 431),
    ("a long body", request(b"POST /echo HTTP/1.1", b"Content-Length: 1048577"), 413),
    ("longer than numbers", request(b"POST /echo HTTP/1.1", b"Content-Length: " + b"9" * 30), 413),
    ("a negative length", request(b"POST /echo HTTP/1.1", b"Content-Length: -1"), 400),
    ("a length that is no number", request(b"POST /echo HTTP/1.1", b"Content-Length: 1x"), 400),
    ("an empty length", request(b"POST /echo HTTP/1.1", b"Content-Length:"), 400),
    ("two lengths", request(b"POST /echo HTTP/1.1", *[b"Content-Length: 1"] * 2, body=b"x"), 400),
    (
        "length and chunks",
        request(b"POST /echo HTTP/1.1", b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        400,
    ),
    ("chunks of HTTP/1.0", request(b"POST /echo HTTP/1.0", b"Transfer-Encoding: chunked"), 400),
    ("another coding", request(b"POST /echo HTTP/1.1", b"Transfer-Encoding: gzip"), 501),
    ("two codings", request(b"POST /echo HTTP/1.1", b"Transfer-Encoding: gzip, chunked"), 501),
]

CHUNKED = request(b"POST /echo HTTP/1.1", b"Transfer-Encoding: chunked")
BAD_CHUNKS = [
    ("no size", b"x\r\n", 400),
    ("a size with 0x", b"0x1\r\na\r\n0\r\n\r\n", 400),
    ("a negative size", b"-1\r\n", 400),
    ("longer than its size", b"1\r\nab\r\n0\r\n\r\n", 400),
    ("a huge chunk", b"ffffffffffffffff\r\n", 413),
    ("more than 64 bits", b"1ffffffffffffffff\r\n", 413),
    ("the sum is too long", b"80000\r\n" + b"x" * 0x80000 + b"\r\n80001\r\n", 413),
    ("a long trailer", b"0\r\n" + b"A: b\r\n" * 150 + b"\r\n", 431),
]

GOOD = [
    ("a name", GET, 200, HELLO, "keep-alive"),
    ("an empty line ahead", b"\r\n" + GET, 200, HELLO, "keep-alive"),
    ("HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", 200, HELLO, "close"),
    ("1.0, kept", b"GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n", 200, HELLO, "keep-alive"),
    ("1.1, closed", request(b"GET / HTTP/1.1", b"CONNECTION: x, Close"), 200, HELLO, "close"),
    ("a later version", request(b"GET / HTTP/1.7"), 200, HELLO, "keep-alive"),
    ("as to a proxy", request(b"GET http://here/ HTTP/1.1"), 200, HELLO, "keep-alive"),
    ("a proxy, no path", request(b"GET HTTP://here HTTP/1.1"), 200, HELLO, "keep-alive"),
    ("not there", request(b"GET /x HTTP/1.1"), 404, b"there is no such page\n", "keep-alive"),
    ("not taken", request(b"POST / HTTP/1.1"), 405, b"it takes GET, HEAD\n", "keep-alive"),
    ("not taken", request(b"GET /echo HTTP/1.1"), 405, b"it takes POST\n", "keep-alive"),
    (
        "not known",
        request(b"BREW / HTTP/1.1"),
        501,
        b"this server knows GET, HEAD and POST\n",
        "keep-alive",
    ),
    (
        "a body",
        request(b"POST /echo HTTP/1.1", b"Content-Length: 5", body=b"hello"),
        200,
        b"hello",
        "keep-alive",
    ),
    (
        "chunks",
        CHUNKED + b"3\r\nhel\r\n2;a=b\r\nlo\r\n00\r\nTrailer: x\r\n\r\n",
        200,
        b"hello",
        "keep-alive",
    ),
    ("HEAD", request(b"HEAD / HTTP/1.1"), 200, b"", "keep-alive"),
    ("HEAD of nothing", request(b"HEAD /x HTTP/1.1"), 404, b"", "keep-alive"),
    (
        "the longest body",
        request(b"POST /echo HTTP/1.1", b"Content-Length: 1048576", body=b"x" * 1048576),
        200,
        b"x" * 1048576,
        "keep-alive",
    ),
]


@case("http: good requests of every form are answered")
def _(program):
    server = Server(program)

    async def talk():
        for what, raw, status, body, connection in GOOD:
            got = await ask(server, raw)
            check_equal((got[0], got[2]), (status, body), what)
            check_equal(got[1]["Connection"], connection, what)
            age = time.time() - parsedate_to_datetime(got[1]["Date"]).timestamp()
            check(-2 < age < GUARD, got[1]["Date"])
            if raw.startswith(b"HEAD"):
                check(int(got[1]["Content-Length"]) > 0, "HEAD tells the length")

    guarded(talk())
    server.stop()


@case("http: the same comes out when every byte comes alone")
def _(program):
    server = Server(program)

    async def talk():
        reader, writer = await connect(server)
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw = CHUNKED + b"3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n" + GET
        for i in range(len(raw)):
            writer.write(raw[i : i + 1])
            await asyncio.sleep(0)
        check_equal((await read_response(reader))[2], b"hello")
        check_equal((await read_response(reader))[2], HELLO)
        writer.close()

    guarded(talk())
    server.stop()


@case("http: a thousand requests sent in one go are answered in order")
def _(program):
    server = Server(program)

    async def talk():
        reader, writer = await connect(server)
        for i in range(1_000):
            body = b"%d" % i
            length = b"Content-Length: %d" % len(body)
            writer.write(request(b"POST /echo HTTP/1.1", length, body=body))
        for i in range(1_000):
            check_equal((await read_response(reader))[2], b"%d" % i)
        writer.close()

    guarded(talk())
    server.stop()


@case("http: bad requests get a clear answer, and the end")
def _(program):
    server = Server(program)

    async def talk():
        for what, raw, status in BAD:
            got = await ask(server, raw)
            check_equal((got[0], got[1]["Connection"]), (status, "close"), what)
            check(1 < len(got[2]) < 80 and got[2].endswith(b"\n"), got[2])
        for what, chunks, status in BAD_CHUNKS:
            got = await ask(server, CHUNKED + chunks)
            check_equal((got[0], got[1]["Connection"]), (status, "close"), what)

    guarded(talk())
    server.stop()


@case("http: a request that ends too early is a bad one, wherever it is cut")
def _(program):
    server = Server(program)
    raw = CHUNKED + b"3\r\nhel\r\n0\r\n\r\n"

    async def talk():
        for i in range(1, len(raw)):
            got = await ask(server, raw[:i], eof=True)
            check_equal(got[0], 400, f"cut at {i}")

    guarded(talk())
    server.stop()


@case("http: damaged requests, at random: an answer or the end, and no harm")
def _(program):
    server = Server(program, 0, 1_000)
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    pieces = [b"\r\n", b"\n", b"\r", b" ", b":", b"\0", b"\xff", b"0", b"9" * 20, b"chunked", b","]

    def damaged():
        raw = bytearray(dice.choice(GOOD[:-1])[1])
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(raw))
            raw[at : at + dice.choice((0, 1, 5))] = dice.choice(pieces)
        return bytes(raw)

    async def one(raw):
        reader, writer = await connect(server)
        writer.write(raw)
        writer.write_eof()
        told = await reader.read()
        check(not told or re.match(rb"HTTP/1.1 [2345]\d\d ", told), raw, told)
        writer.close()

    async def talk():
        for _ in range(20):
            await asyncio.gather(*(one(damaged()) for _ in range(25)))
        check_equal((await ask(server, GET))[0], 200)

    try:
        guarded(talk())
        server.stop()
    except Exception as error:
        raise AssertionError(f"seed {seed}") from error


@case("http: a body that is refused at its length is read on, so that the answer comes")
def _(program):
    server = Server(program)

    async def talk():
        reader, writer = await connect(server)
        writer.write(request(b"POST /echo HTTP/1.1", b"Content-Length: 8000000"))
        sending = asyncio.create_task(send_all(writer, b"x" * 8_000_000))
        check_equal((await read_response(reader))[0], 413)
        await sending
        writer.close()

    async def send_all(writer, data):
        for at in range(0, len(data), 65_536):
            writer.write(data[at : at + 65_536])
            await writer.drain()
        writer.write_eof()

    guarded(talk())
    server.stop()


@case("http: who sends a byte now and then is told 408; who sends none, nothing")
def _(program):
    server = Server(program, 0, 1_500)

    async def drip(start, end):
        reader, writer = await connect(server)
        for at in range(start, end):
            writer.write(GET[at : at + 1])
            await asyncio.sleep(0)
        answer = asyncio.ensure_future(reader.read())
        while not answer.done():  # on and on, in the middle of a header
            try:
                writer.write(b"x")
            except OSError:
                break
            await asyncio.sleep(0.05)
        writer.close()
        return await answer

    async def talk():
        silent, _ = await connect(server)
        slow = await asyncio.gather(*(drip(0, 20) for _ in range(10)))
        for each in slow:
            check(each.startswith(b"HTTP/1.1 408 "), each)
        check_equal(await silent.read(), b"", "to a client that said nothing")

    guarded(talk())
    server.stop()


@case("http: a client that takes no answer is left, and costs no other")
def _(program):
    server = Server(program, 0, 1_500)

    async def talk():
        s = socket.create_connection(("127.0.0.1", server.port))
        s.setblocking(False)
        body = b"x" * 1_000_000
        raw = request(b"POST /echo HTTP/1.1", b"Content-Length: 1000000", body=body)
        loop = asyncio.get_running_loop()
        pushing = asyncio.ensure_future(loop.sock_sendall(s, raw * 50))
        await until(lambda: pushing.done(), "the server resets it")
        check(isinstance(pushing.exception(), ConnectionError), pushing)
        await until(lambda: server.sockets() == 1, "only the listener is left")
        check_equal((await ask(server, GET))[0], 200)
        s.close()

    guarded(talk())
    server.stop()


@case("http: a hundred clients that reset leave nothing open")
def _(program):
    server = Server(program)

    async def talk():
        check_equal((await ask(server, GET))[0], 200)
        before = None
        for rounds in range(2):
            for i in range(100):
                s = socket.create_connection(("127.0.0.1", server.port))
                s.sendall((GET * 5)[: i * 2 + 1])
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.close()
            # Who comes last is answered when all before were accepted.
            check_equal((await ask(server, GET))[0], 200)
            await until(lambda: server.sockets() == 1, "only the listener is left")
            before = before or server.descriptors()
        check_equal(server.descriptors(), before, "descriptors")

    guarded(talk())
    server.stop()


@case("http: at SIGTERM requests under way are answered, the idle are closed")
def _(program):
    server = Server(program)

    async def talk():
        idle_reader, idle = await connect(server)
        idle.write(GET)
        check_equal((await read_response(idle_reader))[0], 200)
        busy_reader, busy = await connect(server)
        busy.write(request(b"GET /sleep/3000 HTTP/1.1") + GET)
        half_reader, half = await connect(server)
        half.write(GET[:20])
        # What was sent before is at work when a later one has been answered.
        check_equal((await ask(server, GET))[0], 200)
        server.process.send_signal(signal.SIGTERM)
        check_equal(await idle_reader.read(), b"", "to the idle")
        half.write(GET[20:])
        for reader in (half_reader, busy_reader):
            status, headers, _ = await read_response(reader)
            check_equal((status, headers["Connection"]), (200, "close"))
            check_equal(await reader.read(), b"")
        try:
            await connect(server)
            check(False, "it took a new client")
        except ConnectionRefusedError:
            pass
        for writer in (idle, busy, half):
            writer.close()

    guarded(talk())
    check_equal(server.ended(), "")


@case("http: curl asks for several pages, all on one connection", needs="curl")
def _(program):
    server = Server(program)
    url = f"http://127.0.0.1:{server.port}"
    told = run(
        "curl", "-sS", "-w", "%{http_code} %{num_connects} %{http_version}\n",
        f"{url}/", f"{url}/sleep/1", f"{url}/none", "--head", f"{url}/",
    )
    codes = re.findall(rb"^(\d{3}) (\d) 1\.1$", told, re.M)
    check_equal([code for code, _ in codes], [b"200", b"200", b"404", b"200"], told)
    check_equal(sum(int(connects) for _, connects in codes), 1, "connections")
    server.stop()


@case("http: curl posts a body: by its length, in chunks, and one too long", needs="curl")
def _(program):
    server = Server(program)
    url = f"http://127.0.0.1:{server.port}/echo"
    body = os.urandom(300_000)
    post = ("curl", "-sS", "--data-binary", "@-")
    check(run(*post, url, data=body) == body, "by its length")
    check(run(*post, "-H", "Transfer-Encoding: chunked", url, data=body) == body, "in chunks")
    check(run(*post, "-H", "Expect: 100-continue", url, data=body) == body, "with Expect")
    told = run(*post, "-w", "%{http_code}", url, data=b"x" * 2_000_000, status=None)
    check_equal(told, b"the body is too long\n413")
    server.stop()


@case("http: curl with HTTP/1.0 is answered and closed", needs="curl")
def _(program):
    server = Server(program)
    url = f"http://127.0.0.1:{server.port}/"
    told = run("curl", "-sS", "--http1.0", "-i", url)
    check(b"\r\nConnection: close\r\n" in told and told.endswith(HELLO), told)
    server.stop()


@case("http: wrk gets its answers, on many connections, and no error", needs="wrk")
def _(program):
    server = Server(program)
    url = f"http://127.0.0.1:{server.port}/"
    told = run("wrk", "-t", "1", "-c", "64", "-d", "2s", "--timeout", "30s", url).decode()
    check_equal(re.findall(r"Non-2xx.*|Socket errors.*", told), [], "errors")
    requests = int(re.search(r"(\d+) requests in", told)[1])
    check(requests > 0, told)  # how many is a matter of the machine
    guarded(until(lambda: server.sockets() == 1, "only the listener is left"))
    print(f"wrk: {requests} requests on 64 connections, no error")
    server.stop()


main()
