"""The lessons: one server, rewritten step by step from blocking to async/await.

    python3 -m demos.lessons             the list
    python3 -m demos.lessons 4           what breaks step 4, and the step that repairs it, side by side
    python3 -m demos.lessons 4 --diff    what changed since the step before
    python3 -m demos.lessons five        all servers under the same five clients (with --svg FILE as a chart too)
    python3 -m demos.lessons all         every experiment, then those five clients
"""
from __future__ import annotations

import difflib
import os
import sys
import textwrap
import time
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Iterator, List, Optional, Sequence

from ..commandline import Parser, keep_standard_streams, say
from .chart import drawn
from .experiments import EXPERIMENTS, STEPS, Findings, Value
from .five import FIVE, VERDICTS, Row, rows

WIDTH = 80
LABEL = 38
BOLD, RED, GREEN, CYAN = 1, 31, 32, 36
COLOURS = {"fine": GREEN, "dies": RED}
YELLOW = 33  # every other verdict
FOLDER = Path(__file__).parent


def painted(text: str, colour: int) -> str:
    """In colour on a terminal, unless NO_COLOR is set (no-color.org)."""
    if os.environ.get("NO_COLOR") or not (sys.stdout and sys.stdout.isatty()):
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


def source(step: str) -> str:
    """The text of a step."""
    return (FOLDER / f"step_{step}.py").read_text(encoding="utf-8")


def title(step: str) -> str:
    """What a step is about."""
    return source(step).splitlines()[0].strip('"')


def show_list() -> None:
    """Every step, in a line."""
    for step in STEPS:
        for line in textwrap.wrap(title(step), WIDTH - 10):
            say(f"{step:9} {line}")
            step = ""
    say("\npython3 -m demos.lessons 0         what breaks step 0, beside what repairs it")
    say("python3 -m demos.lessons 1 --diff  what changed since the step before")
    say("python3 -m demos.lessons five      all servers under the same five clients")
    say("python3 -m demos.lessons all       every experiment, then those five clients")
    say("python3 -m demos.lessons.step_0    the server itself, to play with")


def show_diff(step: str) -> None:
    """What changed since the step before; of the first one, all of it."""
    before = STEPS[STEPS.index(step) - 1] if step != STEPS[0] else ""
    old = source(before).splitlines() if before else []
    for line in difflib.unified_diff(old, source(step).splitlines(), f"step_{before}.py" if before else "nothing",
                                     f"step_{step}.py", lineterm=""):
        colour = {"+": GREEN, "-": RED, "@": CYAN}.get(line[:1], 0)
        say(painted(line, BOLD if line[:3] in ("+++", "---") else colour) if colour else line)


def shown(value: Value) -> str:
    """A finding in a word or two."""
    if value is None:
        return "not known"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def columns(name: str, texts: Sequence[str], width: int) -> Iterator[str]:
    """Texts side by side, each within its width."""
    for parts in zip_longest(*(textwrap.wrap(text, width - 1) for text in texts), fillvalue=""):
        yield (f"{name:{LABEL}}" + "".join(f"{part:>{width}}" for part in parts)).rstrip()
        name = ""


def play(step: str) -> None:
    """Run the step's experiment against each of its servers and show what was found, side by side."""
    experiment = EXPERIMENTS[step]
    for line in textwrap.wrap(f"Step {step}: {title(step)}", WIDTH):
        say(painted(line, BOLD))
    say(textwrap.fill(experiment.story, WIDTH))
    began = time.monotonic()
    findings: List[Findings] = [experiment.play(server) for server in experiment.servers]
    width = (WIDTH - LABEL) // len(findings)
    say("")
    heads = [server.replace("step_", "").replace(" --buffer 4096", "") for server in experiment.servers]
    for line in columns("", heads, width):
        say(painted(line, BOLD))
    for name in findings[0]:
        for line in columns(name, [shown(found[name]) for found in findings], width):
            say(line)
    say("\n" + textwrap.fill(experiment.moral, WIDTH))
    say(f"({time.monotonic() - began:.1f} s)")


def show_five(svg: Optional[str]) -> None:
    """The five clients against all servers: a table, and a chart where one is wanted."""
    say(painted("All servers under the same five clients", BOLD))
    table = rows()
    say(f"{'step':9}" + "".join(f"{name:>13}" for name in FIVE))
    for row in table:
        cells = [painted(f"{row.verdicts[name]:>13}", COLOURS.get(row.verdicts[name], YELLOW)) for name in FIVE]
        say(f"{row.step:9}" + "".join(cells))
    say("\n" + "\n".join(f"{verdict:9} {meaning}" for verdict, meaning in VERDICTS.items()))
    say("\nSteps 4 and 4_mended meet the slow one with --buffer 4096: the kernel hides it.")
    say(f"\n{'step':9}{'CPU seconds per second':>26}{'memory for the slow one':>26}")
    for row in table:
        memory = "not known" if row.memory is None else f"{row.memory:.1f} MB"
        say(f"{row.step:9}{shown(row.cpu):>26}{memory:>26}")
    if svg is not None:
        write(svg, table)


def write(svg: str, table: Sequence[Row]) -> None:
    """The chart; status 2 where it cannot be written."""
    try:
        Path(svg).write_text(drawn(table), encoding="utf-8")
    except OSError as exc:
        say(f"{svg}: {exc.strerror}", sys.stderr)
        sys.exit(2)
    say(f"\nThe chart is in {svg}")


def step_named(text: str) -> str:
    """A step by its name, as in 4_mended, 4-mended or step_4."""
    name = text.replace("-", "_").replace("step_", "")
    if name in STEPS:
        return name
    raise ValueError(f"there is no step {text!r}: they are {', '.join(STEPS)}")


def main(argv: Optional[Sequence[str]] = None) -> None:
    """List, play, compare."""
    keep_standard_streams()
    parser = Parser(prog="lessons", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("step", nargs="?", help=f"{', '.join(STEPS)}, five or all; without it they are listed")
    parser.add_argument("--diff", action="store_true", help="what changed since the step before")
    parser.add_argument("--svg", metavar="FILE", help="draw the five clients as a chart too")
    options = parser.parse_args(argv)
    if options.svg is not None and options.step not in ("five", "all"):
        parser.error("--svg draws the table of `five` or `all`")
    if options.diff and options.step in (None, "five", "all"):
        parser.error(f"--diff needs a step: {', '.join(STEPS)}")
    if options.step is None:
        return show_list()
    if options.step in ("five", "all"):
        for step in STEPS if options.step == "all" else ():
            play(step)
            say("")
        return show_five(options.svg)
    try:
        step = step_named(options.step)
    except ValueError as exc:
        parser.error(str(exc))
    (show_diff if options.diff else play)(step)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
        sys.exit(0)
    sys.exit(130)
