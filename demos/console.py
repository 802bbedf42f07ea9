"""What the clients share: standard input as events, one line of regret, and an exit status.

select() cannot watch a file, and on Windows no terminal either, so a thread reads standard input.  It
reads only when it is asked to: a huge file that is piped in never piles up in memory.
"""
from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import threading
from typing import Any, Callable, NoReturn, Optional

from protocols.lines import LineBuffer, LineTooLong
from reactor import Reactor

from .commandline import Parser, keep_standard_streams, port, positive, say, silence
from .glassbox.observe import add_options, observed

PIECE = 64 * 1024
LONGEST_LINE = 1024 * 1024


class Console:
    """One client program: its loop, its input, how it ends.  `options` say who observes the loop."""

    def __init__(self, reactor: Reactor, options: argparse.Namespace, prompt: str = "", *,
                 always_prompt: bool = False) -> None:
        self.reactor = reactor
        self.status: Optional[int] = None
        self.observers = contextlib.ExitStack()  # which see the loop's end too
        self.observers.enter_context(observed(reactor, options, Parser(prog=program())))
        self.typing = os.isatty(0)
        self._prompt = prompt if self.typing else f"{prompt}\n" if always_prompt else ""
        self._lines = LineBuffer(LONGEST_LINE)
        self._ended = False
        self._wanted = threading.Semaphore(0)
        self._callback: Callable[[bytes], object] = len
        # A daemon, because nobody can end a read from a terminal.
        threading.Thread(target=self._work, daemon=True).start()

    def read(self, callback: Callable[[bytes], object]) -> None:
        """Call back once with what standard input holds next, b"" at its end; ask again only after that."""
        self._callback = callback
        self._wanted.release()

    def _work(self) -> None:
        while self._wanted.acquire():
            try:
                data = os.read(0, PIECE)  # sys.stdin's lock, if held at exit, would abort the interpreter
            except OSError:
                data = b""  # a terminal that is gone
            try:
                self.reactor.call_soon_threadsafe(self._callback, data)
            except RuntimeError:
                return  # closed meanwhile

    def ask(self, callback: Callable[[Optional[bytes]], object]) -> None:
        """Prompt, then call back once with the next line of input, None at its end."""
        self.write(self._prompt.encode())
        self._next_line(callback)

    def _next_line(self, callback: Callable[[Optional[bytes]], object]) -> None:
        def more(data: bytes) -> None:
            self._ended = not data
            self._lines.feed(data)
            self._next_line(callback)

        try:
            for line in self._lines:
                return self._later(callback, line)
            if not self._ended:
                return self.read(more)
            self._later(callback, self._lines.take_rest() if self._lines.pending else None)
        except LineTooLong as exc:
            self.finish(1, f"standard input: {exc}")

    def _later(self, callback: Callable[[Optional[bytes]], object], line: Optional[bytes]) -> None:
        # From a turn of its own, so that thousands of lines in one piece do not nest as deep.
        self.reactor.call_soon(callback, line)

    def write(self, data: bytes) -> None:
        """Write to standard output, as it is and at once; where nobody reads it, the program ends."""
        if not data or sys.stdout is None:
            return
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except (OSError, ValueError):
            silence(sys.stdout)
            self.finish(0)

    def finish(self, status: int, regret: str = "") -> None:
        """End the program, with a line on stderr if there is something to regret.  The first call decides."""
        if self.status is None:
            self.status = status
            if regret:
                say(regret, sys.stderr)
            self.reactor.stop()

    def failed(self, exc: BaseException) -> None:
        """The server is not there."""
        nobody = isinstance(exc, (ConnectionRefusedError, FileNotFoundError))
        self.finish(1, f"{getattr(exc, 'strerror', None) or exc}{': is the server running?' if nobody else ''}")


def program() -> str:
    """The name of this one."""
    return os.path.basename(sys.argv[0]).replace(".py", "")


def arguments(description: str, default_port: Optional[int]) -> argparse.ArgumentParser:
    """The options of every client; HOST and PORT may be left out where there is a default port."""
    parser = Parser(prog=program(), description=description)
    parser.add_argument("host", nargs="?", default="127.0.0.1", metavar="HOST", help="%(default)s by default")
    parser.add_argument("port", nargs="?", default=default_port, type=port, metavar="PORT",
                        help="%(default)s by default" if default_port else None)
    parser.add_argument("--unix", metavar="PATH", help="connect to a Unix socket instead")
    parser.add_argument("--timeout", type=positive, default=5.0, metavar="SECONDS", help="to connect: %(default)g")
    add_options(parser)
    return parser


def connect(console: Console, options: argparse.Namespace, factory: Callable[[], Any]) -> None:
    """Connect as the options say; the program ends with status 1 where nobody answers."""
    if options.unix and not hasattr(socket, "AF_UNIX"):
        return console.finish(1, "this system has no Unix sockets")
    console.reactor.connect(factory, options.host, options.port or 0, unix=options.unix, timeout=options.timeout,
                            on_error=console.failed)


def run(start: Callable[[Reactor], Console]) -> NoReturn:
    """Run the client that `start` begins, and exit with its status; 130 after Ctrl-C."""
    keep_standard_streams()
    with Reactor() as reactor:
        console = start(reactor)
        try:
            reactor.run()
        except KeyboardInterrupt:
            if console.typing:
                say("")  # the shell's prompt would stand right behind ^C
            console.finish(130)
    console.observers.close()
    sys.exit(console.status)
