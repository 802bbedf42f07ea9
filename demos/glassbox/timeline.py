"""The timeline: a recording as one picture, in a file that needs nothing else.

Time runs from left to right, one column for each turn or for so many of them; a lane for the loop, and below it
one for each connection.  A shape means the same in any colour, so that it can be printed in black and white.
Only recorded events are drawn.
"""
from __future__ import annotations

from html import escape
from math import log10
from typing import Callable, Dict, Iterator, List, Sequence, Tuple

from reactor.trace import plain
from reactor.transport import HIGH, LOW

from .columns import MOST_LANES, OTHERS, Cell, Column, Columns, Lane
from .doctor import Finding
from .words import LOOP

LEFT, TOP, WIDTH = 176, 66, 1080  # of the plot; pixels
LOOP_HEIGHT, AREA, ROW = 46, 44, 11
LANE = AREA + 3 * ROW + 10
MOST_FINDINGS = 8

STYLE = """
svg{--ink:#1b1f24;--soft:#6a737d;--line:#d0d7de;--ground:#fff;--band:#f6f8fa;--green:#1a7f37;--blue:#0a5bd3;
--amber:#9a6700;--red:#c4232b;--sleep:#dfe5ea;--area:#c8dcf7;font:12px system-ui,sans-serif}
@media (prefers-color-scheme:dark){svg{--ink:#e6edf3;--soft:#9da7b1;--line:#3d444d;--ground:#0d1117;--band:#151b23;
--green:#3fb950;--blue:#6cb0ff;--amber:#e3b341;--red:#ff7b72;--sleep:#2f3741;--area:#1f3b63}}
@media print{svg{--ink:#000;--soft:#444;--line:#999;--ground:#fff;--band:#fff;--green:#000;--blue:#000;--amber:#000;
--red:#000;--sleep:#ddd;--area:#ccc}}
text{fill:var(--ink)}.soft{fill:var(--soft);font-size:11px}.bold{font-weight:600}.ground{fill:var(--ground)}
.band{fill:var(--band)}.line{stroke:var(--line);fill:none}.life{stroke:var(--soft);stroke-width:2;fill:none}
.paused{stroke-dasharray:2 3}.area{fill:var(--area);stroke:var(--blue)}.high,.low{stroke:var(--soft);fill:none}
.high{stroke-dasharray:7 3}.low{stroke-dasharray:2 3}.asleep{fill:var(--sleep);stroke:var(--soft);stroke-width:.7}
.read{fill:var(--green)}.wrote{fill:var(--blue)}.partly{fill:var(--ground);stroke:var(--blue);stroke-width:1.3}
.half{fill:var(--blue)}.blocked{fill:var(--ground);stroke:var(--amber);stroke-width:1.8}
.slow{fill:var(--red)}.spinning{fill:url(#hatch)}.hatch{stroke:var(--red);stroke-width:2}
.begun{fill:var(--ground);stroke:var(--ink);stroke-width:1.5}.closed,.ended,.failed{stroke:var(--ink);stroke-width:2;
fill:none}.failed{stroke:var(--red)}.hit{fill:transparent}.hit:hover{fill:var(--soft);fill-opacity:.2}
"""


def _read(x: float, y: float, r: float) -> str:
    return f'<path class="read" d="M{x - r:.1f} {y - r:.1f}h{2 * r:.1f}L{x:.1f} {y + r:.1f}z"/>'


def _wrote(x: float, y: float, r: float) -> str:
    return f'<path class="wrote" d="M{x - r:.1f} {y + r:.1f}h{2 * r:.1f}L{x:.1f} {y - r:.1f}z"/>'


def _partly(x: float, y: float, r: float) -> str:
    return (f'<path class="partly" d="M{x - r:.1f} {y + r:.1f}h{2 * r:.1f}L{x:.1f} {y - r:.1f}z"/>'
            f'<path class="half" d="M{x - r:.1f} {y + r:.1f}h{r:.1f}V{y - r:.1f}z"/>')


def _blocked(x: float, y: float, r: float) -> str:
    return f'<path class="blocked" d="M{x:.1f} {y - r:.1f}l{r:.1f} {r:.1f}l{-r:.1f} {r:.1f}l{-r:.1f} {-r:.1f}z"/>'


def _begun(x: float, y: float, r: float) -> str:
    return f'<circle class="begun" cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}"/>'


def _closed(x: float, y: float, r: float, name: str = "closed") -> str:
    return (f'<path class="{name}" d="M{x - r:.1f} {y - r:.1f}l{2 * r:.1f} {2 * r:.1f}'
            f'm0 {-2 * r:.1f}l{-2 * r:.1f} {2 * r:.1f}"/>')


