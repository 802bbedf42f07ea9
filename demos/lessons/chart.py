"""The table of the five clients as one SVG file that needs nothing else: no script, no font, no network."""
from __future__ import annotations

from html import escape
from typing import Iterator, Optional, Sequence

from .five import FIVE, VERDICTS, Row

CELL, LINE, LEFT, TOP = 110, 34, 110, 70
BAR = 150  # the longest bar, for a whole processor or for the greediest server
# A colour for each verdict, and its word beside: nobody has to tell colours apart.
FILLS = {"fine": "#bfe5c5", "dies": "#f2a9a0"}
OTHER = "#f7dd9c"
WIDTH = LEFT + CELL * len(FIVE) + 2 * (BAR + 80)


def drawn(rows: Sequence[Row]) -> str:
    """The chart of all rows."""
    height = TOP + LINE * (len(rows) + 1 + len(VERDICTS))
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="14">',
        "<title>One server, written nine times, under the same five clients</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        text(10, 28, "One server, written nine times, under the same five clients", "font-size='18'"),
        *heads(), *cells(rows), *bars(rows), *legend(TOP + LINE * (len(rows) + 1)), "</svg>", ""])


def text(x: float, y: float, words: str, more: str = "") -> str:
    """One line of text."""
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="#222" {more}>{escape(words)}</text>'


def heads() -> Iterator[str]:
    """What stands in each column."""
    for column, name in enumerate(FIVE):
        yield text(LEFT + CELL * (column + 0.5), TOP - 10, name, "text-anchor='middle'")
    yield text(LEFT + CELL * len(FIVE) + 20, TOP - 10, "CPU seconds per second")
    yield text(LEFT + CELL * len(FIVE) + BAR + 100, TOP - 10, "memory for the slow one")


def cells(rows: Sequence[Row]) -> Iterator[str]:
    """A box for each verdict."""
    for line, row in enumerate(rows):
        y = TOP + LINE * line
        yield text(10, y + 22, f"step {row.step.replace('_', ' ')}")
        for column, name in enumerate(FIVE):
            x, verdict = LEFT + CELL * column, row.verdicts[name]
            yield (f'<rect x="{x + 2}" y="{y + 2}" width="{CELL - 4}" height="{LINE - 4}" rx="4" '
                   f'fill="{FILLS.get(verdict, OTHER)}"/>')
            yield text(x + CELL / 2, y + 22, verdict, "text-anchor='middle'")


def bars(rows: Sequence[Row]) -> Iterator[str]:
    """What each server costs."""
    most = max([row.memory or 0.0 for row in rows] + [1.0])
    for line, row in enumerate(rows):
        x, y = LEFT + CELL * len(FIVE) + 20, TOP + LINE * line
        yield bar(x, y, row.cpu, 1.0, "")
        yield bar(x + BAR + 80, y, row.memory, most, " MB")


def bar(x: int, y: int, value: Optional[float], full: float, unit: str) -> str:
    """One measured value."""
    length = BAR * min((value or 0.0) / full, 1.0)
    words = "not known" if value is None else f"{value:.2f}{unit}"
    return (f'<rect x="{x}" y="{y + 8}" width="{max(length, 1):.0f}" height="{LINE - 16}" fill="#5b84b1"/>'
            + text(x + length + 6, y + 22, words))


def legend(y: float) -> Iterator[str]:
    """What each verdict means."""
    for line, (verdict, meaning) in enumerate(VERDICTS.items()):
        top = y + LINE * line * 0.8
        yield f'<rect x="10" y="{top:.0f}" width="{CELL - 20}" height="22" rx="4" fill="{FILLS.get(verdict, OTHER)}"/>'
        yield text(10 + CELL / 2 - 10, top + 16, verdict, "text-anchor='middle'")
        yield text(LEFT + 5, top + 16, meaning)
