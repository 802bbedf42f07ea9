"""From the path of a URL to names in a folder, and back.

A path is split at its slashes *first* and each piece is decoded *once*.  What a
piece then says is a name, never syntax: an encoded slash separates nothing, and
`%252e` is a name that begins with `%2e`.  A name that could mean something to the
operating system other than "an entry of this folder" is refused.
"""
from __future__ import annotations

import os
import re
from typing import List, Optional, Sequence
from urllib.parse import quote, unquote_to_bytes

WINDOWS = os.name == "nt"

_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
# ':' reaches other drives and alternate data streams; a trailing dot or space is dropped, so that "x." opens "x";
# the device names exist in every folder, with any extension.
_WINDOWS_REFUSES = re.compile(
    r'.*([\\/:*?"<>|\x00-\x1f].*|[. ])|(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?',
    re.IGNORECASE | re.DOTALL)


def split_path(path: str, windows: bool = WINDOWS) -> Optional[List[str]]:
    """The names that `path` (of a URL: `/`, `/a%20b/c`) goes through, as the operating system spells them.

    Empty pieces and `.` are dropped.  None where the path could leave the folder
    that it is looked up in, or is no path: `..`, an encoded separator, NUL, a
    broken escape; on Windows also what names a drive, a stream or a device.
    """
    if not path.startswith("/") or _BROKEN_ESCAPE.search(path):
        return None
    try:
        names = [os.fsdecode(unquote_to_bytes(piece.encode("latin-1"))) for piece in path.split("/")]
    except UnicodeError:
        return None
    names = [name for name in names if name not in ("", ".")]
    return names if all(_is_plain(name, windows) for name in names) else None


def _is_plain(name: str, windows: bool) -> bool:
    if name == ".." or "/" in name or "\0" in name:
        return False
    return not (windows and _WINDOWS_REFUSES.fullmatch(name))


def quote_name(name: str) -> str:
    """One name for a URL: everything but letters, digits and `-._~` percent-encoded; undecodable bytes survive."""
    return quote(os.fsencode(name), safe="")


def folder_url(names: Sequence[str]) -> str:
    """The path of a folder, with its last slash.  Never begins with two: `//host/` would name another site."""
    return "/" + "".join(quote_name(name) + "/" for name in names)


def is_within(folder: str, path: str) -> bool:
    """True where `path` is `folder` or below it.  Both must be what os.path.realpath answers."""
    folder, path = os.path.normcase(folder), os.path.normcase(path)
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def quote_query(query: str) -> str:
    """`query` as it came, with what a URL may not contain percent-encoded."""
    return quote(query.encode("latin-1", "replace"), safe="!$%&'()*+,-./:;=?@_~")
