"""What an HTTP application sees: a request in, a response out.

    def hello(request: Request) -> Response:
        return Response(200, (("Content-Type", "text/plain"),), b"hello, world\\n")

That is the whole interface: an application is any callable that takes a
Request and returns a Response (or a Later, where the answer is not known yet).
The protocol calls it once for each request, in the order of arrival, never
while an earlier request of the same connection is still being answered.

1. The protocol frames.  It writes the status line, Date, Content-Length or
   Transfer-Encoding, and Connection; it leaves out the body for HEAD, 204 and
   304.  An application answers HEAD as it answers GET.
2. A body is bytes, a FileSlice, or a Stream.  The last two are owned by the
   protocol from the moment they are returned, and closed by it exactly once,
   however the exchange ends.
3. An application that raises, or returns what cannot be sent, costs its client
   a 500 and the connection, and nobody else anything.
"""
from __future__ import annotations

from typing import Any, BinaryIO, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from protocols.base import Address

Pairs = Tuple[Tuple[str, str], ...]

# What RequestHead.length and ResponseHead.length say when they are not a number of bytes.
CHUNKED = -1
UNTIL_EOF = -2


class Headers:
    """The header fields of one message: order, case and duplicates as they came; look-up in any case."""

    __slots__ = ("_lines", "_pairs", "_by_name")

    def __init__(self, pairs: Iterable[Tuple[str, str]] = ()) -> None:
        self._lines: Sequence[str] = ()
        self._pairs: Optional[Pairs] = tuple(pairs)
        self._by_name: Optional[Dict[str, str]] = None

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> Headers:
        """For a parser: sound field lines, of which most are never asked for, so they come apart when one is."""
        headers = cls()
        headers._lines = lines
        headers._pairs = None
        return headers

    @property
    def pairs(self) -> Pairs:
        """All of them, as they came."""
        if self._pairs is None:
            parts = (line.partition(":") for line in self._lines)
            self._pairs = tuple((name, value.strip(" \t\r")) for name, _, value in parts)
        return self._pairs

    def _combined(self) -> Dict[str, str]:
        if self._by_name is None:
            self._by_name = combine((name.lower(), value) for name, value in self.pairs)
        return self._by_name

    def get(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """The value of `name`; several are joined by a comma, which means the same (RFC 9110 section 5.3)."""
        return self._combined().get(name.lower(), default)

    def get_all(self, name: str) -> List[str]:
        """Each value of `name` in order, for the fields that a comma does not join (Set-Cookie)."""
        name = name.lower()
        return [value for each, value in self.pairs if each.lower() == name]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._combined()

    def __iter__(self) -> Iterator[Tuple[str, str]]:
        return iter(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.pairs == other.pairs

    def __repr__(self) -> str:
        return f"Headers({list(self.pairs)!r})"


def combine(pairs: Iterable[Tuple[str, str]]) -> Dict[str, str]:
    """By name; the values of one name are joined by a comma."""
    combined: Dict[str, str] = {}
    for name, value in pairs:
        combined[name] = combined[name] + ", " + value if name in combined else value
    return combined


class RequestHead:
    """The request line and the fields, as the parser gives them.  Shared by equal requests: do not change it."""

    __slots__ = ("method", "target", "path", "query", "version", "headers", "host",
                 "length", "keep_alive", "expects_continue", "connection")

    def __init__(self, method: str, target: str, path: str, query: str, version: Tuple[int, int],
                 headers: Headers, host: str, length: int, keep_alive: bool, expects_continue: bool) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.version = version
        self.headers = headers
        self.host = host
        self.length = length
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        #: What the field of that name says in the answer: HTTP/1.0 has to be told that the connection goes on.
        self.connection = "close" if not keep_alive else "" if version == (1, 1) else "keep-alive"

    def __repr__(self) -> str:
        return f"<RequestHead {self.method} {self.target}>"


class ResponseHead:
    """The status line and the fields, as the parser gives them to a client."""

    __slots__ = ("version", "status", "reason", "headers", "length", "keep_alive")

    def __init__(self, version: Tuple[int, int], status: int, reason: str, headers: Headers,
                 length: int, keep_alive: bool) -> None:
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers
        self.length = length
        self.keep_alive = keep_alive

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} {self.reason}>"


class Request:
    """One whole request: its head, its body (read within the limit), and who sent it."""

    __slots__ = ("head", "body", "peername")

    def __init__(self, head: RequestHead, body: bytes, peername: Address) -> None:
        self.head = head
        self.body = body
        self.peername = peername

    @property
    def method(self) -> str:
        """A token, in the case it came in: methods are case-sensitive (RFC 9110 section 9.1)."""
        return self.head.method

    @property
    def target(self) -> str:
        """What stood in the request line, untouched: no space, no control; bytes above ASCII as latin-1."""
        return self.head.target

    @property
    def path(self) -> str:
        """The path of the target, before any '?', with its %xx as they came; starts with '/', or is '*'.

        The bytes of a file name are `urllib.parse.unquote_to_bytes(path.encode("latin-1"))`.
        """
        return self.head.path

    @property
    def query(self) -> str:
        """What stood behind the first '?', with its %xx as they came; '' without one."""
        return self.head.query

    @property
    def version(self) -> Tuple[int, int]:
        """(1, 0) or (1, 1)."""
        return self.head.version

    @property
    def headers(self) -> Headers:
        """The fields of the head."""
        return self.head.headers

    @property
    def host(self) -> str:
        """Whom it is meant for, checked: the authority of the target, else the Host field, else '' (HTTP/1.0)."""
        return self.head.host

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target} {len(self.body)} bytes>"


