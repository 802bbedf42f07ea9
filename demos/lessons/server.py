"""One server of the lessons as a process: started on a free port, asked what it costs, ended whatever happens."""
from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Union

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
LIFETIME = 20.0  # seconds after which a server is ended, whatever it does
MEGABYTE = 1_000_000


class Cost(NamedTuple):
    """What a server has cost until now."""

    clock: float
    cpu: float  # seconds
    memory: Optional[float]  # megabytes at most; None where the system does not tell
    threads: int


class Server:
    """`Server("step_3 --blocking")` runs that module of demos.lessons; a context manager that ends it."""

    def __init__(self, command: str) -> None:
        name, *options = command.split()
        self.command = command
        self._errors = tempfile.TemporaryFile()
        try:
            self.process = self._start()
        except BaseException:
            self._errors.close()
            raise
        # A server that hangs ends here, and with it every call that waits for it.
        self._limit = threading.Timer(LIFETIME, self.process.kill)
        self._limit.daemon = True
        self._limit.start()
        try:
            self.address = HOST, self._port()
        except BaseException:  # Ctrl-C too: nobody else would end it
            self.close()
            raise

    def _start(self) -> subprocess.Popen[bytes]:
        name, *options = self.command.split()
        return subprocess.Popen(
            [sys.executable, "-m", "demos.lessons.observed", f"demos.lessons.{name}", "--port", "0", *options],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors)

    def _port(self) -> int:
        ready = self._line()
        if " listening on " not in ready:
            raise RuntimeError(f"{self.command} did not start: {self.last_words() or ready}")
        return int(ready.rpartition(":")[2])

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def play(self, client: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Let a client of clients.py talk to this server; what it saw."""
        return client(*self.address, *args, **kwargs)

    def cost(self) -> Optional[Cost]:
        """What it has cost so far; None when it is dead."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(b"?")
            self.process.stdin.flush()
            cpu, memory, threads = self._line().split()
        except (OSError, ValueError):
            return None
        megabytes = None if memory == "-" else int(memory) / MEGABYTE
        return Cost(time.monotonic(), float(cpu), megabytes, int(threads))

    def last_words(self) -> str:
        """The last line that it wrote to stderr: of a dead server, why it died."""
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    def died(self, patience: float = 1.0) -> str:
        """The name of the exception that it dies of within `patience` seconds; "" while it lives."""
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return ""
        return self.last_words().partition(":")[0] or "dead"

    def interrupt(self, patience: float = 1.0) -> Union[float, str, None]:
        """Ctrl-C: the seconds until it has ended, or that it has not; None where it cannot be asked to."""
        if sys.platform == "win32":
            return None
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            return f"not within {patience:g} s"
        return time.monotonic() - began

    def close(self) -> None:
        """End it, at once."""
        self._limit.cancel()
        self.process.kill()
        self.process.communicate()
        self._errors.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def per_second(before: Optional[Cost], after: Optional[Cost]) -> Optional[float]:
    """CPU seconds for each second between two costs; None when the server died."""
    if before is None or after is None:
        return None
    return (after.cpu - before.cpu) / (after.clock - before.clock)


def growth(before: Optional[Cost], after: Optional[Cost]) -> Optional[float]:
    """Megabytes more than before; None when the server died or the system does not tell."""
    if before is None or after is None or before.memory is None or after.memory is None:
        return None
    return after.memory - before.memory
