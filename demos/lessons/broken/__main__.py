"""Exercises: servers with one fault each.  Run one to see what is wrong; mend its file; run it again.

    python3 -m demos.lessons.broken                        # the list
    python3 -m demos.lessons.broken closed_twice           # one of them
"""
from __future__ import annotations

import ast
import os
import sys
import textwrap
from pathlib import Path
from typing import Iterator

from ...commandline import Parser, say
from .checks import CHECKS, run

HERE = Path(__file__).resolve().parent


def symptom(path: Path) -> str:
    """What the file's docstring says of its fault, in one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = next(part for part in text.split("\n\n") if part.startswith("The symptom: "))
    return " ".join(paragraph.split())[len("The symptom: "):]


def listing() -> Iterator[str]:
    """Each exercise and its symptom, within 80 columns."""
    yield "Twelve servers, one fault each.  What their users see:"
    for name in CHECKS:
        yield f"\n  {name}"
        yield textwrap.fill(symptom(HERE / f"{name}.py"), 78, initial_indent="    ", subsequent_indent="    ")
    yield "\nTry one:  python3 -m demos.lessons.broken NAME"


def check(name: str, path: Path) -> int:
    """Run one exercise and tell what was seen: 0 when it is mended, 1 when not yet."""
    say(f"{os.path.relpath(path)}:")
    problem, said = run(CHECKS[name], path, lambda line: say(f"  {line}"))
    if problem is None:
        say("passed")
        return 0
    say(f"not yet: {problem}")
    if said:
        say("the server's last words:")
        for line in said[-4:]:
            say(f"  | {line}")
    say("edit the file, and run this again")
    return 1


def main() -> None:
    """List the exercises, or check one."""
    parser = Parser(prog="broken", description="Servers with one fault each, to be mended.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the exercise; without it all are listed")
    parser.add_argument("--file", type=Path, help="check this file instead of the exercise's own")
    options = parser.parse_args()
    if options.name is None:
        for line in listing():
            say(line)
        sys.exit(0)
    if options.name not in CHECKS:
        parser.error(f"there is no exercise {options.name!r}: python3 -m demos.lessons.broken lists them")
    path = options.file or HERE / f"{options.name}.py"
    if not path.is_file():
        parser.error(f"there is no file {path}")
    sys.exit(check(options.name, path.resolve()))


if __name__ == "__main__":
    main()
