"""What the heads of messages mean: from the bytes up to the blank line to a RequestHead or ResponseHead.

1. Both parsers are pure functions of one block of bytes, which ends with the
   first blank line in it.  So what `parse_request` found once it remembers:
   a client repeats its head from request to request.
2. Strict (RFC 9112 section 11.2): whatever two readers could understand in two ways
   is refused, not repaired.  The one liberty is a bare LF at the end of a line
   (section 2.2), because people type requests into nc.
3. A head that was not seen before has lines that were: a browser changes its first line
   and perhaps a cookie.  So lines are remembered as well, each checked once.
4. What is wrong with a line is looked for only once it is known that something is.
"""
from __future__ import annotations

import re
from typing import Dict, List, Optional, Tuple

from protocols.http.message import CHUNKED, UNTIL_EOF, Headers, RequestHead, ResponseHead, combine

# nginx and Apache both allow 8 KiB for a line; Apache 100 fields; node and h11 16 KiB for all of them.
MAX_LINE = 8 * 1024
MAX_FIELD_BYTES = 16 * 1024
MAX_FIELDS = 100

# Heads longer than this are parsed anew each time: with REMEMBERED of them it bounds what the memory can hold.
MAX_REMEMBERED_BYTES = 2048
REMEMBERED = 512
# The same for lines.  A long cookie is parsed anew each time, which is one line of a dozen.
MAX_REMEMBERED_LINE = 512
REMEMBERED_LINES = 1024

