"""Programs below cgi-bin/ answer requests (RFC 3875), their pipes in the same select() as everything else.

A program gets the request as environment variables and its body on stdin; what
it writes to stdout is a head, an empty line, and a body:

    #!/bin/sh
    echo "Content-Type: text/plain"
    echo
    echo "Hello $REMOTE_ADDR"

POSIX only, since select() takes no pipes on Windows.  What is left out: "local
redirects" reach the client as redirects, and the query never becomes arguments of
the command line (CVE-2012-1823 is what came of that).
"""
from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from collections import deque
from dataclasses import dataclass
from typing import Deque, Dict, Iterator, List, Optional, Tuple

from protocols.http.message import Answer, Application, Later, Pairs, Request, Response, Stream
from protocols.http.paths import is_within, quote_name, split_path
from protocols.http.representation import error_response
from reactor import Reactor
from reactor.endpoint import Watcher

FOLDER = "cgi-bin"
METHODS = ("GET", "HEAD", "POST")

# Beyond this a program waits for its client, as a server's own bodies do.
HIGH_WATER = 64 * 1024
HEAD_LIMIT = 16 * 1024
REAP_EVERY = 0.05

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_HEAD_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_STATUS = re.compile(r"([2-5][0-9]{2})(?: .*)?")
# Framing is the server's; the status is not a field.
_NOT_PASSED = ("status", "connection", "content-length", "keep-alive", "transfer-encoding", "upgrade", "trailer")
# Not for programs: Proxy would become HTTP_PROXY, which HTTP libraries obey (httpoxy); the rest has its own variable.
_NOT_TOLD = ("proxy", "authorization", "content-type", "content-length", "transfer-encoding", "connection")


@dataclass(frozen=True)
class CgiLimits:
    """How long a program may run, in seconds; how much it may say, in bytes; how many may run at once."""

    seconds: float = 30.0
    output: int = 64 * 1024 * 1024
    programs: int = 16


class CgiApplication:
    """Runs what lies below `directory`/cgi-bin, never shows it; hands every other request to `otherwise`."""

    def __init__(self, reactor: Reactor, directory: str, otherwise: Application, *, server: Tuple[str, int],
                 limits: CgiLimits = CgiLimits()) -> None:
        self.reactor = reactor
        self.limits = limits
        self._root = os.path.realpath(directory)
        self._folder = os.path.realpath(os.path.join(self._root, FOLDER))
        self._otherwise = otherwise
        self._server = server
        self._running: Dict[int, Child] = {}

    def __call__(self, request: Request) -> Answer:
        """The answer; a Later where a program makes it."""
        names = split_path(request.path)
        if names is None or not self._is_ours(names):
            return self._otherwise(request)
        if request.method not in METHODS:
            return error_response(405, (("Allow", ", ".join(METHODS)),))
        status, count = self._find(names)
        if status != 200:
            return error_response(status)
        if len(self._running) >= self.limits.programs:
            return error_response(503, (("Retry-After", "1"),))
        return self._run(request, names[:count], names[count:])

    def _is_ours(self, names: List[str]) -> bool:
        """By name, whatever the case, for file systems that ignore it; and by place, for links that lead there."""
        if names and names[0].casefold() == FOLDER:
            return True
        return is_within(self._folder, os.path.realpath(os.path.join(self._root, *names)))

    def _find(self, names: List[str]) -> Tuple[int, int]:
        """200, and how many of `names` lead to the program: the rest is its PATH_INFO.  Else 403 or 404."""
        for count in range(1, len(names) + 1):
            path = os.path.realpath(os.path.join(self._root, *names[:count]))
            try:
                mode = os.stat(path).st_mode
            except OSError:
                break
            if stat.S_ISREG(mode):
                may_run = is_within(self._folder, path) and os.access(path, os.X_OK)
                return (200 if may_run else 403), count
        return 404, 0

    def _run(self, request: Request, names: List[str], rest: List[str]) -> Answer:
        path = os.path.realpath(os.path.join(self._root, *names))
        try:
            child = Child(self, path, self._variables(request, names, rest), request.body)
        except (OSError, ValueError):  # no interpreter, no processes, no descriptors left; none that select can hold
            return error_response(500)
        return child.later

    def _variables(self, request: Request, names: List[str], rest: List[str]) -> Dict[str, str]:
        """RFC 3875 section 4.1, and nothing of our own environment but PATH."""
        # As the client calls us, for only it knows what stands between; as the command line does where it is silent.
        name, said_port = _host_and_port(request.host)
        peer = request.peername[0] if isinstance(request.peername, tuple) else "127.0.0.1"
        variables = {
            "GATEWAY_INTERFACE": "CGI/1.1", "PATH": os.environ.get("PATH", os.defpath),
            "QUERY_STRING": _text(request.query), "REMOTE_ADDR": peer, "REMOTE_HOST": peer,
            "REQUEST_METHOD": request.method, "SCRIPT_NAME": "/" + "/".join(map(quote_name, names)),
            "SERVER_NAME": name or self._server[0], "SERVER_PORT": said_port or str(self._server[1] or 80),
            "SERVER_PROTOCOL": "HTTP/%d.%d" % request.version, "SERVER_SOFTWARE": "see-through-reactor"}
        if rest:
            variables["PATH_INFO"] = "/" + "/".join(rest) + ("/" if request.path.endswith("/") else "")
            variables["PATH_TRANSLATED"] = os.path.join(self._root, *rest)
        if request.body:
            variables["CONTENT_LENGTH"] = str(len(request.body))
        kind = request.headers.get("Content-Type")
        if kind is not None:
            variables["CONTENT_TYPE"] = _text(kind)
        for name in {name.lower() for name, _ in request.headers}:
            # X_Y and X-Y would become the same variable; the one that nobody sends by accident is dropped.
            if name not in _NOT_TOLD and "_" not in name:
                value = request.headers.get(name) or ""
                variables["HTTP_" + name.upper().replace("-", "_")] = _text(value)
        return variables

    def close(self) -> None:
        """Kill what still runs, and wait for its end."""
        for child in list(self._running.values()):
            child.kill()
            child.wait()

    def started(self, child: Child) -> None:
        """From now on it counts."""
        self._running[child.pid] = child

    def reaped(self, child: Child) -> None:
        """It counts no more."""
        del self._running[child.pid]