def _failed(x: float, y: float, r: float) -> str:
    return _closed(x, y, r, "failed") + f'<path class="failed" d="M{x:.1f} {y - 1.4 * r:.1f}v{2.8 * r:.1f}"/>'


def _ended(x: float, y: float, r: float) -> str:
    return f'<path class="ended" d="M{x:.1f} {y - r:.1f}v{2 * r:.1f}m{-r:.1f} 0h{2 * r:.1f}"/>'


def _slow(x: float, y: float, r: float) -> str:
    """An exclamation mark, as tall as four glyphs."""
    return (f'<path class="slow" d="M{x - r:.1f} {y - 4 * r:.1f}h{2 * r:.1f}l{-0.6 * r:.1f} {5 * r:.1f}h{-0.8 * r:.1f}z'
            f'm{0.3 * r:.1f} {5.8 * r:.1f}h{1.4 * r:.1f}v{1.4 * r:.1f}h{-1.4 * r:.1f}z"/>')


Glyph = Callable[[float, float, float], str]
# In the order of drawing: mark, shape, row below the area, the word of the legend.
GLYPHS: Sequence[Tuple[str, Glyph, int, str]] = (
    ("read", _read, 0, "reading"), ("wrote", _wrote, 1, "writing: all taken"), ("partly", _partly, 1, "a part taken"),
    ("blocked", _blocked, 2, "EAGAIN: not now"), ("ended", _ended, 0, "end of file"), ("begun", _begun, -1, "begins"),
    ("closed", _closed, -1, "closed"), ("failed", _failed, -1, "failed"))


def size_in_words(count: int) -> str:
    """5.6 MB, say."""
    for unit, bytes_of_it in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= bytes_of_it:
            return f"{count / bytes_of_it:.1f} {unit}"
    return f"{count} bytes"