FRAMING = frozenset(("host", "connection", "expect", "content-length", "transfer-encoding"))
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"))

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
# HTAB, SP, visible ASCII, and bytes above it (obs-text): section 5.5 of RFC 9110 has no others.
_TEXT = r"[\t -~\x80-\xff]*"
# The parts of these cannot overlap, so no line takes long to refuse.
_FIELD_LINE = re.compile(rf"({_TOKEN}):({_TEXT})\r?").fullmatch
_REQUEST_LINE = re.compile(r"([A-Z]+) ([!-~\x80-\xff]+) HTTP/1\.([0-9])\r?").fullmatch
_STATUS_LINE = re.compile(rf"HTTP/1\.([0-9]) ([1-9][0-9]{{2}})(?: ({_TEXT}))?\r?").fullmatch
_IS_TOKEN = re.compile(_TOKEN).fullmatch
_IS_VERSION = re.compile(r"HTTP/[0-9]\.[0-9]").fullmatch
# Section 3.2.2 of RFC 3986: a registered name or an IPv4 address, or a literal in brackets; then perhaps a port.
_IS_HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]*|\[[0-9A-Za-z:.]+\])(?::[0-9]*)?").fullmatch
_IS_LENGTH = re.compile(r"[0-9]{1,18}").fullmatch
_ABSOLUTE_FORM = re.compile(r"https?://([^/?]+)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE).fullmatch
_FOLD = re.compile(r"[ \t]*\r?\n[ \t]+")


class BadMessage(Exception):
    """This message is refused, with `status` and a sentence for the peer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


known_requests: Dict[bytes, RequestHead] = {}


def parse_request(block: bytes) -> RequestHead:
    """The head that `block` is; remembered, so equal blocks give the same object.

    Raises BadMessage, also where the blank line at the end is not the first.
    """
    head = known_requests.get(block)
    if head is None:
        head = _parse_request(block)
        if len(block) <= MAX_REMEMBERED_BYTES:
            if len(known_requests) >= REMEMBERED:
                known_requests.clear()
            known_requests[block] = head
    return head


def _parse_request(block: bytes) -> RequestHead:
    line, lines = _lines_of(block)
    method, target, version = _request_line(line)
    fields = _framing(lines)
    host, path, query = _effective_target(method, target, _host(fields, version))
    return RequestHead(method, target, path, query, version, Headers.from_lines(lines), host,
                       _length(fields, version, 0), _keeps_alive(fields, version), _expects_continue(fields, version))


def parse_response(block: bytes, method: str) -> ResponseHead:
    """The head that `block` is, in answer to a request with `method`.  Raises BadMessage.

    Status 1xx has length 0, as HEAD, 204 and 304 have; without any framing a
    body runs until the end of the connection (RFC 9112 section 6.3).
    """
    line, lines = _lines_of(block)
    match = _STATUS_LINE(line)
    if match is None:
        raise BadMessage(400, "not a status line of HTTP/1.x")
    version = (1, min(int(match[1]), 1))
    status = int(match[2])
    # A user agent joins folded lines; a server refuses them (section 5.2).
    lines = _FOLD.sub(" ", "\n".join(lines)).split("\n") if lines else lines
    fields = _framing(lines)
    length = 0
    if not (method == "HEAD" or status < 200 or status in (204, 304)):
        length = _length(fields, version, UNTIL_EOF)
    keep_alive = _keeps_alive(fields, version) and length != UNTIL_EOF
    return ResponseHead(version, status, match[3] or "", Headers.from_lines(lines), length, keep_alive)


def parse_trailers(block: bytes) -> Headers:
    """The fields behind the last chunk; `block` ends with a blank line.  Raises BadMessage."""
    lines = block.decode("latin-1").split("\n")[:-2]
    _framing(lines)
    return Headers.from_lines(lines)


def _lines_of(block: bytes) -> Tuple[str, List[str]]:
    """The first line and the field lines, each without its LF and perhaps with a CR.  The blank line is left out."""
    line, *lines = block.decode("latin-1").split("\n")
    return line, lines[:-2]


class _KnownLines(Dict[str, Optional[Tuple[str, str]]]):
    """From a sound field line to its name in lower case and its value; to None where it has no say in the framing."""

    def __missing__(self, line: str) -> Optional[Tuple[str, str]]:
        match = _FIELD_LINE(line)
        if match is None:
            raise BadMessage(400, _complaint(line))
        name = match[1].lower()
        field = (name, match[2].strip(" \t")) if name in FRAMING else None
        if len(line) <= MAX_REMEMBERED_LINE:
            if len(self) >= REMEMBERED_LINES:
                self.clear()
            self[line] = field
        return field


known_lines = _KnownLines()


def _framing(lines: List[str]) -> Dict[str, str]:
    """What these say of the framing, by name.  Raises BadMessage where one of them is no field."""
    if len(lines) > MAX_FIELDS:
        raise BadMessage(431, f"more than {MAX_FIELDS} header fields")
    return combine(filter(None, map(known_lines.__getitem__, lines)))


def _complaint(line: str) -> str:
    name, colon, _ = line.partition(":")
    if line[:1] in (" ", "\t"):
        return "a folded header field"
    if not colon:
        return "a header line without a colon"
    if name != name.rstrip():
        return "whitespace before a colon"
    if not _IS_TOKEN(name):
        return "a bad header name"
    return "a control character in a header field"


def _request_line(line: str) -> Tuple[str, str, Tuple[int, int]]:
    """Section 3: three parts with one space between; no other whitespace."""
    match = _REQUEST_LINE(line)
    if match is None or match[1] not in METHODS:
        raise _refused_line(line)
    # A higher minor version is read as the highest that is known (RFC 9110 section 2.5).
    return match[1], match[2], (1, 0) if match[3] == "0" else (1, 1)


def _refused_line(line: str) -> BadMessage:
    parts = line.rstrip("\r").split(" ")
    if len(parts) != 3 or not parts[1]:
        return BadMessage(400, "a request line is METHOD TARGET HTTP/1.1")
    method, target, version = parts
    if not _IS_TOKEN(method):
        return BadMessage(400, "a bad method")
    if not _IS_VERSION(version):
        return BadMessage(400, "a bad HTTP version")
    if version[5] != "1":
        return BadMessage(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    if method not in METHODS:
        return BadMessage(501, "a method that is not known here")
    return BadMessage(400, "a control character in the target")


def _host(fields: Dict[str, str], version: Tuple[int, int]) -> str:
    """Section 3.2: exactly one in HTTP/1.1, and valid.  Two of them are joined by ', ', which no host holds."""
    host = fields.get("host")
    if host is None:
        if version >= (1, 1):
            raise BadMessage(400, "no Host field")
        return ""
    if not _IS_HOST(host):
        raise BadMessage(400, "a bad Host field")
    return host


def _effective_target(method: str, target: str, host: str) -> Tuple[str, str, str]:
    """Host, path and query of the three forms of target that are not CONNECT's (section 3.2)."""
    if "#" in target:
        raise BadMessage(400, "a fragment in the target")
    if target[0] == "/":
        path, _, query = target.partition("?")
        return host, path, query
    if target == "*" and method == "OPTIONS":
        return host, target, ""
    match = _ABSOLUTE_FORM(target)
    if match is None or not _IS_HOST(match[1]) or match[1][0] == ":":
        raise BadMessage(400, "a bad target")
    return match[1], match[2] or "/", match[3] or ""


def _length(fields: Dict[str, str], version: Tuple[int, int], default: int) -> int:
    """How long the body is (section 6.3): two answers, or one that is not plain, are none."""
    coding = fields.get("transfer-encoding")
    length = fields.get("content-length")
    if coding is not None:
        if length is not None:
            raise BadMessage(400, "both Transfer-Encoding and Content-Length")
        if version < (1, 1):
            raise BadMessage(400, "Transfer-Encoding in HTTP/1.0")
        return _transfer_coding(coding)
    if length is None:
        return default
    if not _IS_LENGTH(length):
        raise BadMessage(400, "a bad Content-Length")
    return int(length)


def _transfer_coding(value: str) -> int:
    codings = [coding.strip(" \t").lower() for coding in value.split(",")]
    if codings == ["chunked"]:
        return CHUNKED
    if codings[-1] != "chunked" or codings.count("chunked") > 1:
        raise BadMessage(400, "chunked is not the last transfer coding")
    raise BadMessage(501, "a transfer coding that is not known here")


def _keeps_alive(fields: Dict[str, str], version: Tuple[int, int]) -> bool:
    """Section 9.3.  `close` wins over `keep-alive`."""
    connection = fields.get("connection")
    if connection is None:
        return version >= (1, 1)
    options = [option.strip(" \t").lower() for option in connection.split(",")]
    return "close" not in options and (version >= (1, 1) or "keep-alive" in options)


def _expects_continue(fields: Dict[str, str], version: Tuple[int, int]) -> bool:
    """RFC 9110 section 10.1.1."""
    expectation = fields.get("expect")
    if expectation is None or version < (1, 1):
        return False
    if expectation.lower() != "100-continue":
        raise BadMessage(417, "an expectation that is not known here")
    return True
