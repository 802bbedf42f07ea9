"""From messages to bytes: heads, and the framing of bodies.

A head is a pure function of what stands in it, so the last few hundred are
remembered, Date included: a busy server writes the same head thousands of times
within its second.
"""
from __future__ import annotations

import re
import time
from functools import lru_cache
from http import HTTPStatus
from typing import BinaryIO, Iterator, Tuple

from protocols.http.message import CHUNKED, UNTIL_EOF, FileSlice, Pairs, Stream

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# A read of this size costs a file system little, and a queue of one such piece keeps a fast network busy.
PIECE = 64 * 1024

# RFC 9110 sections 15.3.5 and 15.4.5.
WITHOUT_BODY = (204, 304)

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IS_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_IS_VALUE = re.compile(r"[\t -~\x80-\xff]*").fullmatch
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class BodyMismatch(Exception):
    """A body is shorter or longer than the length that was promised."""


def http_date(second: int) -> str:
    """`second` (of the Unix era) as RFC 9110 section 5.6.7 writes it, whatever the locale."""
    year, month, day, hour, minute, sec, weekday = time.gmtime(second)[:7]
    return f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year} {hour:02}:{minute:02}:{sec:02} GMT"


def field_lines(headers: Pairs) -> str:
    """The lines of `headers`.  A name or value that would break out of its line raises ValueError."""
    for name, value in headers:
        if not _IS_NAME(name) or not _IS_VALUE(value):
            raise ValueError(f"not a header field: {name!r}: {value!r}")
    return "".join(f"{name}: {value}\r\n" for name, value in headers)


def request_head(method: str, target: str, headers: Pairs) -> bytes:
    """The head of a request by HTTP/1.1.  Host and framing are the caller's; bad parts raise ValueError."""
    if not _IS_NAME(method) or not re.fullmatch(r"[!-~\x80-\xff]+", target):
        raise ValueError(f"not a request line: {method!r} {target!r}")
    return f"{method} {target} HTTP/1.1\r\n{field_lines(headers)}\r\n".encode("latin-1")


@lru_cache(maxsize=512)
def response_head(status: int, headers: Pairs, length: int, connection: str, second: int) -> Tuple[bytes, bool]:
    """The head of a response sent at `second`, and whether the connection ends behind it.

    `length` is that of the body, CHUNKED or UNTIL_EOF; 204 and 304 name none.
    `connection` is the value of that field, '' for none; `headers` may turn it
    into 'close'.  Raises ValueError for what cannot be sent.
    """
    if not 200 <= status <= 599:
        raise ValueError(f"not a final status: {status!r}")
    headers, options = without(headers, "connection")
    if "close" in options:
        connection = "close"
    names = {name.lower() for name, _ in headers}
    if not names.isdisjoint(("transfer-encoding", "content-length")):
        raise ValueError("Content-Length and Transfer-Encoding are the protocol's to say")
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}\r\n"]
    if "date" not in names:
        lines.append(f"Date: {http_date(second)}\r\n")
    lines.append(field_lines(headers))
    if status not in WITHOUT_BODY and length != UNTIL_EOF:
        lines.append("Transfer-Encoding: chunked\r\n" if length == CHUNKED else f"Content-Length: {length}\r\n")
    if connection:
        lines.append(f"Connection: {connection}\r\n")
    return "".join((*lines, "\r\n")).encode("latin-1"), connection == "close"


def without(headers: Pairs, *names: str) -> Tuple[Pairs, Tuple[str, ...]]:
    """`headers` less the fields of these (lower-case) names, and their values in the order found."""
    kept = tuple(pair for pair in headers if pair[0].lower() not in names)
    return kept, tuple(value for name, value in headers if name.lower() in names)


def chunked(stream: Stream, with_trailers: bool) -> Iterator[bytes]:
    """The pieces of `stream` as chunks (RFC 9112 section 7.1); an empty piece stays empty, and is no last chunk."""
    for piece in stream.pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
    trailers = field_lines(stream.trailers) if with_trailers else ""
    yield f"0\r\n{trailers}\r\n".encode("latin-1")


def counted(stream: Stream, length: int) -> Iterator[bytes]:
    """The pieces of `stream`; raises BodyMismatch unless they are `length` bytes together."""
    left = length
    for piece in stream.pieces:
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        raise BodyMismatch(f"a stream is not {length} bytes long")


def sliced(body: FileSlice) -> Iterator[bytes]:
    """The pieces of a slice; raises BodyMismatch if the file ends before it."""
    body.file.seek(body.offset)
    left = body.count
    while left:
        piece = _read(body.file, min(left, PIECE))
        left -= len(piece)
        yield piece


def _read(file: BinaryIO, count: int) -> bytes:
    """Up to `count` bytes, at least one."""
    piece = file.read(count)
    if not piece:
        raise BodyMismatch("a file became shorter while it was sent")
    return piece
