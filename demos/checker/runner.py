"""Plays the checks: each on a fresh run of the server, several at a time, and twice before anybody is accused.

A fault has to show in two runs of their own, the second with three times the patience: what a busy machine
does once is not held against anybody.  Nor does it decide what can be checked: that is tried again too.
"""
from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Sequence

from .checks import CHECKS, Check
from .client import Trouble
from .dialects import Dialect
from .faults import FAULTS, Fault, sign_of
from .program import Ended
from .stage import CannotCheck, Finding, NotChecked, Stage, Target

PATIENCE = (2.0, 6.0)  # seconds for the next byte, in the first run and in the second
PASSED, FINDING, NOT_CHECKED = "passed", "finding", "not checked"
ENDS_IT = ("ctrl-c", "restart")  # the checks after which the program is not expected to run


@dataclass(frozen=True)
class Result:
    """How one check went.  `saw` is what was seen, or why nothing was; `output` the program's last lines."""

    check: Check
    outcome: str
    saw: str = ""
    fault: Optional[Fault] = None
    output: List[str] = field(default_factory=list)


def attempt(check: Check, target: Target, dialect: Dialect, patience: float) -> Result:
    """Play a check once.  Raises CannotCheck where the server is not there."""
    with Stage(target, dialect, patience) as stage:
        finding: Optional[Finding] = None
        try:
            check.play(stage)
        except Finding as exc:
            finding = exc
        except NotChecked as exc:
            return Result(check, NOT_CHECKED, str(exc))
        except Trouble as trouble:
            finding = Finding("died", f"The play could not go on: {trouble}.")
        return judged(check, stage, finding)


def judged(check: Check, stage: Stage, finding: Optional[Finding]) -> Result:
    """What was seen, together with what the program itself says of it."""
    program = stage.program
    status = program.status if program is not None else None
    ended = status is not None and check.name not in ENDS_IT
    if program is None or not (finding or ended):
        return Result(check, FINDING, finding.saw, FAULTS[finding.fault]) if finding else Result(check, PASSED)
    name, saw = (finding.fault, finding.saw) if finding else ("died", "The client got what it was owed.")
    if not (finding and finding.sure):
        name = sign_of(program.all_words()) or name
    if ended:
        saw += f" The whole server had ended (status {status})."
    return Result(check, FINDING, saw, FAULTS[name], program.last_words())


def play(check: Check, target: Target, dialect: Dialect) -> Result:
    """Play a check, and once more what did not pass; a fault that only the second play saw, a third time.

    Raises CannotCheck.
    """
    result = attempt(check, target, dialect, PATIENCE[0])
    if result.outcome == PASSED:
        return result
    again = attempt(check, target, dialect, PATIENCE[1])
    if again.outcome == FINDING and result.outcome == NOT_CHECKED:
        return attempt(check, target, dialect, PATIENCE[1])
    return again


def first(target: Target, dialect: Dialect) -> Result:
    """The check that all others stand on: the plain request.  Raises CannotCheck.

    Where it is refused, and taken with the other line end, that one is used from here on: which of the two a
    server does not take is a finding of its own check alone.
    """
    check = CHECKS["answers"]
    result = attempt(check, target, dialect, PATIENCE[0])
    if result.outcome == FINDING and dialect.name in CHECKS["other-newline"].profiles:
        dialect.newline, dialect.other = dialect.other, dialect.newline
        other = attempt(check, target, dialect, PATIENCE[0])
        if other.outcome == PASSED:
            return other
        dialect.newline, dialect.other = dialect.other, dialect.newline
    return play(check, target, dialect) if result.outcome == FINDING else result


def play_all(names: Sequence[str], target: Target, dialect: Dialect, jobs: int, limit: float) -> Iterator[Result]:
    """The results of these checks, in their order, each as soon as those before it are known.

    Raises CannotCheck where the first request finds no server.  After `limit` seconds no check is begun.
    """
    end = time.monotonic() + limit
    start = first(target, dialect)
    if "answers" in names or start.outcome != PASSED:
        yield start
    rest = [CHECKS[name] for name in names if name != "answers"]
    if start.outcome != PASSED:
        yield from (Result(check, NOT_CHECKED, "a plain request is not answered") for check in rest)
        return
    results: Dict[str, "queue.Queue[Result]"] = {check.name: queue.Queue() for check in rest}
    waiting: "queue.Queue[Check]" = queue.Queue()
    for check in rest:
        waiting.put(check)

    def work() -> None:
        while True:
            try:
                check = waiting.get_nowait()
                results[check.name].put(bounded(check, target, dialect, end))
            except (queue.Empty, Ended):
                return

    # One server that runs already serves one check at a time: what one does to it would be blamed on another.
    for _ in range(min(jobs, len(rest)) if target.command else 1):
        threading.Thread(target=work, daemon=True).start()
    for check in rest:
        yield results[check.name].get()


def bounded(check: Check, target: Target, dialect: Dialect, end: float) -> Result:
    """The result of one check, whatever happens to it."""
    if time.monotonic() > end:
        return Result(check, NOT_CHECKED, "the time was over (--limit)")
    try:
        return play(check, target, dialect)
    except CannotCheck as exc:
        return Result(check, NOT_CHECKED, str(exc))
    except (OSError, ValueError) as exc:
        return Result(check, NOT_CHECKED, f"the checker itself failed: {exc!r}")
