"""What the heads of messages mean: from the bytes up to the blank line to a RequestHead or ResponseHead.

1. Both parsers are pure functions of one block of bytes, which ends with the
   first blank line in it.  So what `parse_request` found once it remembers:
   a client repeats its head from request to request.
2. Strict (RFC 9112 section 11.2): whatever two readers could understand in two ways
   is refused, not repaired.  The one liberty is a bare LF at the end of a line
   (section 2.2), because people type requests into nc.
3. A whole block is checked by a few operations that run in C; what is wrong
   with it is looked for only once it is known that something is.
"""
from __future__ import annotations

import re
from typing import Dict, Tuple

from protocols.http.message import CHUNKED, UNTIL_EOF, Headers, RequestHead, ResponseHead

# nginx and Apache both allow 8 KiB for a line; Apache 100 fields; node and h11 16 KiB for all of them.
MAX_LINE = 8 * 1024
MAX_FIELD_BYTES = 16 * 1024
MAX_FIELDS = 100

# Heads longer than this are parsed anew each time: with REMEMBERED of them it bounds what the memory can hold.
MAX_REMEMBERED_BYTES = 2048
REMEMBERED = 512

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"))

# HTAB, LF, CR, SP, visible ASCII, and bytes above it (obs-text): section 5.5 of RFC 9110 has no others.
_TEXT = bytes((9, 10, 13, *range(32, 127), *range(128, 256)))

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIELD_LINE = re.compile(rf"^({_TOKEN}):[ \t]*(.*)$", re.MULTILINE)
_IS_TOKEN = re.compile(_TOKEN).fullmatch
_IS_VERSION = re.compile(r"HTTP/[0-9]\.[0-9]").fullmatch
# Section 3.2.2 of RFC 3986: a registered name or an IPv4 address, or a literal in brackets; then perhaps a port.
_IS_HOST = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]*|\[[0-9A-Za-z:.]+\])(?::[0-9]*)?").fullmatch
_IS_LENGTH = re.compile(r"[0-9]{1,18}").fullmatch
_ABSOLUTE_FORM = re.compile(r"https?://([^/?]+)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE).fullmatch
_STATUS_LINE = re.compile(r"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: (.*))?").fullmatch
_FOLD = re.compile(r"[ \t]*\n[ \t]+")


class BadMessage(Exception):
    """This message is refused, with `status` and a sentence for the peer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


known_requests: Dict[bytes, RequestHead] = {}


def parse_request(block: bytes) -> RequestHead:
    """The head that `block` is; remembered, so equal blocks give the same object.  Raises BadMessage."""
    head = known_requests.get(block)
    if head is None:
        head = _parse_request(block)
        if len(block) <= MAX_REMEMBERED_BYTES:
            if len(known_requests) >= REMEMBERED:
                known_requests.clear()
            known_requests[block] = head
    return head


def _parse_request(block: bytes) -> RequestHead:
    line, field_lines = _split(block)
    method, target, version = _request_line(line)
    headers = parse_fields(field_lines)
    host, path, query = _effective_target(method, target, _host(headers, version))
    length = _request_length(headers, version)
    return RequestHead(method, target, path, query, version, headers, host, length,
                       _keeps_alive(headers, version), _expects_continue(headers, version))


def parse_response(block: bytes, method: str) -> ResponseHead:
    """The head that `block` is, in answer to a request with `method`.  Raises BadMessage.

    Status 1xx has length 0, as HEAD, 204 and 304 have; without any framing a
    body runs until the end of the connection (RFC 9112 section 6.3).
    """
    line, field_lines = _split(block)
    match = _STATUS_LINE(line)
    if match is None:
        raise BadMessage(400, "not a status line of HTTP/1.x")
    version = (1, min(int(match[1]), 1))
    status = int(match[2])
    # A user agent joins folded lines; a server refuses them (section 5.2).
    headers = parse_fields(_FOLD.sub(" ", field_lines))
    length = 0
    if not (method == "HEAD" or status < 200 or status in (204, 304)):
        length = _length(headers, version, UNTIL_EOF)
    keep_alive = _keeps_alive(headers, version) and length != UNTIL_EOF
    return ResponseHead(version, status, match[3] or "", headers, length, keep_alive)


def parse_fields(lines: str) -> Headers:
    """The fields of a head or a trailer section, each line ended by one LF.  Raises BadMessage."""
    if " \n" in lines or "\t\n" in lines:
        lines = "\n".join(line.rstrip(" \t") for line in lines.split("\n"))
    pairs = _FIELD_LINE.findall(lines)
    if len(pairs) != lines.count("\n"):
        raise BadMessage(400, _complaint(lines))
    if len(pairs) > MAX_FIELDS:
        raise BadMessage(431, f"more than {MAX_FIELDS} header fields")
    return Headers(pairs)


def clean_text(block: bytes) -> str:
    """`block` as latin-1 with LF at its line ends.  A control character or a bare CR raises BadMessage."""
    if block.translate(None, _TEXT):
        raise BadMessage(400, "a control character in the head")
    text = block.decode("latin-1").replace("\r\n", "\n")
    if "\r" in text:
        raise BadMessage(400, "a carriage return without a line feed")
    return text


def _split(block: bytes) -> Tuple[str, str]:
    """The first line without its end; the field lines, each with its LF."""
    line, _, rest = clean_text(block).partition("\n")
    return line, rest[:-1]


def _complaint(lines: str) -> str:
    for line in lines.split("\n"):
        name, colon, _ = line.partition(":")
        if line[:1] in (" ", "\t"):
            return "a folded header field"
        if not colon:
            return "a header line without a colon"
        if name != name.rstrip():
            return "whitespace before a colon"
        if not _IS_TOKEN(name):
            return "a bad header name"
    return "a bad header field"


def _request_line(line: str) -> Tuple[str, str, Tuple[int, int]]:
    """Section 3: three parts with one space between; no other whitespace."""
    parts = line.split(" ")
    if len(parts) != 3 or "\t" in line or not parts[1]:
        raise BadMessage(400, "a request line is METHOD TARGET HTTP/1.1")
    method, target, version = parts
    if not _IS_TOKEN(method):
        raise BadMessage(400, "a bad method")
    if not _IS_VERSION(version):
        raise BadMessage(400, "a bad HTTP version")
    if version[5] != "1":
        raise BadMessage(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    if method not in METHODS:
        raise BadMessage(501, "a method that is not known here")
    # A higher minor version is read as the highest that is known (RFC 9110 section 2.5).
    return method, target, (1, 0) if version[7] == "0" else (1, 1)


def _host(headers: Headers, version: Tuple[int, int]) -> str:
    """Section 3.2: exactly one in HTTP/1.1, and valid.  Two of them are joined by ', ', which no host holds."""
    host = headers.get("host")
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


def _request_length(headers: Headers, version: Tuple[int, int]) -> int:
    return _length(headers, version, 0)


def _length(headers: Headers, version: Tuple[int, int], default: int) -> int:
    """How long the body is (section 6.3): two answers, or one that is not plain, are none."""
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
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


def _keeps_alive(headers: Headers, version: Tuple[int, int]) -> bool:
    """Section 9.3.  `close` wins over `keep-alive`."""
    connection = headers.get("connection")
    if connection is None:
        return version >= (1, 1)
    options = [option.strip(" \t").lower() for option in connection.split(",")]
    return "close" not in options and (version >= (1, 1) or "keep-alive" in options)


def _expects_continue(headers: Headers, version: Tuple[int, int]) -> bool:
    """RFC 9110 section 10.1.1."""
    expectation = headers.get("expect")
    if expectation is None or version < (1, 1):
        return False
    if expectation.lower() != "100-continue":
        raise BadMessage(417, "an expectation that is not known here")
    return True
