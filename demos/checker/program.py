"""Somebody's server as a child process: started, measured, interrupted, and killed for sure.

It is a stranger's program, so nothing about it is trusted: it may hang, die, fork, or print without end.
It runs in a process group of its own; what the group prints is drained for as long as it runs, and only
the last of it is kept.  A program that leaves its group (a daemon) is out of reach, and is not chased.
"""
from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from typing import Deque, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

POSIX = os.name == "posix"
KEPT = 16 * 1024  # bytes of output: the last traceback of a program, and not its life's log
LINES, WIDTH = 12, 160  # what is shown of it

_running: Set["Program"] = set()
_starting = threading.Lock()
_ended = False  # set by end_all(): nothing is started any more


class Ended(Exception):
    """The checker is on its way out, and starts no program any more."""


class Program:
    """One run of a command.  A context manager: on leaving it, the whole process group is dead."""

    def __init__(self, words: List[str], folder: Optional[str], environment: Dict[str, str]) -> None:
        self.words = words
        self._kept: Deque[bytes] = deque()
        self._size = 0
        with _starting:
            if _ended:
                raise Ended
            self._process = subprocess.Popen(
                words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, bufsize=0, start_new_session=POSIX,
                creationflags=0 if POSIX else getattr(subprocess, "CREATE_NEW_PROCESS_GROUP"))
            _running.add(self)
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()

    def _drain(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            for data in iter(lambda: pipe.read(4096), b""):
                self._kept.append(data)
                self._size += len(data)
                while self._size - len(self._kept[0]) > KEPT:
                    self._size -= len(self._kept.popleft())

    # -- what it does

    @property
    def status(self) -> Optional[int]:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> Optional[int]:
        """Its exit status once it ends, None where it runs on."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def last_words(self) -> List[str]:
        """The last lines of its output, cut and made printable."""
        self._reader.join(0.5 if self.status is not None else 0.05)
        text = b"".join(list(self._kept)).decode("utf-8", "replace")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        return [printable(line) for line in lines[-LINES:]]

    def all_words(self) -> str:
        """All that is kept of its output."""
        self._reader.join(0.5 if self.status is not None else 0.05)
        return b"".join(list(self._kept)).decode("utf-8", "replace")

    def cpu(self) -> Optional[Tuple[float, bool]]:
        """CPU seconds that its living processes have used, and whether one of them is awake at this moment.

        Awake is who runs, or would if a processor were free.  None where the system does not tell.
        """
        uses = _group(self._process.pid)
        return (sum(use.seconds for use in uses), any(use.awake for use in uses)) if uses else None

    def memory(self) -> Optional[int]:
        """Bytes of memory that its processes hold, None where the system does not tell."""
        return sum(use.memory for use in _group(self._process.pid)) or None

    # -- its end

    def interrupt(self) -> None:
        """What Ctrl-C does: SIGINT to the whole group."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it for sure, and all that it started in its group."""
        if POSIX:
            self._signal(signal.SIGKILL)
        else:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(self._process.pid)], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._process.wait()
        self._reader.join(0.5)
        _running.discard(self)

    def _signal(self, signum: int) -> None:
        try:
            os.killpg(self._process.pid, signum)
        except ProcessLookupError:
            pass  # the whole group has ended: nothing is left to signal
        except PermissionError:
            self._process.send_signal(signum)  # macOS says so of a group whose leader is a zombie

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()


def end_all() -> None:
    """Kill every program that runs, and start none any more: the checker's own way out."""
    global _ended
    with _starting:
        _ended = True
        for program in list(_running):
            program.kill()


def printable(text: str, width: int = WIDTH) -> str:
    """The text on one line that cannot play tricks on a terminal, cut to `width`."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text.replace("\t", "    "))
    return text if len(text) <= width else text[:width - 3] + "..."


def free_port(claim: Optional[socket.socket] = None) -> int:
    """A port that nobody has.  `claim`, a UDP socket, holds it against other checkers for as long as it is open.

    From below the range that systems take the ports of clients from: a client of somebody else could
    otherwise get it before the program does.
    """
    for _ in range(200):
        port = random.randrange(15000, 30000)
        with contextlib.suppress(OSError), socket.socket() as sock:  # taken
            sock.bind(("127.0.0.1", port))
            if claim is not None:
                claim.bind(("127.0.0.1", port + 1))  # what no program has a use for
            return port
    raise OSError("no free port between 15000 and 30000")


class _Use(NamedTuple):
    """What one process has used of this machine."""

    seconds: float  # of CPU time
    memory: int  # bytes
    awake: bool  # one of its threads is


def _group(pgid: int) -> List[_Use]:
    """Of each process of a group; empty where the system does not tell."""
    try:
        return list(_from_proc(pgid) if os.path.exists("/proc/self/stat") else _from_ps(pgid))
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def _from_proc(pgid: int) -> Iterator[_Use]:
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has just ended
            fields = _stat(f"/proc/{name}")
            if int(fields[2]) == pgid:
                awake = any(_stat(f"/proc/{name}/task/{thread}")[0] == b"R" for thread in
                            os.listdir(f"/proc/{name}/task"))
                yield _Use((int(fields[11]) + int(fields[12])) / tick, int(fields[21]) * page, awake)


def _stat(folder: str) -> List[bytes]:
    with open(f"{folder}/stat", "rb") as file:
        # The name of the program comes before, in brackets, with anything in it.
        return file.read().rpartition(b")")[2].split()


def _from_ps(pgid: int) -> Iterator[_Use]:
    if not POSIX:
        return
    out = subprocess.run(["ps", "-A", "-o", "pgid=,time=,rss=,state="], check=True, stdout=subprocess.PIPE, timeout=5,
                         universal_newlines=True).stdout
    for line in out.splitlines():
        group, clock, kilobytes, state = line.split(None, 3)
        if int(group) == pgid:
            seconds = 0.0
            for part in clock.replace("-", ":").split(":"):
                seconds = seconds * 60 + float(part)
            yield _Use(seconds, int(kilobytes) * 1024, state.startswith("R"))


def pause(seconds: float) -> None:
    """Let time pass: what a client of flesh and blood does between two keys."""
    time.sleep(seconds)
