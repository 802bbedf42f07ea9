"""Fetch addresses over HTTP, many at once on one loop.

    python3 -m demos.http_fetch http://localhost:8080/           print a page
    python3 -m demos.http_fetch -o movie.mp4 -C URL              go on with a download that broke off
    python3 -m demos.http_fetch -d 'name=Ada' -i URL             send a form, show the answer's head

exit status, that of the first address that failed:
  0  all came whole, and none with an error
  1  the server was not there, or vanished, or does not speak HTTP
  2  the command line is wrong, or names what cannot be fetched (https)
  3  the server answered with an error (400 to 599)
  4  a time limit was reached
  5  a redirect leads nowhere, or in a circle
  6  the output could not be written
"""
from __future__ import annotations

import argparse
import os
import sys
from collections import deque
from typing import Callable, Deque, List, Optional, Sequence, Tuple, TypeVar
from urllib.parse import unquote, urlsplit

from protocols.http.client import (ExchangeError, HttpClient, ReadTimeout, RedirectError, check_redirects,
                                   expected_length, redirected, request_bytes, resumed_at, unsatisfied_length)
from protocols.http.fields import parse_field
from protocols.http.message import ResponseHead
from protocols.http.urls import Url, parse_url
from reactor import Reactor

from .commandline import Parser, keep_standard_streams, positive, say, silence
from .glassbox.observe import add_options, observed
from .http_output import FileOutput, InOrder, Output, Progress

T = TypeVar("T")

OK, UNREACHABLE, USAGE, ERROR_ANSWER, TOO_LATE, BAD_REDIRECT, NO_OUTPUT = range(7)

# Not told to another server that a redirect names: they were meant for the first.
_CONFIDENTIAL = ("authorization", "cookie", "host", "proxy-authorization")


class Fetch:
    """One address, from the first connection to the end of the last redirect.  Reports to its `session` once."""

    def __init__(self, session: Session, url: Url, output: Output) -> None:
        self.session = session
        self.output = output
        self.status: Optional[int] = None
        self.received = 0  # with what was there from an earlier time
        self.fresh = 0
        self.expected: Optional[int] = None
        self._options = session.options
        self._fields: List[Tuple[str, str]] = list(self._options.header)
        self._steps = [(url, self._method())]
        self._offset = output.already() if self._options.resume else 0
        self._error_answer = False
        self._skips_body = False
        self._client: Optional[HttpClient] = None

    def __str__(self) -> str:
        return str(self._steps[-1][0])

    def _method(self) -> str:
        if self._options.head:
            return "HEAD"
        return "GET" if self._options.data is None else "POST"

    def start(self) -> None:
        """Connect, to the proxy if there is one."""
        url, _ = self._steps[-1]
        peer = self._options.proxy or url
        self.session.reactor.connect(self._make_client, peer.host, peer.port, timeout=self._options.connect_timeout,
                                     on_error=self._not_connected)

    def _make_client(self) -> HttpClient:
        url, method = self._steps[-1]
        fields = self._fields + ([("Range", f"bytes={self._offset}-")] if self._offset else [])
        body = os.fsencode("&".join(self._options.data)) if method == "POST" else None
        request = request_bytes(method, url, fields, body, through_proxy=self._options.proxy is not None)
        self._client = HttpClient(request, self, call_later=self.session.reactor.call_later,
                                  read_timeout=self._options.read_timeout)
        return self._client

    def _not_connected(self, exc: OSError) -> None:
        self.end(TOO_LATE if isinstance(exc, TimeoutError) else UNREACHABLE, exc.strerror or str(exc))

    def _cannot_write(self, exc: OSError) -> None:
        # Whoever reads our output and has enough of it closes the pipe: no reason to complain.
        self.end(NO_OUTPUT, None if isinstance(exc, BrokenPipeError) else f"cannot write: {exc}")

    # What the exchange reports

    def head_received(self, head: ResponseHead) -> None:
        """Follow a redirect, or get ready for the body."""
        try:
            url, method = self._steps[-1]
            step = redirected(url, method, head)
            if step is None:
                self._begin(head)
            else:
                self._follow(step)
        except RedirectError as exc:
            self.end(BAD_REDIRECT, str(exc))
        except OSError as exc:
            self._cannot_write(exc)

    def body_received(self, data: bytes) -> None:
        """Write it where it belongs."""
        self.received += len(data)
        self.fresh += len(data)
        if not self._skips_body:
            try:
                self.output.write(data)
            except OSError as exc:
                self._cannot_write(exc)

    def finished(self, error: Optional[ExchangeError]) -> None:
        """The response is there, or will never be."""
        if error is None:
            self.end(ERROR_ANSWER if self._error_answer else OK, None)
        else:
            self.end(TOO_LATE if isinstance(error, ReadTimeout) else UNREACHABLE, str(error))

    # The three things that a head can mean

    def _follow(self, step: Tuple[Url, str]) -> None:
        here, _ = self._steps[-1]
        self._steps.append(step)
        check_redirects(self._steps)
        if step[0][:2] != here[:2]:
            self._fields = [pair for pair in self._fields if pair[0].lower() not in _CONFIDENTIAL]
        self._leave()
        self.start()

    def _begin(self, head: ResponseHead) -> None:
        self.expected = expected_length(head)
        if head.status == 416 and self._offset and unsatisfied_length(head.headers) == self._offset:
            self._skips_body = True  # nothing is missing
        elif head.status >= 400:
            self._error_answer = True
            self._skips_body = not self.output.takes_errors
            self.session.say(f"{self}: the server answered {head.status} {head.reason}")
        else:
            self._open(head)
        if self.status is None and not self._skips_body and (self._options.include or self._options.head):
            self.output.write(_head_text(head))

    def _open(self, head: ResponseHead) -> None:
        if head.status != 206 or not self._offset:
            self.output.open(0)
            return
        where = resumed_at(head.headers)
        if where is None or where[0] != self._offset:
            self.end(UNREACHABLE, "the server sent another part than the one that is missing")
            return
        self.output.open(self._offset)
        self.received = self._offset
        self.expected = where[1]

    def _leave(self) -> None:
        if self._client is not None:
            self._client.cancel()
            self._client = None

    def end(self, status: int, words: Optional[str]) -> None:
        """Over, one way or another; only the first call counts."""
        if self.status is not None:
            return
        self.status = status
        self._leave()
        if words is not None:
            self.session.say(f"{self}: {words}")
        try:
            self.output.close()
        except OSError as exc:
            self.status = self.status or NO_OUTPUT
            if not isinstance(exc, BrokenPipeError):
                self.session.say(f"{self}: cannot write: {exc}")
        self.session.ended(self)


