"""One open file as the answer to one request: conditions, ranges, and the fields that describe it."""
from __future__ import annotations

import hashlib
import mimetypes
import os
import secrets
from http import HTTPStatus
from typing import BinaryIO, Dict, Generator, Iterator, List, NamedTuple, Tuple, Union

from protocols.http.conditions import precondition, range_is_current
from protocols.http.dates import format_date
from protocols.http.message import FileSlice, Pairs, Request, RequestHead, Response, Stream, text_response
from protocols.http.ranges import NotSatisfiable, Range, parse_range

# Up to here a file is read at once; a longer one, and each part of several ranges, as the client takes it.
READ_AT_ONCE = 64 * 1024

CONDITIONS = ("If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since")

# Python's own table: this machine's registry or /etc/mime.types has no say in what a site means.
_TYPES = mimetypes.MimeTypes()
for _extension, _type in ((".js", "text/javascript"), (".mjs", "text/javascript"), (".md", "text/markdown"),
                          (".wasm", "application/wasm"), (".webp", "image/webp"), (".avif", "image/avif"),
                          (".woff", "font/woff"), (".woff2", "font/woff2"), (".log", "text/plain"),
                          (".yaml", "text/plain"), (".toml", "text/plain")):
    _TYPES.add_type(_type, _extension)
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def content_type(path: str) -> str:
    """The media type that the name says; text is UTF-8, a compressed file is what it is and not what is in it."""
    kind, compression = _TYPES.guess_type("./" + os.path.basename(path))  # "./": it takes a URL, "data:" ones too
    if compression:
        return _COMPRESSED.get(compression, "application/octet-stream")
    if kind is None:
        return "application/octet-stream"
    return kind + "; charset=utf-8" if kind.startswith("text/") else kind


def asks_for_all(head: RequestHead) -> bool:
    """True for a GET or HEAD that nothing but 200 and the whole file can answer."""
    headers = head.headers
    return (head.method in ("GET", "HEAD") and "If-None-Match" not in headers and "If-Modified-Since" not in headers
            and "Range" not in headers and "If-Match" not in headers and "If-Unmodified-Since" not in headers)


def error_response(status: int, headers: Pairs = ()) -> Response:
    """The status and its name as text, and nothing of the request."""
    return text_response(f"{status} {HTTPStatus(status).phrase}\n", status, headers)


class Validators(NamedTuple):
    """What tells one state of a file from another: an entity tag, and whole seconds since 1970."""

    etag: str
    modified: int


def validators_of(status: os.stat_result, now: float) -> Validators:
    """The tag is strong: size and time in nanoseconds.  The time is never later than `now` (RFC 9110, 8.8.2.1)."""
    return Validators(f'"{status.st_mtime_ns:x}-{status.st_size:x}"', max(int(min(status.st_mtime, now)), 0))


def represent(request: Request, path: str, file: BinaryIO, status: os.stat_result, now: float) -> Response:
    """The answer to a GET or HEAD of an open regular file: 200, 206, 304, 412 or 416.

    A body that is not bytes owns `file`; otherwise the caller closes it.
    """
    validators = validators_of(status, now)
    verdict = precondition(request.method, _conditions(request), *validators, now)
    if verdict != 200:
        return _without_body(verdict, validators.etag)
    describing = (("Last-Modified", format_date(validators.modified)), ("ETag", validators.etag),
                  ("Accept-Ranges", "bytes"))
    try:
        ranges = _ranges(request, validators, status.st_size, now)
    except NotSatisfiable as exc:
        return error_response(416, (("Content-Range", str(exc)),))
    if ranges is None:
        return _whole(path, file, status.st_size, describing)
    return _partial(path, file, status.st_size, describing, ranges)


def represent_page(request: Request, page: bytes, headers: Pairs) -> Response:
    """The answer to a GET or HEAD of a page that was made for it: 200, 304 or 412.

    Its tag is a digest; it has no date, and no part of it can be asked for.
    """
    etag = f'"{hashlib.sha256(page).hexdigest()[:24]}"'
    verdict = precondition(request.method, _conditions(request), etag, None, 0)
    if verdict != 200:
        return _without_body(verdict, etag)
    return Response(200, (*headers, ("ETag", etag)), page)


def _without_body(verdict: int, etag: str) -> Response:
    if verdict == 412:
        return error_response(412)
    return Response(304, (("ETag", etag),))  # section 15.4.5: no other metadata, the client has it


def _conditions(request: Request) -> Dict[str, str]:
    values = ((name, request.headers.get(name)) for name in CONDITIONS)
    return {name.lower(): value for name, value in values if value is not None}


def _ranges(request: Request, validators: Validators, size: int, now: float) -> Union[List[Range], None]:
    """None: the whole file.  Section 14.2 defines ranges for GET alone."""
    field = request.headers.get("Range")
    if field is None or request.method != "GET":
        return None
    if not range_is_current(request.headers.get("If-Range"), *validators, now):
        return None
    return parse_range(field, size)


def _whole(path: str, file: BinaryIO, size: int, describing: Pairs) -> Response:
    body = FileSlice(file, 0, size) if size > READ_AT_ONCE else file.read(size)
    return Response(200, (("Content-Type", content_type(path)), *describing), body)


def _partial(path: str, file: BinaryIO, size: int, describing: Pairs, ranges: List[Range]) -> Response:
    if len(ranges) > 1:
        return _multipart(path, file, size, describing, ranges)
    (start, end), = ranges
    headers = (("Content-Type", content_type(path)), ("Content-Range", f"bytes {start}-{end - 1}/{size}"), *describing)
    return Response(206, headers, FileSlice(file, start, end - start))


def _multipart(path: str, file: BinaryIO, size: int, describing: Pairs, ranges: List[Range]) -> Response:
    boundary = secrets.token_hex(12)
    kind = content_type(path)
    head = f"\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Range: bytes "
    heads = [f"{head}{start}-{end - 1}/{size}\r\n\r\n".encode() for start, end in ranges]
    parts = Parts(file, list(zip(heads, ranges)), f"\r\n--{boundary}--\r\n".encode())
    headers = (("Content-Type", f"multipart/byteranges; boundary={boundary}"),
               ("Content-Length", str(parts.length)), *describing)
    return Response(206, headers, Stream(parts))


class Parts:
    """An iterator over the pieces of a multipart body.

    Raises OSError where the file has become shorter.  Not a generator, because
    close() on one that has not begun would leave the file open.
    """

    def __init__(self, file: BinaryIO, parts: List[Tuple[bytes, Range]], tail: bytes) -> None:
        self.length = sum(len(head) + end - start for head, (start, end) in parts) + len(tail)
        self._file = file
        self._pieces = self._make(parts, tail)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """Close the file.  Twice does nothing."""
        self._pieces.close()
        self._file.close()

    def _make(self, parts: List[Tuple[bytes, Range]], tail: bytes) -> Generator[bytes, None, None]:
        for head, (start, end) in parts:
            yield head
            self._file.seek(start)
            while start < end:
                piece = self._file.read(min(end - start, READ_AT_ONCE))
                if not piece:
                    raise OSError("the file became shorter")
                start += len(piece)
                yield piece
        yield tail
