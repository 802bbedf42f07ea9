"""The page that shows a folder: no script, nothing loaded, and no file name can break out of its place in it."""
from __future__ import annotations

import html
import os
import re
import time
from typing import Iterable, List, NamedTuple, Sequence

from protocols.http.paths import folder_url, quote_name

# The page is made in one turn of the loop: this many rows take some 50 ms.
MAX_ENTRIES = 5000

# Sent with the page, so that even a fault in the escaping below could not run anything.
SAFETY = (("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
                                      "form-action 'none'; frame-ancestors 'none'"),
          ("X-Content-Type-Options", "nosniff"))

_STYLE = """\
:root{color-scheme:light dark;--line:#8883;--soft:#777;--link:#0b57d0}
@media(prefers-color-scheme:dark){:root{--soft:#aaa;--link:#8ab4f8}}
body{font:1rem/1.5 system-ui,sans-serif;max-width:54rem;margin:0 auto;padding:1rem}
h1{font-size:1.25rem;font-weight:600;overflow-wrap:anywhere}
a{color:var(--link);text-decoration:none}a:hover,a:focus{text-decoration:underline}
table{width:100%;border-collapse:collapse}
td{padding:.45rem .3rem;border-top:1px solid var(--line);vertical-align:top}
td:first-child{overflow-wrap:anywhere}td:first-child a{display:block}
.size,.date{color:var(--soft);white-space:nowrap;text-align:right;font-variant-numeric:tabular-nums}
p{color:var(--soft)}
@media(max-width:32rem){.date{display:none}}
"""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Entry(NamedTuple):
    """One row: a name as the operating system spells it, what it is, its size in bytes and its age."""

    name: str
    is_folder: bool
    size: int
    modified: float


def listing_page(names: Sequence[str], entries: Iterable[Entry], complete: bool = True) -> bytes:
    """The HTML page, in UTF-8, of the folder that `names` lead to: folders first, then by name whatever the case."""
    rows = sorted(entries, key=lambda entry: (not entry.is_folder, entry.name.casefold(), entry.name))
    title = html.escape("/" + "".join(visible(name) + "/" for name in names))
    text = [f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width,initial-scale=1">\n'
            f"<title>Index of {title}</title>\n<style>\n{_STYLE}</style></head><body>\n"
            f"<h1>Index of {_breadcrumbs(names)}</h1>\n<table>\n"]
    if names:
        text.append('<tr><td><a href="../">../</a><td class="size"><td class="date">\n')
    text += map(_row, rows)
    text.append("</table>\n")
    if not rows:
        text.append("<p>This folder is empty.</p>\n")
    if not complete:
        text.append(f"<p>There is more here than the {len(rows)} entries shown.</p>\n")
    text.append("</body></html>\n")
    return "".join(text).encode("utf-8")


def visible(name: str) -> str:
    """`name` for a reader: bytes that are not UTF-8, control characters and those that reverse text become marks."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return _CONTROL.sub(_mark, text)


def _mark(found: "re.Match[str]") -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else "\ufffd"  # the control pictures, as in "␊"


def _breadcrumbs(names: Sequence[str]) -> str:
    links: List[str] = ['<a href="/">/</a>']
    for depth, name in enumerate(names, 1):
        links.append(f'<a href="{folder_url(names[:depth])}"><bdi>{html.escape(visible(name))}</bdi></a>/')
    return "".join(links)


def _row(entry: Entry) -> str:
    slash = "/" if entry.is_folder else ""
    size = "" if entry.is_folder else human_size(entry.size)
    moment = time.gmtime(min(max(entry.modified, 0), 2 ** 37))
    # "./" keeps a name like "javascript:x" from being read as an address of another kind.
    return (f'<tr><td><a href="./{quote_name(entry.name)}{slash}"><bdi>{html.escape(visible(entry.name))}</bdi>{slash}'
            f'</a><td class="size">{size}'
            f'<td class="date">{moment.tm_year:04}-{moment.tm_mon:02}-{moment.tm_mday:02} '
            f'{moment.tm_hour:02}:{moment.tm_min:02}\n')


def human_size(size: int) -> str:
    """`size` in bytes as `17 B`, `1.5 KiB`, `230 MiB`."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= 1024
        if amount < 1023.5:
            break
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"
