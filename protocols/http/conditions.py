"""Conditional requests (RFC 9110, section 13): may this request go on, and is what the client has still good?

Pure functions of the fields and of the validators of what would be sent.  Dates
are whole seconds since 1970, as Last-Modified can say no more.
"""
from __future__ import annotations

import re
from typing import List, Mapping, Optional

from protocols.http.dates import parse_date

_ETAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ETAGS = re.compile(_ETAG)
# Each repetition starts where a tag must: nothing in it can be matched in two ways, so no field takes long to refuse.
_ETAG_LIST = re.compile(rf"(?:[ \t,]*{_ETAG}(?=[ \t]*(?:,|\Z)))+[ \t,]*")


def precondition(method: str, fields: Mapping[str, str], etag: str, modified: Optional[int], now: float) -> int:
    """200: go on.  304: the client's copy is good.  412: the client's condition does not hold.

    `fields` has lower-case names.  The order is that of section 13.2.2; a date that
    does not parse is as good as none, and so is every date where `modified` is None.
    """
    reading = method in ("GET", "HEAD")
    if "if-match" in fields:
        if not matches(fields["if-match"], etag, weak=False):
            return 412
    elif "if-unmodified-since" in fields:
        date = parse_date(fields["if-unmodified-since"], now)
        if date is not None and modified is not None and modified > date:
            return 412
    if "if-none-match" in fields:
        if matches(fields["if-none-match"], etag, weak=True):
            return 304 if reading else 412
    elif "if-modified-since" in fields and reading:
        date = parse_date(fields["if-modified-since"], now)
        if date is not None and modified is not None and modified <= date:
            return 304
    return 200


def matches(field: str, etag: str, weak: bool) -> bool:
    """True where `field` (`*`, or a list of entity tags) names `etag`; `weak` ignores `W/` (section 8.8.3.2).

    A malformed list names nothing.
    """
    if field.strip(" \t") == "*":
        return True
    tags = _tags(field)
    if weak:
        return _opaque(etag) in map(_opaque, tags)
    return not etag.startswith("W/") and etag in tags


def range_is_current(field: Optional[str], etag: str, modified: int, now: float) -> bool:
    """True where a Range counts: there is no If-Range `field`, or it names exactly what would be sent (13.1.5).

    A date counts only where nothing can have changed twice within its second
    (8.8.2.2), that is once the second is over.
    """
    if field is None:
        return True
    field = field.strip(" \t")
    if field.endswith('"'):
        return field != "*" and matches(field, etag, weak=False) and _ETAGS.fullmatch(field) is not None
    return parse_date(field, now) == modified and now - modified >= 1


def _tags(field: str) -> List[str]:
    return _ETAGS.findall(field) if _ETAG_LIST.fullmatch(field) else []


def _opaque(tag: str) -> str:
    return tag[2:] if tag.startswith("W/") else tag