class Drawing:
    """One SVG element; str() of it is the whole."""

    def __init__(self, content: Columns, title: str) -> None:
        self._content = content
        self._title = plain(title)
        count = max(len(content.columns), 1)
        self._step = min(max(WIDTH / count, 6.0), 26.0)
        self._width = LEFT + max(self._step * count, 640) + 96
        self._lanes = [lane for lane in content.lanes.values() if lane.name != LOOP]
        self._bottom = TOP + LOOP_HEIGHT + 14 + LANE * len(self._lanes)
        self._height = self._bottom + 78

    def __str__(self) -> str:
        size = f"{self._width:.0f} {self._height:.0f}"
        return "".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{self._width:.0f}" '
            f'height="{self._height:.0f}" role="img" aria-label="{escape(self._title)}"><style>{STYLE}</style>',
            '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate(45)"><path class="hatch" d="M0 0v6"/></pattern></defs>',
            f'<rect class="ground" width="{self._width:.0f}" height="{self._height:.0f}"/>',
            *self._head(), *self._axis(), *self._loop(), *self._all_lanes(), *self._legend(), "</svg>"])

    def _x(self, column: float) -> float:
        return LEFT + (column + 0.5) * self._step

    # -- around the lanes

    def _head(self) -> Iterator[str]:
        content = self._content
        what = "one column is one turn" if content.each == 1 else f"one column is {content.each} turns together"
        others = content.lanes.get(OTHERS)
        more = f"; {others.members:,} connections beyond the first {MOST_LANES} share the last lane" if others else ""
        yield f'<text class="bold" x="12" y="22" font-size="15">{escape(self._title)}</text>'
        yield f'<text class="soft" x="12" y="40">{content.turns:,} turns, {what}{more}</text>'

    def _axis(self) -> Iterator[str]:
        # As many labels as there is room for, at round columns.
        columns = self._content.columns
        every = next(n for n in (5, 10, 20, 40, 80, 160) if n * self._step >= 100 or n == 160)
        for place in range(0, len(columns), every):
            column, x = columns[place], self._x(place - 0.5)
            yield f'<path class="line" d="M{x:.1f} {TOP - 6}V{self._bottom}"/>'
            yield f'<text class="soft" x="{x + 3:.1f}" y="{TOP - 8}">turn {column.first:,} · {column.time:.3f} s</text>'

    def _legend(self) -> Iterator[str]:
        y = self._bottom + 26
        entries = [(4.5, glyph(0, 0, 4.5), word) for _, glyph, _, word in GLYPHS]
        entries += [(4.5, _slow(0, 0, 2.2), "callback over 50 ms"),
                    (9, '<rect class="spinning" x="-9" y="-7" width="18" height="14"/>', "spinning"),
                    (9, '<rect class="asleep" x="-9" y="-7" width="18" height="14" rx="4"/>', "asleep"),
                    (12, '<path class="area" d="M-12 6V0h8v-5h8v3h8v8z"/>', "bytes queued"),
                    (12, '<path class="high" d="M-12 0h24"/>', "high-water mark"),
                    (12, '<path class="low" d="M-12 0h24"/>', "low-water mark"),
                    (12, '<path class="life paused" d="M-12 0h24"/>', "reading paused")]
        x = 24.0
        for half, shape, word in entries:
            width = 2 * half + 6.3 * len(word) + 26
            if x + width > self._width:
                x, y = 24.0, y + 24
            yield f'<g transform="translate({x:.0f} {y})">{shape}</g>'
            yield f'<text x="{x + half + 6:.0f}" y="{y + 4}">{word}</text>'
            x += width

    # -- the loop

    def _loop(self) -> Iterator[str]:
        bottom = TOP + LOOP_HEIGHT
        yield f'<text class="bold" x="12" y="{TOP + 18}">the loop</text>'
        yield f'<text class="soft" x="12" y="{TOP + 34}">tall: long asleep</text>'
        for place, column in enumerate(self._content.columns):
            x, cell = self._x(place) - self._step / 2, column.cells.get(LOOP, Cell())
            height = asleep_height(column.slept) * LOOP_HEIGHT
            shapes = ""
            if height:
                shapes += (f'<rect class="asleep" x="{x + 0.5:.1f}" y="{bottom - height:.1f}" '
                           f'width="{self._step - 1:.1f}" height="{height:.1f}" rx="{min(4, self._step / 3):.1f}"/>')
            shapes += self._alarms(cell, place, TOP, LOOP_HEIGHT)
            asleep = f"{span(column)}: asleep {column.slept:.3f} s"
            if shapes:
                yield self._hover(place, TOP, LOOP_HEIGHT, shapes, [asleep, *sentences(cell)])
        yield f'<path class="life" d="M{LEFT} {bottom}H{self._x(len(self._content.columns) - 0.5):.1f}"/>'

    def _alarms(self, cell: Cell, place: int, y: float, height: float) -> str:
        shapes, x = "", self._x(place)
        if "spinning" in cell.marks:
            shapes += (f'<rect class="spinning" x="{x - self._step / 2:.1f}" y="{y}" width="{self._step:.1f}" '
                       f'height="{height}"/>')
        if "slow" in cell.marks:
            shapes += _slow(x, y + height / 2, min(self._step / 2.5, 4))
        return shapes

    def _hover(self, place: int, y: float, height: float, shapes: str, said: Sequence[str]) -> str:
        title = escape("\n".join(said))
        return (f'<g><title>{title}</title>{shapes}<rect class="hit" x="{self._x(place) - self._step / 2:.1f}" '
                f'y="{y:.0f}" width="{self._step:.1f}" height="{height:.0f}"/></g>')

    # -- a lane

    def _all_lanes(self) -> Iterator[str]:
        for number, lane in enumerate(self._lanes):
            y = TOP + LOOP_HEIGHT + 14 + LANE * number
            if number % 2 == 0:
                yield f'<rect class="band" y="{y}" width="{self._width:.0f}" height="{LANE}"/>'
            yield from self._names(lane, y)
            yield from self._lane(lane, y + 4)

    def _names(self, lane: Lane, y: float) -> Iterator[str]:
        name = f"{lane.members:,} {OTHERS}" if lane.name == OTHERS else f"{lane.name} {lane.sort or ''}"
        yield f'<text class="bold" x="12" y="{y + 18}">{escape(name)}</text>'
        lines = [shortened(lane.peer)] if lane.peer else []
        if lane.received or lane.sent:
            lines.append(f"in {size_in_words(lane.received)}, out {size_in_words(lane.sent)}")
        if lane.highest:
            lines.append(f"queue at most {size_in_words(lane.highest)}")
        for place, text in enumerate(lines):
            yield f'<text class="soft" x="12" y="{y + 34 + 15 * place}">{escape(text)}</text>'

    def _lane(self, lane: Lane, y: float) -> Iterator[str]:
        cells = [column.cells.get(lane.name) for column in self._content.columns]
        places = [place for place, cell in enumerate(cells) if cell is not None]
        lived = range(places[0], len(cells) if "closed" not in _marks_of(cells[places[-1]]) else places[-1] + 1)
        base = y + AREA
        if lane.highest:
            yield from self._queue(lane, cells, lived, base)
        yield from self._life(cells, lived, base + 1)
        for place in places:
            cell = cells[place]
            assert cell is not None
            said = sentences(cell) + ([f"queue at most {cell.depth:,} bytes"] if cell.depth else [])
            shapes = self._alarms(cell, place, y, AREA) + self._glyphs(cell, place, base)
            yield self._hover(place, y, LANE - 8, shapes, [span(self._content.columns[place]), *said])

    def _glyphs(self, cell: Cell, place: int, base: float) -> str:
        radius = min(self._step / 2 - 0.6, 4.5)
        return "".join(shape(self._x(place), base + 2 + (row + 0.75) * ROW if row >= 0 else base + 1, radius)
                       for mark, shape, row, _ in GLYPHS if mark in cell.marks)

    def _life(self, cells: Sequence[object], lived: range, y: float) -> Iterator[str]:
        runs: List[Tuple[int, int, bool]] = []
        paused = False
        for place in lived:
            cell = cells[place]
            if runs and runs[-1][2] == paused:
                runs[-1] = runs[-1][0], place + 1, paused
            else:
                runs.append((place, place + 1, paused))
            paused = cell.paused if isinstance(cell, Cell) else paused
        for first, last, was_paused in runs:
            name = "life paused" if was_paused else "life"
            yield f'<path class="{name}" d="M{self._x(first - 0.5):.1f} {y:.1f}H{self._x(last - 0.5):.1f}"/>'

    def _queue(self, lane: Lane, cells: Sequence[object], lived: range, base: float) -> Iterator[str]:
        scale = (AREA - 4) / max(lane.highest, HIGH * 1.05 if lane.highest > LOW else lane.highest)
        path, depth = [f"M{self._x(lived[0] - 0.5):.1f} {base:.1f}"], 0
        for place in lived:
            cell = cells[place]
            height = max(depth, cell.depth) if isinstance(cell, Cell) else depth
            path.append(f"V{base - height * scale:.1f}H{self._x(place + 0.5):.1f}")
            depth = cell.last_depth if isinstance(cell, Cell) else depth
        yield f'<path class="area" d="{"".join(path)}V{base:.1f}z"/>'
        end = self._x(lived[-1] + 0.5)
        for name, mark in (("high", HIGH), ("low", LOW)):
            if lane.highest > LOW and mark * scale >= 3:
                y = base - mark * scale
                yield f'<path class="{name}" d="M{self._x(lived[0] - 0.5):.1f} {y:.1f}H{end:.1f}"/>'
                yield f'<text class="soft" x="{end + 3:.1f}" y="{y + 4:.1f}">{name} {size_in_words(mark)}</text>'


