"""Line charts on logarithmic axes, as one SVG file that needs nothing else.

Each line has a colour, a dash pattern and a marker, so that it is known in grey print as well; the
colours change with the reader's light or dark setting.
"""
from __future__ import annotations

import math
from html import escape
from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

Points = Sequence[Tuple[float, float]]

WIDTH, HEIGHT = 340, 260  # of the plot of one panel
LEFT, TOP, GAP = 60, 70, 70
LEGEND = 30  # pixels for each line of it

# Told apart by people who do not see all colours, on white and on black.
STYLES = [("#0072b2", "#56b4e9", "none", "circle"), ("#d55e00", "#ff9e5e", "7 3", "square"),
          ("#00795a", "#3ddbb0", "2 3", "diamond"), ("#7b3294", "#d9a6ef", "9 3 2 3", "triangle")]
MARKERS = {"circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "square": "M-3.5-3.5h7v7h-7z",
           "diamond": "M0-5l5 5l-5 5l-5-5z", "triangle": "M0-5l5 8.5h-10z"}


class Panel(NamedTuple):
    """One chart: lines of points by name; all numbers above 0."""

    title: str
    x_axis: str
    lines: Dict[str, Points]


class Scale:
    """Numbers on a logarithmic axis of so many pixels, from a power of ten to another."""

    def __init__(self, values: Sequence[float], pixels: float) -> None:
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(math.ceil(math.log10(max(values)) - 1e-9), self.low + 1)
        self._pixels = pixels

    def __call__(self, value: float) -> float:
        return (math.log10(value) - self.low) / (self.high - self.low) * self._pixels

    def ticks(self) -> Iterator[Tuple[float, bool]]:
        """The numbers with a line, and whether they are written: 1, 2, 5, 10 ... but not all where it gets narrow."""
        few = self.high - self.low > 2
        for power in range(self.low, self.high + 1):
            for digit in (1, 2, 5):
                if digit == 1 or power < self.high:
                    yield digit * 10.0 ** power, digit == 1 or not few


def draw(title: str, panels: Sequence[Panel]) -> str:
    """The charts side by side on the same vertical axis, as the text of an SVG file."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    heights = Scale([y for panel in panels for points in panel.lines.values() for _, y in points] or [1], HEIGHT)
    width = LEFT + len(panels) * (WIDTH + GAP)
    height = TOP + HEIGHT + 80 + LEGEND
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
             f'font-family="system-ui, sans-serif" font-size="12"><title>{escape(title)}</title>',
             f"<style>{_css()}</style>", f'<rect class="paper" width="{width}" height="{height}"/>',
             f'<text x="{LEFT}" y="26" font-size="16" font-weight="600">{escape(title)}</text>']
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate({LEFT + number * (WIDTH + GAP)} {TOP})">')
        parts += _panel(panel, heights, names)
        parts.append("</g>")
    for number, name in enumerate(names):
        x = LEFT + number * (width - LEFT) / len(names)
        parts.append(f'<g transform="translate({x:.0f} {height - LEGEND})"><path class="line s{number % 4}" '
                     f'd="M0 0h36"/>{_marker(number, 18, 0)}<text x="44" y="4">{escape(name)}</text></g>')
    return "\n".join([*parts, "</svg>", ""])


def _css() -> str:
    def colours(which: int) -> str:
        return "".join(f".line.s{number}{{stroke:{style[which]}}}.mark.s{number}{{fill:{style[which]}}}"
                       for number, style in enumerate(STYLES))
    dashes = "".join(f".line.s{number}{{stroke-dasharray:{style[2]}}}" for number, style in enumerate(STYLES))
    return (".line{fill:none;stroke-width:2}.paper{fill:#fff}text{fill:#222}.grid{stroke:#ddd}"
            + dashes + colours(0) + "@media screen and (prefers-color-scheme:dark){"
            ".paper{fill:#111}text{fill:#ddd}.grid{stroke:#333}" + colours(1) + "}")


def _panel(panel: Panel, heights: Scale, names: List[str]) -> Iterator[str]:
    widths = Scale([x for points in panel.lines.values() for x, _ in points] or [1], WIDTH)
    yield f'<text y="-14" font-weight="600">{escape(panel.title)}</text>'
    for value, written in heights.ticks():
        y = HEIGHT - heights(value)
        yield f'<path class="grid" d="M0 {y:.1f}h{WIDTH}"/>'
        if written:
            yield f'<text x="-8" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    for value, written in widths.ticks():
        x = widths(value)
        yield f'<path class="grid" d="M{x:.1f} 0v{HEIGHT}"/>'
        if written:
            yield f'<text x="{x:.1f}" y="{HEIGHT + 18}" text-anchor="middle">{value:g}</text>'
    yield f'<text x="{WIDTH / 2}" y="{HEIGHT + 40}" text-anchor="middle">{escape(panel.x_axis)}</text>'
    for name, points in panel.lines.items():
        number = names.index(name)
        places = [(widths(x), HEIGHT - heights(y)) for x, y in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        if path:
            yield f'<path class="line s{number % 4}" d="M{path}"/>'
        for x, y in places:
            yield _marker(number, x, y)


def _marker(number: int, x: float, y: float) -> str:
    shape = MARKERS[STYLES[number % 4][3]]
    return f'<path class="mark s{number % 4}" transform="translate({x:.1f} {y:.1f})" d="{shape}"/>'
