"""How a sleeping select is woken: one byte on a socketpair whose other end is always watched.

Another thread appends its callback first and sends the byte after: should select have begun
to sleep between the two, the byte ends that sleep.  The bytes mean nothing and may run together.

A signal may arrive just before select falls asleep; its Python handler would then wait for the
sleep to end.  `signal.set_wakeup_fd` lets the interpreter itself send the byte at the moment of the
signal, which is also what makes Ctrl-C heard on Windows.
"""
from __future__ import annotations

import contextlib
import signal
import socket
import threading
from typing import Any, Callable, Dict, Iterator

from .errors import NOT_NOW
from .loop import EventLoop


class Wakeup:
    """The pair, and the signals that were asked for."""

    name = "the loop"

    def __init__(self, loop: EventLoop) -> None:
        self._ear, self._mouth = socket.socketpair()
        self._ear.setblocking(False)
        self._mouth.setblocking(False)
        self._watcher = loop.add_reader(self._ear, self._drain)
        loop.working_set.urgent.add(self._ear.fileno())
        self._before: Dict[int, Any] = {}  # what handled each signal before us

    def why(self, writing: bool) -> str:
        """The reason why select watches this."""
        return "its wake-up socket"

    def fileno(self) -> int:
        """What select must be asked about each time, so that the loop can be woken."""
        return self._ear.fileno()

    def wake(self) -> None:
        """End the present or the next sleep.  From any thread, at any time, even after close()."""
        try:
            self._mouth.send(b"\0")
        except OSError:
            pass  # full: it is being woken already; closed: nobody sleeps any more

    def _drain(self) -> None:
        try:
            while self._ear.recv(4096):
                pass
        except OSError as exc:
            if exc.errno not in NOT_NOW:
                raise

    @contextlib.contextmanager
    def hearing_signals(self) -> Iterator[None]:
        """While inside, a signal wakes the loop.  Only the main thread can hear; others pass."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)

    def on_signal(self, signum: int, callback: Callable[[], object]) -> None:
        """Call `callback` at each such signal, between any two instructions of the main thread, until close()."""
        self._before.setdefault(signum, signal.signal(signum, lambda signum, frame: callback()))

    def close(self) -> None:
        """Give the signals back to whom they belonged, and close the pair.  Twice is once."""
        for signum, before in self._before.items():
            signal.signal(signum, before)
        self._before.clear()
        self._watcher.cancel()
        self._ear.close()
        self._mouth.close()