class Session:
    """All addresses of one command line, some of them at any one time."""

    def __init__(self, reactor: Reactor, options: argparse.Namespace) -> None:
        self.reactor = reactor
        self.options = options
        in_order = InOrder(sys.stdout.buffer)
        names = iter(options.output)
        self.fetches: List[Fetch] = []
        for url in options.url:
            name = next(names, None)
            output = in_order.part() if name is None else FileOutput(_file_for(name, url))
            self.fetches.append(Fetch(self, url, output))
        self._waiting: Deque[Fetch] = deque(self.fetches)
        self._open = 0
        mixes = sys.stdout.isatty() and len(options.output) < len(options.url)
        self._progress = Progress(self.fetches, reactor.call_later, None if mixes else sys.stderr)

    def run(self) -> int:
        """Fetch everything; the exit status."""
        self._fill()
        if self._open:
            self.reactor.run()
        self._progress.close()
        return next((fetch.status for fetch in self.fetches if fetch.status), OK)

    def _fill(self) -> None:
        while self._waiting and self._open < self.options.parallel:
            self._open += 1
            self._waiting.popleft().start()

    def ended(self, fetch: Fetch) -> None:
        """Called once by each fetch."""
        self._open -= 1
        self._fill()
        if not self._open:
            # In the next turn, so that the last connection is closed by then.
            self.reactor.call_soon(self.reactor.stop)

    def say(self, words: str) -> None:
        """One line for the user, clear of the progress bar."""
        self._progress.clear()
        say(f"http_fetch: {words}", sys.stderr)


def _head_text(head: ResponseHead) -> bytes:
    lines = [f"HTTP/{head.version[0]}.{head.version[1]} {head.status} {head.reason}"]
    lines += [f"{name}: {value}" for name, value in head.headers]
    return ("\n".join(lines) + "\n\n").encode("latin-1")


def _file_for(name: str, url: Url) -> str:
    """`name`; in a folder, the last name in the address."""
    if not (os.path.isdir(name) or name.endswith(("/", os.sep))):
        return name
    last = os.path.basename(unquote(urlsplit(url.target).path).replace("\\", "/").replace("\0", ""))
    return os.path.join(name, last if last.strip(". ") else "index.html")


def _checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A ValueError's own sentence in place of argparse's."""
    def convert(text: str) -> T:
        try:
            return parse(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(str(exc)) from None
    return convert


def parse_arguments(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """The options; a wrong one ends the program with status 2 and a line that says why."""
    title, _, rest = (__doc__ or "").partition("\n")
    parser = Parser(prog="http_fetch", description=title, epilog=rest,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("url", nargs="+", type=_checked(parse_url), metavar="URL", help="an http:// address; https is not spoken")
    add("-o", "--output", action="append", default=[], metavar="FILE",
        help="save the next URL's body there, or in that folder; otherwise it is printed")
    add("-C", "--continue", dest="resume", action="store_true", help="ask only for what FILE lacks (needs -o)")
    add("-i", "--include", action="store_true", help="put the answer's head before its body")
    add("-I", "--head", action="store_true", help="ask for the head only, and print it")
    add("-H", "--header", action="append", default=[], type=_checked(parse_field), metavar="'Name: value'",
        help="send this field, in place of ours of the same name")
    add("-d", "--data", action="append", metavar="DATA", help="send DATA, as a form does: POST in place of GET")
    add("--proxy", type=_checked(parse_url), metavar="HOST:PORT", help="ask this proxy")
    add("--connect-timeout", type=positive, default=10.0, metavar="SECONDS", help="limit to connect (10)")
    add("--read-timeout", type=positive, default=30.0, metavar="SECONDS", help="limit of silence (30)")
    # As many as browsers open.  Beyond its backlog (http.server: 5) a server makes newcomers wait for seconds.
    add("--parallel", type=int, default=6, metavar="N", help="connections at once (6)")
    add_options(parser)
    options = parser.parse_args(arguments)
    if options.head and options.data is not None:
        parser.error("-I asks for a head, -d sends data: choose one")
    if len(options.output) > len(options.url):
        parser.error("more -o than addresses")
    if options.resume and len(options.output) < len(options.url):
        parser.error("-C needs -o, to know what is already there")
    if not 0 < options.parallel <= 500:
        parser.error("--parallel is between 1 and 500")
    return options


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """The program; returns its exit status."""
    options = parse_arguments(arguments)
    try:
        reactor = Reactor()
        with observed(reactor, options, Parser(prog="http_fetch")), reactor:
            status = Session(reactor, options).run()
        try:
            sys.stdout.flush()
        except OSError:
            silence(sys.stdout)  # its reader has left; Python would try once more, and complain
        return status
    except KeyboardInterrupt:
        say("http_fetch: stopped", sys.stderr)
        return 130


if __name__ == "__main__":
    keep_standard_streams()
    sys.exit(main())