class FileSlice:
    """A body of exactly `count` bytes of a file opened for reading in binary, from `offset` on.

    `file` has a descriptor.  The protocol sends it piece by piece as the peer
    takes it, by sendfile where the transport can.  A file that turns out shorter
    aborts the connection, since the length that was promised is already gone.
    """

    __slots__ = ("file", "offset", "count")

    def __init__(self, file: BinaryIO, offset: int, count: int) -> None:
        self.file = file
        self.offset = offset
        self.count = count

    def close(self) -> None:
        """Called by the protocol once the slice is sent, or is not wanted any more."""
        self.file.close()


def _nobody_waits() -> None:
    """What wake() does while no protocol has stopped to wait."""


class Stream:
    """A body that is made while it is sent.  `trailers` may be set up to its last piece.

    The next piece is asked for only while the transport's queue is below its
    low-water mark.  The empty piece means "nothing yet": the stream is then
    left alone until the application calls wake(), from the loop's own thread.
    The end of the iterator is the end of the body.  Without a Content-Length
    among the response's headers the pieces leave as chunks (HTTP/1.1), followed
    by the trailers if the client asked for them ("TE: trailers"), or up to the
    end of the connection (HTTP/1.0).  An iterator that raises, or gives more or
    less than the Content-Length, aborts the connection.
    """

    __slots__ = ("pieces", "trailers", "wake")

    def __init__(self, pieces: Iterable[bytes], trailers: Pairs = ()) -> None:
        self.pieces = iter(pieces)
        self.trailers = trailers
        #: Ask me again.  Harmless at any time: early, late, twice, or after close().
        self.wake: Callable[[], None] = _nobody_waits

    def close(self) -> None:
        """Called by the protocol once the body is sent, or is not wanted any more: closes a generator."""
        self.wake = _nobody_waits
        close = getattr(self.pieces, "close", None)
        if close is not None:
            close()


Body = Union[bytes, FileSlice, Stream]


class Response:
    """A status, header fields, and a body.

    `headers` is a tuple of (name, value) pairs of str, in the order in which
    they are sent; values are latin-1 and without control characters.  Date,
    Connection and the framing are added by the protocol: name Content-Length
    only for a Stream whose length is known, and Connection ("close") only to
    end the connection after this answer.  A response is not changed by sending
    it: one whose body is bytes may be returned again and again.
    """

    __slots__ = ("status", "headers", "body")

    def __init__(self, status: int = 200, headers: Iterable[Tuple[str, str]] = (), body: Body = b"") -> None:
        self.status = status
        self.headers: Pairs = tuple(headers)
        self.body = body

    def close(self) -> None:
        """Release the body; bytes need none."""
        if not isinstance(self.body, bytes):
            self.body.close()

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


class Later:
    """Returned in place of a Response whose making takes a while (a child process, another server).

    The connection reads nothing while it waits.  Call answer() once, from the
    loop's own thread.  If the client leaves first, `on_cancel` is called once
    instead, and an answer that comes nevertheless is closed and dropped.
    """

    __slots__ = ("_on_cancel", "_deliver", "_response", "_settled")

    def __init__(self, on_cancel: Optional[Callable[[], None]] = None) -> None:
        self._on_cancel = on_cancel
        self._deliver: Optional[Callable[[Response], Any]] = None
        self._response: Optional[Response] = None
        self._settled = False

    def answer(self, response: Response) -> None:
        """Send `response`, as soon as the protocol has seen this object.  A second one is closed and dropped."""
        if self._settled or self._response is not None:
            response.close()
        elif self._deliver is None:
            self._response = response
        else:
            self._settled = True
            self._deliver(response)

    def deliver_to(self, deliver: Callable[[Response], Any]) -> None:
        """For the protocol: call `deliver` with the response, perhaps at once."""
        self._deliver = deliver
        response, self._response = self._response, None
        if response is not None:
            self.answer(response)

    def cancel(self) -> None:
        """For the protocol: nobody is waiting any more."""
        if not self._settled:
            self._settled = True
            if self._on_cancel is not None:
                self._on_cancel()


Answer = Union[Response, Later]
Application = Callable[[Request], Answer]


def text_response(text: str, status: int = 200, headers: Iterable[Tuple[str, str]] = ()) -> Response:
    """`text` as text/plain in UTF-8."""
    return Response(status, (("Content-Type", "text/plain; charset=utf-8"), *headers), text.encode())
