"""The first page of `python3 -m demos`: everything that is being served, and how to talk to each."""
from __future__ import annotations

import html
from typing import Iterable, NamedTuple, Sequence, Tuple

from protocols.http.message import Request, Response
from protocols.http.representation import error_response


class Row(NamedTuple):
    """One thing that is served."""

    name: str
    #: Where it listens: `127.0.0.1:10000`.
    address: str
    #: What it does, in one sentence.
    purpose: str
    #: What to type to talk to it, one command each.
    commands: Sequence[str] = ()
    #: Where a browser can go; empty for what speaks no HTTP.
    url: str = ""
    #: "TCP" or "UDP".
    transport: str = "TCP"


_STYLE = """\
:root{color-scheme:light dark;--page:#fbfaf7;--card:#fff;--ink:#1d2733;--soft:#5c6874;--line:#dcdfe3;
--mark:#0a6c74;--code:#f1f3f4}
@media(prefers-color-scheme:dark){:root{--page:#11161b;--card:#1a2128;--ink:#e4e9ed;--soft:#9aa7b2;--line:#2d3740;
--mark:#5fc9d0;--code:#10151a}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",sans-serif}
header,main,footer{max-width:68rem;margin:0 auto;padding:1.25rem}
header{padding-top:2.5rem}
h1{margin:0 0 .4rem;font-size:clamp(1.6rem,5vw,2.4rem);line-height:1.15;letter-spacing:-.02em}
header p{margin:0;max-width:44rem;color:var(--soft);font-size:1.05rem}
nav{margin-top:1rem;display:flex;flex-wrap:wrap;gap:.5rem 1.25rem}
a{color:var(--mark)}
ul{list-style:none;margin:0;padding:0;display:grid;gap:1rem;
grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr))}
li{background:var(--card);border:1px solid var(--line);border-radius:.7rem;padding:1rem 1.1rem;min-width:0}
h2{margin:0;font-size:1.1rem;display:flex;justify-content:space-between;gap:.75rem;align-items:baseline}
h2 small{font-size:.7rem;font-weight:600;letter-spacing:.06em;color:var(--soft);border:1px solid var(--line);
border-radius:99rem;padding:.05rem .55rem}
.address{margin:.15rem 0 .5rem;
font:.9rem/1.4 ui-monospace,Menlo,Consolas,monospace;color:var(--mark);overflow-wrap:anywhere}
li p{margin:0 0 .6rem}
pre{margin:.4rem 0 0;padding:.5rem .7rem;background:var(--code);border-radius:.4rem;
white-space:pre-wrap;overflow-wrap:anywhere;
font:.85rem/1.5 ui-monospace,Menlo,Consolas,monospace;user-select:all}
footer{color:var(--soft);font-size:.9rem;padding-bottom:2.5rem}
"""

_INTRODUCTION = ("Everything on this page, this page included, is served by one thread that waits in one call of "
                 "select(). Open a terminal, choose a card, type what it says.")

_HEADERS = (("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:"))


def index_page(rows: Iterable[Row], links: Iterable[Tuple[str, str]] = (),
               title: str = "The event loop you can see through") -> bytes:
    """One HTML page in UTF-8 that needs nothing else: a card for each of `rows`; `links` are (text, URL)."""
    cards = "".join(map(_card, rows))
    anchors = "".join(f'<a href="{html.escape(url)}">{html.escape(text)}</a>' for text, url in links)
    navigation = f"<nav>{anchors}</nav>" if anchors else ""
    title = html.escape(title)
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width,initial-scale=1">\n'
            f'<link rel="icon" href="data:,">\n<title>{title}</title>\n<style>\n{_STYLE}</style></head>\n'
            f"<body><header><h1>{title}</h1><p>{_INTRODUCTION}</p>{navigation}</header>\n"
            f"<main><ul>\n{cards}</ul></main>\n"
            f"<footer>Stop everything with Ctrl-C in the terminal that started it.</footer></body></html>\n").encode()


def _card(row: Row) -> str:
    name, address = html.escape(row.name), html.escape(row.address)
    if row.url:
        address = f'<a href="{html.escape(row.url)}">{html.escape(row.url)}</a>'
    commands = "".join(f"<pre>{html.escape(command)}</pre>" for command in row.commands)
    return (f"<li><h2>{name}<small>{html.escape(row.transport)}</small></h2>"
            f'<div class="address">{address}</div><p>{html.escape(row.purpose)}</p>{commands}</li>\n')


class IndexApplication:
    """Answers / with the page, and everything else with 404.  `rows` is read anew for each request."""

    def __init__(self, rows: Sequence[Row], links: Sequence[Tuple[str, str]] = ()) -> None:
        self._rows = rows
        self._links = links

    def __call__(self, request: Request) -> Response:
        """The answer to one request."""
        if request.method not in ("GET", "HEAD"):
            return error_response(405, (("Allow", "GET, HEAD"),))
        if request.path != "/":
            return error_response(404)
        return Response(200, _HEADERS, index_page(self._rows, self._links))
