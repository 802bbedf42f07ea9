"""Byte ranges (RFC 9110, section 14): what a Range field asks of a body of known size."""
from __future__ import annotations

import re
from typing import List, Optional, Tuple

Range = Tuple[int, int]  # first byte, and the byte after the last: what a slice is

# A player asks for one or two, a download manager for a handful.
MAX_RANGES = 16

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_HUGE = 10 ** 18


class NotSatisfiable(Exception):
    """Every range asked for lies beyond the end: 416."""


def parse_range(field: str, size: int) -> Optional[List[Range]]:
    """What the Range `field` selects of `size` bytes: one or more ranges, none empty, none overlapping.

    None means: send everything.  That is the answer to another unit than bytes, to
    a malformed field, to an empty body asked for its end, and to a field that asks for more
    than MAX_RANGES (section 14.2 lets a server ignore such a field).  Ranges stay in the
    order asked for, unless they overlap or touch: then they are sorted and joined,
    so that no byte is sent twice.  Raises NotSatisfiable.
    """
    specs = _specs(field)
    if specs is None:
        return None
    if size == 0 and any(first is None and last for first, last in specs):
        return None  # satisfiable, but no Content-Range can say "none of none"
    found = [piece for piece in (_resolve(first, last, size) for first, last in specs) if piece]
    if not found:
        raise NotSatisfiable(f"bytes */{size}")
    joined = _join(found)
    return found if len(joined) == len(found) else joined


def _specs(field: str) -> Optional[List[Tuple[Optional[int], Optional[int]]]]:
    unit, equals, text = field.partition("=")
    if unit.lower() != "bytes" or not equals or text.count(",") >= 4 * MAX_RANGES:
        return None
    specs = []
    for spec in filter(None, (piece.strip(" \t") for piece in text.split(","))):
        found = _SPEC.fullmatch(spec)
        if not found or spec == "-":
            return None
        first, last = _number(found[1]), _number(found[2])
        if first is not None and last is not None and last < first:
            return None
        specs.append((first, last))
    return specs if 0 < len(specs) <= MAX_RANGES else None


def _number(digits: str) -> Optional[int]:
    """Python refuses to convert thousands of digits, and no file is that long."""
    digits = digits.lstrip("0") or digits[:1]
    if not digits:
        return None
    return int(digits) if len(digits) <= 18 else _HUGE


def _resolve(first: Optional[int], last: Optional[int], size: int) -> Optional[Range]:
    if first is None:
        assert last is not None
        first, last = max(size - last, 0), size - 1
    end = size if last is None else min(last + 1, size)
    return (first, end) if first < end else None


def _join(ranges: List[Range]) -> List[Range]:
    joined: List[Range] = []
    for first, end in sorted(ranges):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((first, end))
    return joined
