"""The server of an exercise as a process, and the clients that it is tried with."""
from __future__ import annotations

import contextlib
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import List, Optional, Tuple

from .launcher import ANSWER

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 5.0  # seconds until an answer that does not come is missed
ALONE = 0.4  # seconds for which a server is left alone, to see whether it sleeps
STILL = 0.05  # seconds in which nothing more arrives
ASLEEP = 0.02  # CPU seconds per second that a sleeping server may use; one that spins uses 1, or what it gets


class NotYet(Exception):
    """What is not right yet, in words."""


class Student:
    """A server that runs, on a port that the kernel chose.  A context manager: the process ends with it."""

    patience = 4 * PATIENCE  # seconds until a line that it does not print is missed: a busy machine starts it slowly

    def __init__(self, path: Path) -> None:
        self.said: List[str] = []  # what it printed, its traceback too
        self._lines: queue.Queue[Optional[str]] = queue.Queue()
        self._process = subprocess.Popen(self.command(path), cwd=ROOT, text=True, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self._collect, daemon=True).start()
        try:
            self.port = int(self._wait_for(r"listening on \S+:(\d+)$"))
        except BaseException:
            self.end()
            raise

    def command(self, path: Path) -> List[str]:
        """How it is run."""
        return [sys.executable, "-u", "-m", "demos.lessons.broken.launcher", str(path)]

    def _collect(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _wait_for(self, pattern: str) -> str:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                raise NotYet("the server says nothing: it should print `listening on 127.0.0.1:PORT`") from None
            if line is None:
                self._lines.put(None)  # for end()
                raise NotYet("the server has ended")
            found = re.search(pattern, line)
            if found:
                return found.group(1)
            self.said.append(line)

    def cpu(self) -> float:
        """The CPU seconds that it used so far.  NotYet where it has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except OSError:
            raise NotYet("the server has ended") from None
        return float(self._wait_for(re.escape(ANSWER) + r"(\S+)$"))

    def left_alone(self) -> str:
        """Let it be for a moment; how much CPU it used, in words.  NotYet where that is no sleep."""
        before, start = self.cpu(), time.monotonic()
        time.sleep(ALONE)
        share = (self.cpu() - before) / (time.monotonic() - start)
        if share > ASLEEP:
            raise NotYet(f"left alone, it used {share:.2f} s of CPU per second: select() never lets it sleep")
        return f"left alone, it used {share:.3f} s of CPU per second: it sleeps"

    def end(self) -> None:
        """End the process, and keep what it said."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        while True:
            line = self._lines.get()
            if line is None:
                break
            self.said.append(line)
        self._process.stdout.close()  # type: ignore[union-attr]

    def __enter__(self) -> Student:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    # -- clients

    def client(self, small: bool = False) -> Client:
        """A connected client.  A `small` one has small buffers, so that the server soon notices how slow it reads."""
        return Client(self.port, small)


class Client:
    """One client: what goes wrong at its calls becomes NotYet."""

    def __init__(self, port: int, small: bool) -> None:
        self.sock = socket.socket()
        self.sock.settimeout(PATIENCE)
        if small:  # before connect(): the window is agreed on then
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        try:
            self.sock.connect(("127.0.0.1", port))
        except OSError:
            self.sock.close()
            raise NotYet("a new client finds no server any more") from None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.sock.close()

    def say(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self.sock.sendall(data)
        except OSError as exc:
            raise NotYet(f"a client could not send {shown(data)}: {exc}") from None

    def say_last(self, data: bytes) -> None:
        """Send all of it and half-close: in one segment where the system can, so that who hears one hears the other."""
        if hasattr(socket, "TCP_CORK"):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.say(data)
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def wait_until_stuck(self) -> None:
        """Read nothing until nothing more arrives: the server has no room left, or nothing left to say."""
        before, arrived = -1, 0
        with contextlib.suppress(OSError):
            while arrived != before:
                before, arrived = arrived, len(self.sock.recv(65536, socket.MSG_PEEK))
                time.sleep(STILL)

    def hear(self, wanted: bytes) -> str:
        """Read exactly that; in words.  NotYet where something else comes, or nothing."""
        heard = b""
        try:
            while len(heard) < len(wanted):
                data = self.sock.recv(len(wanted) - len(heard))
                if not data:
                    raise NotYet(f"the answer should be {shown(wanted)}; after {shown(heard)} the server hung up")
                heard += data
        except socket.timeout:
            raise NotYet(f"the answer should be {shown(wanted)}; {shown(heard)} came, and then nothing "
                         f"for {self.sock.gettimeout():g} s") from None
        except OSError as exc:
            raise NotYet(f"the answer should be {shown(wanted)}; after {shown(heard)}: {exc}") from None
        if heard != wanted:
            self.sock.settimeout(0.1)
            with contextlib.suppress(OSError):
                heard += self.sock.recv(4096)  # the rest of what it is instead
            raise NotYet(f"the answer should be {shown(wanted)}, and is {shown(heard)}")
        return f"{shown(heard)} comes back"

    def hear_all(self, pause: float = 0.0, most: int = sys.maxsize) -> Tuple[bytes, str]:
        """Read until the server hangs up, first waiting a while: the bytes, and what ended them in words."""
        time.sleep(pause)
        heard = bytearray()
        try:
            while len(heard) < most:
                data = self.sock.recv(min(65536, most - len(heard)))
                if not data:
                    return bytes(heard), "end of file"
                heard += data
            return bytes(heard), "that is enough"
        except OSError as exc:
            return bytes(heard), str(exc)

    def talk(self, data: bytes, wanted: bytes, who: str = "a client") -> str:
        """Say one and hear the other; in words."""
        self.say(data)
        return f"{who} says {shown(data)}: {self.hear(wanted)}"


def shown(data: bytes) -> str:
    """Bytes in words: all of a few, the number of many."""
    if len(data) > 40:
        return f"{len(data):,} bytes"
    try:
        return repr(data.decode()) if data else "nothing"
    except UnicodeDecodeError:
        return repr(data)
