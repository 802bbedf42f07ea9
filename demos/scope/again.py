"""The tenth experiment: record, open the recording on the page, run it again, change one line and run it again."""
from __future__ import annotations

from functools import partial
from typing import Any, BinaryIO, Callable, List

from ..glassbox.excerpt import excerpt
from ..glassbox.recording import Recording
from ..glassbox.rerun import rerun
from ..glassbox.script import CannotRerun, Diverged
from .replay import read_all
from .servers import Download, SmallerPieces
from .stories import READ, read_slowly
from .story import Once, Server, Steps, Story


def record_and_rerun(story: Story) -> Steps:
    """The slow reader once more, this time recorded."""
    scope = story.stage.scope
    if scope.tape.is_on:
        story.note("A recording is running. End it first, since this experiment makes one of its own.")
        return
    tape = story.stage.opened(Once(partial(scope.record, False)))
    scope.record(True)
    opened: List[Server] = []

    def listen() -> None:
        if not story.is_over:
            opened.append(Server(story, partial(Download, story.reactor.call_later)))

    # In a turn of the observed loop, and in one that is recorded from its beginning: the next but one.
    story.reactor.call_soon(story.reactor.call_soon, listen)
    story.stage.nudge()
    yield partial(len, opened)
    yield from read_slowly(story, opened[0])
    tape.close()
    before = scope.replay
    story.note(f"{scope.tape.size:,} bytes were recorded. They are opened now, in place of the live loop.")
    read_all(recorded(story), "experiment 3", story.page.call_later, partial(show, story))
    yield lambda: scope.replay is not before
    yield READ
    yield from compare(story, opened[0].name)


def recorded(story: Story) -> BinaryIO:
    """The recording, from its beginning."""
    file = story.stage.scope.tape.open()
    assert file is not None
    return file


def show(story: Story, replay: Any) -> None:
    """Let the page show a recording that was read; a file that we wrote ourselves is one."""
    if story.is_over:
        replay.close()
    else:
        story.stage.scope.close_replay()
        story.stage.scope.replay = replay


CHANGES = {
    Download: "with nothing changed",
    SmallerPieces: f"with one line changed, pieces of {SmallerPieces.piece:,} bytes in place of {Download.piece:,}"}


def compare(story: Story, listener: str) -> Steps:
    """Run it again, unchanged and changed; what came of it."""
    for factory, change in CHANGES.items():
        program = f"{factory.__module__}:{factory.__name__}"
        results = in_thread(story, partial(run_again, recorded(story), listener, program))
        yield partial(len, results)
        story.note(f"Run again without a network, {change}: {results[0]}. Save the recording, and do it yourself with\n"
                   f"python3 -m demos.replay FILE --only {listener[1:]} --rerun {program}")
        yield 2 * READ


def in_thread(story: Story, work: Callable[[], Any]) -> List[Any]:
    """Do it in a thread, since it takes its time; a list that gets the result."""
    results: List[Any] = []
    story.page.call_in_thread(work, results.append)
    return results


def run_again(file: BinaryIO, listener: str, program: str) -> str:
    """What a re-run of what concerns that listener says."""
    with Recording(file) as recording:
        try:
            return rerun(excerpt(recording, {listener}), recording.header, program, part=True)
        except (Diverged, CannotRerun) as exc:
            return str(exc)
