"""What was found, for people and for programs.  The JSON is described in README.md; VERSION changes when it does."""
from __future__ import annotations

import json
import shlex
import sys
import textwrap
from typing import Dict, List, Optional, Sequence

from .dialects import Dialect
from .runner import FINDING, NOT_CHECKED, PASSED, Result
from .stage import Target

VERSION = 1
PORT = 8888  # of the server that the reader starts
MARKS = {PASSED: "ok   ", FINDING: "FAULT", NOT_CHECKED: "-    "}


def reproduce(result: Result, target: Target, dialect: Dialect) -> str:
    """The one command that shows the same: run in this folder, while the server runs as started() says."""
    port = target.port or PORT
    said = dialect.by_hand(target.where(port))
    talk = f"python3 -m demos.talk {target.host} {port}"
    # The sleep keeps standard input open: at its end talk half-closes, which is another story.
    return result.check.command.format(talk=talk, asks=f"({said['ask']}; sleep {said['stay']}) | {talk}", port=port,
                                       check=again(result.check.name, target, dialect), **said)


def again(name: str, target: Target, dialect: Dialect) -> str:
    """The checker's own command, for this check alone."""
    whose = ["--command", target.command] if target.command else [target.host, str(target.port)]
    return shlex.join(["python3", "-m", "demos.check", dialect.name, *dialect.told, *whose, "--only", name])


def started(target: Target, dialect: Dialect) -> str:
    """The command, in this folder, that makes the server ready for reproduce(); empty where nothing is to be done."""
    files = f"python3 -m demos.check http --site {shlex.quote('.' if target.command else target.folder)}"
    if not target.command:
        return files if dialect.name == "http" else ""
    if dialect.name != "http":
        return shlex.join(target.words(PORT, "", relative=True))
    if "{folder}" in target.command:
        return f"{files} && {shlex.join(target.words(PORT, 'site', relative=True))}"
    return f"{files} && cd site && PYTHONPATH=.. {shlex.join(target.words(PORT))}"


def score(results: Sequence[Result]) -> Optional[int]:
    """Of what could be checked, how much is right: 0 to 100, weighted, rounded down; None if nothing could."""
    weight = sum(result.check.weight for result in results if result.outcome != NOT_CHECKED)
    right = sum(result.check.weight for result in results if result.outcome == PASSED)
    return 100 * right // weight if weight else None


def line(result: Result) -> str:
    """A check in one line, as soon as it is known."""
    text = f"{MARKS[result.outcome]} {result.check.name:18} "
    if result.outcome == NOT_CHECKED:
        return text + "not checked: " + result.saw.splitlines()[0]
    return text + (f"{result.fault.name}" if result.fault else f"a client that {result.check.does}")


def text(results: Sequence[Result], target: Target, dialect: Dialect) -> str:
    """The findings one after the other, and the score."""
    parts: List[str] = []
    findings = [result for result in results if result.fault]
    for result in findings:
        assert result.fault is not None
        said = ["  It printed:", *(f"    | {words}" for words in result.output[-6:])] if result.output else []
        parts.append("\n".join([f"\n{result.fault.name}  (check {result.check.name}, weight {result.check.weight})",
                                filled("Seen", result.saw), filled("Usually", result.fault.cause),
                                f"  Lesson:    {result.fault.lesson}",
                                f"  Try it:    {reproduce(result, target, dialect)}", *said]))
    start = started(target, dialect)
    if findings and start:
        parts.append(f"\nTo try it, first{' in another terminal' if target.command else ''}: {start}")
    points = score(results)
    checked = sum(result.outcome != NOT_CHECKED for result in results)
    parts.append(f"\n{checked - len(findings)} of {checked} checks passed, {len(results) - checked} not checked. "
                 f"Score: {'none' if points is None else f'{points} of 100'}")
    return "\n".join(parts)


def filled(label: str, words: str) -> str:
    """A labelled paragraph."""
    return textwrap.fill(words, 110, initial_indent=f"  {label + ':':10} ", subsequent_indent=" " * 13,
                         break_long_words=False, break_on_hyphens=False)


def as_json(results: Sequence[Result], target: Target, dialect: Dialect) -> str:
    """The same for programs."""
    return json.dumps({
        "version": VERSION, "profile": dialect.name, "score": score(results),
        "target": {"command": target.command} if target.command else {"host": target.host, "port": target.port},
        "start": started(target, dialect),
        "checks": [_one(result, target, dialect) for result in results]}, indent=2)


def _one(result: Result, target: Target, dialect: Dialect) -> Dict[str, object]:
    fields: Dict[str, object] = {"name": result.check.name, "does": result.check.does, "weight": result.check.weight,
                                 "outcome": result.outcome}
    if result.outcome != PASSED:
        fields["saw"] = result.saw
    if result.fault:
        fields.update(fault=result.fault.name, cause=result.fault.cause, lesson=result.fault.lesson,
                      reproduce=reproduce(result, target, dialect), output=result.output)
    return fields


def problem(why: str, as_data: bool) -> None:
    """That nothing could be checked: one sentence on stderr, or an object on stdout."""
    if as_data:
        print(json.dumps({"version": VERSION, "error": why}, indent=2))
    else:
        print(f"check: {why}", file=sys.stderr)