def _marks_of(cell: object) -> Sequence[str]:
    return list(cell.marks) if isinstance(cell, Cell) else []


def asleep_height(seconds: float) -> float:
    """From 0 for at most a tenth of a millisecond to 1 for ten seconds and more, on a scale of powers of ten."""
    return min(max((log10(seconds) + 4) / 5, 0.0), 1.0) if seconds > 0 else 0.0


def span(column: Column) -> str:
    """Which turns a column holds."""
    turns = f"turn {column.first:,}" if column.first == column.last else f"turns {column.first:,} to {column.last:,}"
    return f"{turns}, from {column.time:.3f} s"


def sentences(cell: Cell) -> List[str]:
    """What happened in a cell, in words."""
    return cell.said + ([f"and {cell.unsaid:,} more events"] if cell.unsaid else [])


def shortened(text: str, most: int = 24) -> str:
    """The text, or its beginning, on one line."""
    text = plain(text)
    return text if len(text) <= most else text[:most - 1] + "…"


def svg(content: Columns, title: str) -> str:
    """The picture as a file of its own."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Drawing(content, title)}\n'


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{margin:0;font:15px/1.5 system-ui,sans-serif;background:Canvas;
color:CanvasText}}main{{overflow-x:auto}}section{{padding:0 1em 2em;max-width:60em}}code{{font-size:.95em}}
@media print{{@page{{size:landscape}}svg{{width:100%;height:auto}}}}</style></head>
<body><main>{picture}</main>
<section><p>Rest the pointer on a shape to read its events.  Only recorded events are drawn.</p>
<h2>The doctor</h2>{findings}</section></body></html>
"""


def page(content: Columns, title: str, findings: Sequence[Finding]) -> str:
    """The picture on a page, with what the doctor found."""
    told = "".join(f"<li>Turn {found.turn:,}: {escape(found.sentence)}.<br>Missing: "
                   f"<code>{escape(found.missing)}</code></li>" for found in findings[:MOST_FINDINGS])
    more = len(findings) - MOST_FINDINGS
    told = f"<ul>{told}</ul>" if told else "<p>Nothing wrong was found.</p>"
    return PAGE.format(title=escape(plain(title)), picture=Drawing(content, title),
                       findings=told + (f"<p>And {more} more: replay --doctor.</p>" if more > 0 else ""))


_FORMATS: Dict[str, str] = {".svg": "svg", ".html": "page", ".htm": "page"}


def format_of(path: str) -> str:
    """"svg" or "page", from the file's name; ValueError for another ending."""
    for ending, name in _FORMATS.items():
        if path.lower().endswith(ending):
            return name
    raise ValueError(f"the timeline is drawn as .html or .svg, not as {path}")