class Child:
    """One program, from its start until it is dead and its answer sent; also the iterator of its body's pieces.

    Raises OSError or ValueError where it cannot be started or watched.
    """

    def __init__(self, application: CgiApplication, path: str, variables: Dict[str, str], body: bytes) -> None:
        self.later = Later(self.kill)
        self._application = application
        self._reactor = application.reactor
        self._limits = application.limits
        self._head = b""
        self._stream: Optional[Stream] = None
        self._pieces: Deque[bytes] = deque()
        self._queued = 0
        self._total = 0
        self._eof = False
        self._failure: Optional[str] = None
        self._body = memoryview(body)
        self._reader: Optional[Watcher] = None
        self._writer: Optional[Watcher] = None
        self._process = subprocess.Popen(
            [path], bufsize=0, stdin=subprocess.PIPE if body else subprocess.DEVNULL, stdout=subprocess.PIPE,
            cwd=os.path.dirname(path), env=variables, start_new_session=True)
        self.pid = self._process.pid
        application.started(self)
        self._timer = self._reactor.call_later(self._limits.seconds, self._too_late)
        self._reaper = self._reactor.call_later(REAP_EVERY, self._reap)
        try:
            self._watch_pipes()
        except BaseException:
            self.kill()
            raise

    def _watch_pipes(self) -> None:
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._read_on()
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
            self._writer = self._reactor.add_writer(self._process.stdin, self._on_writable)

    def _cancel(self, watcher: Optional[Watcher]) -> None:
        if watcher is not None:
            watcher.cancel()

    # stdin

    def _on_writable(self) -> None:
        assert self._process.stdin is not None
        try:
            self._body = self._body[os.write(self._process.stdin.fileno(), self._body):]
        except BlockingIOError:
            return
        except OSError:
            self._body = self._body[:0]  # it does not want to read: that is its right
        if not self._body:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._cancel(self._writer)
            self._process.stdin.close()

    # stdout

    def _read_on(self) -> None:
        assert self._process.stdout is not None
        if not self._process.stdout.closed:
            self._reader = self._reactor.add_reader(self._process.stdout, self._on_readable)

    def _on_readable(self) -> None:
        assert self._process.stdout is not None
        try:
            data = os.read(self._process.stdout.fileno(), HIGH_WATER)
        except BlockingIOError:
            return
        self._total += len(data)
        if not data:
            self._end_of_output()
        elif self._total > self._limits.output:
            self._fail("said too much", 502)
        elif self._stream is None:
            self._head_received(data)
        else:
            self._queue(data)

    def _head_received(self, data: bytes) -> None:
        self._head += data
        end = _BLANK_LINE.search(self._head)
        if end is None:
            if len(self._head) > HEAD_LIMIT:
                self._fail("has no head", 502)
            return
        try:
            status, headers = parse_head(self._head[:end.start()].decode("latin-1"))
        except ValueError:
            self._fail("has a bad head", 502)
            return
        self._stream = Stream(self)
        self._queue(self._head[end.end():])
        self._head = b""
        self.later.answer(Response(status, headers, self._stream))

    def _queue(self, data: bytes) -> None:
        if data:
            self._pieces.append(data)
            self._queued += len(data)
        if self._queued > HIGH_WATER:
            self._cancel(self._reader)
        if self._stream is not None:
            self._stream.wake()

    def _end_of_output(self) -> None:
        self._eof = True
        self._close_stdout()
        if self._stream is None:
            self._fail("ended without a head", 502)
        else:
            self._stream.wake()

    def _close_stdout(self) -> None:
        if self._process.stdout is not None and not self._process.stdout.closed:
            self._cancel(self._reader)
            self._process.stdout.close()

    # The pieces of the body, as the server asks for them

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._failure is not None:
            raise OSError(self._failure)
        if self._pieces:
            piece = self._pieces.popleft()
            was_full = self._queued > HIGH_WATER
            self._queued -= len(piece)
            if was_full and self._queued <= HIGH_WATER:
                self._read_on()
            return piece
        if self._eof:
            raise StopIteration
        return b""

    def close(self) -> None:
        """The body is sent, or its client gone: a program that still writes has no reader."""
        if not self._eof:
            self.kill()

    # The end

    def _too_late(self) -> None:
        self._fail("took too long", 504)

    def _fail(self, why: str, status: int) -> None:
        """Before its head the client is told; after it, the connection ends, as the body has no end."""
        self.kill()
        self._failure = f"the program {why}"
        if self._stream is None:
            self.later.answer(error_response(status))
        else:
            self._stream.wake()

    def kill(self) -> None:
        """End it and all that it started, at once.  Twice does nothing."""
        self._timer.cancel()
        self._close_stdin()
        self._close_stdout()
        if self._process.returncode is None:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended, and waits to be reaped

    def wait(self) -> None:
        """Until it is dead; call kill() first."""
        self._process.wait()
        self._reaper.cancel()
        self._reap()

    def _reap(self) -> None:
        if self._process.poll() is None:
            self._reaper = self._reactor.call_later(REAP_EVERY, self._reap)
            return
        self._application.reaped(self)
        self._close_stdin()
        if self._eof:
            self._timer.cancel()


def parse_head(text: str) -> Tuple[int, Pairs]:
    """Status and fields of a program's head (RFC 3875 section 6).  Raises ValueError."""
    found = [_HEAD_LINE.fullmatch(line) for line in text.replace("\r\n", "\n").split("\n")]
    pairs = [(match[1], match[2].strip(" \t")) for match in found if match is not None]
    if len(pairs) != len(found):
        raise ValueError("not a header line")
    named = {name.lower(): value for name, value in pairs}
    status = _STATUS.fullmatch(named.get("status", "302" if "location" in named else "200"))
    if status is None or not named.keys() & {"content-type", "location", "status"}:
        raise ValueError("no Content-Type, Location or Status")
    return int(status[1]), tuple(pair for pair in pairs if pair[0].lower() not in _NOT_PASSED)


def _text(value: str) -> str:
    """What came as bytes goes on as the same bytes."""
    return os.fsdecode(value.encode("latin-1"))


def _host_and_port(host: str) -> Tuple[str, str]:
    """Both parts of a Host field, '' for what it does not say."""
    found = re.fullmatch(r"(.*?)(?::([0-9]*))?", host)
    return (found[1], found[2] or "") if found else ("", "")
