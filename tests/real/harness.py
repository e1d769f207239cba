"""What the tests of the servers in examples/ share.

A test file defines cases and ends with `main()`:

    @case("echo: what goes in comes out", needs="nc")
    def _(server): ...

Called as FILE.py SERVER_PROGRAM [ARG...] it runs each case and prints a summary as Catch2
does, which tests/support/tally.py counts. A case that needs a program that is not there is
SKIPPED, and says so. Guards are generous: they end a test that hangs, and measure nothing.
"""

import asyncio
import logging
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback

GUARD = int(os.environ.get('REAL_GUARD', 60))  # seconds, for any one thing to happen

_cases = []
_processes = []


class Skip(Exception):
    pass


def case(name, needs=None):
    def add(function):
        _cases.append((name, needs.split() if needs else [], function))
        return function

    return add


def check(condition, *what):
    if not condition:
        raise AssertionError(" ".join(str(each) for each in what) or "check failed")


def check_equal(got, expected, what=""):
    check(got == expected, f"{what}: got {got!r}, expected {expected!r}")


class Server:
    """A program that prints "LISTENING ADDRESS" when it is ready."""

    def __init__(self, *command, env=None, descriptors=None):
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
        )
        if descriptors:  # at most
            limits = (descriptors, descriptors)
            resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, limits)
        _processes.append(self.process)
        self.address = self._read_address()

    @property
    def port(self):
        return int(self.address)

    @property
    def pid(self):
        return self.process.pid

    def _read_address(self):
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], GUARD)
            byte = os.read(self.process.stdout.fileno(), 1) if ready else b""
            if not byte:
                self.process.kill()
                _, errors = self.process.communicate()
                raise AssertionError(f"no LISTENING line: {line!r}, {errors.decode()}")
            line += byte
        word, address = line.decode().split()
        check_equal(word, "LISTENING", "its first line")
        return address

    def descriptors(self):
        """What it has open: {number: what it is}."""
        folder = f"/proc/{self.pid}/fd"
        found = {}
        for name in os.listdir(folder):
            try:
                found[int(name)] = os.readlink(f"{folder}/{name}")
            except FileNotFoundError:
                pass  # closed meanwhile
        return found

    def sockets(self):
        return sum(what.startswith("socket:") for what in self.descriptors().values())

    def sleeps(self):
        """Whether it waits for something to happen, rather than for the processor."""
        with open(f"/proc/{self.pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "S"

    def stop(self, signum=signal.SIGTERM, errors=""):
        """Ends it by a signal. It must end well, and have reported what `errors`, a regular
        expression, matches, and no more."""
        self.process.send_signal(signum)
        return self.ended(errors)

    def ended(self, errors=""):
        out, err = self.process.communicate(timeout=GUARD)
        err = err.decode(errors="replace")
        check(self.process.returncode == 0, f"status {self.process.returncode}\n{err}")
        check(re.fullmatch(errors, err, re.S), f"it reported: {err}")
        return out.decode()


def run(*command, data=b"", status=0):
    """A client to its end: what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=GUARD,
    )
    if status is not None:
        check_equal(done.returncode, status, f"{command[0]}: {done.stderr.decode()}")
    return done.stdout


def guarded(coroutine):
    """Runs asyncio code."""
    return asyncio.run(asyncio.wait_for(coroutine, 3 * GUARD))


async def until(condition, what):
    """For what no event tells of: another process has noticed something."""
    for _ in range(GUARD * 100):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"never came true: {what}")


async def until_open(server, expected):
    """Until it has open what it had: `expected` is what descriptors() gave, after a first
    client has left: the first one may make the program open what it keeps."""
    try:
        await until(lambda: server.descriptors() == expected, "descriptors")
    except AssertionError:
        check_equal(server.descriptors(), expected, "descriptors")


def _run_case(name, needs, function, arguments):
    missing = [program for program in needs if not shutil.which(program)]
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # resets are what is tested
    began = time.monotonic()
    try:
        if missing:
            raise Skip(f"no {', '.join(missing)}")
        function(*arguments)
        print(f"ok {time.monotonic() - began:5.2f} s  {name}")
        return "passed"
    except Skip as why:
        print(f"SKIPPED: {name}: {why}")
        return "skipped"
    except Exception:
        print(f"FAILED: {name}")
        traceback.print_exc(file=sys.stdout)
        return "failed"
    finally:
        for process in _processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        _processes.clear()


def main():
    results = [_run_case(*each, sys.argv[1:]) for each in _cases]
    counts = {how: results.count(how) for how in ("passed", "failed", "skipped")}
    parts = [f"{n} {how}" for how, n in counts.items() if n]
    print(f"test cases: {len(results)} | " + " | ".join(parts))
    if counts["failed"]:
        sys.exit(1)
    sys.exit(77 if counts["skipped"] == len(results) else 0)
