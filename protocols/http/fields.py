"""One header field as a user types it."""
from __future__ import annotations

import re
from typing import Tuple

_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
# Framing and the connection are the protocol's: a wrong one of these would make one message into two.
RESERVED = frozenset({"connection", "content-length", "keep-alive", "trailer", "transfer-encoding", "upgrade"})


def parse_field(text: str) -> Tuple[str, str]:
    """Name and value of `Name: value`.  Raises ValueError with a sentence for the user."""
    found = _FIELD.fullmatch(text)
    if not found:
        raise ValueError(f"a header field is 'Name: value', not {text!r}")
    if found[1].lower() in RESERVED:
        raise ValueError(f"{found[1]} cannot be set by hand")
    return found[1], found[2].strip(" \t")
