"""Re-run: feed the recorded answers of the kernel to the program again, and stop where it acts differently.

Theory of operation

1. A real Reactor drives the program's own protocols.  Only its edges are replaced (scripted.py): select, the
   sockets and the clock answer from the recording.  No network is touched.
2. A Script is the recording with a finger on the next event.  A socket that is asked looks at the finger:
   there must be the recorded answer to just this question, else the program has diverged.
3. The reactor's own events are compared with the recorded ones, one by one, and move the finger.  Left out
   are those that depend on the machine and not on the program, and all durations.
4. The clock says the time of the last event.  Timers get the moment that was recorded for them, and fire when the
   recording says so: the real clock was read between two events, so that no comparison would be sure.
5. A look-up is over when the recording tells of the first address that was tried.  What the program's own threads bring
   (standard input, say) they bring again, and it is called in the turn in which the recorded one was.
6. What the recording does not hold cannot be fed: what a signal brought, what watchers of the program's own found,
   and the bytes of files, of which only the sizes are compared.  At the first two the re-run ends, the same so far.
"""
from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import os
import sys
from typing import Any, Callable, Dict, Iterator, List

from reactor import Reactor
from reactor.outbound import FileSlice
from reactor.trace import Event

from .observe import add_options
from .script import CannotRerun, Over, Script
from .scripted import ScriptedKernel, ScriptedReactor


def rerun(events: Iterator[Event], header: Dict[str, Any], program: str, *, part: bool = False) -> str:
    """Run it again; why it ended, in words.  Diverged, or CannotRerun where it cannot even begin.

    `program` is MODULE:FACTORY, or empty for the demo that the header names.  With `part` the events are an excerpt
    of what a loop did.
    """
    script = Script(events)
    reactor = ScriptedReactor(script)
    if part:
        reactor.number_as_recorded()
    try:
        with files_by_the_script():
            if program:
                reactor.again(factory_of(program, reactor))
            start_again(header, reactor)
            reactor.again(None)
    except Over as over:
        return f"same: {script.matched:,} events up to turn {script.turn:,}, where {over}"
    finally:
        put_away(reactor)


@contextlib.contextmanager
def files_by_the_script() -> Iterator[None]:
    """While inside, a file is sent by a socket that is asked how much of it the kernel took; by a real one as ever."""
    real = FileSlice.send
    setattr(FileSlice, "send", lambda part, sock: sock.send_file(len(part)) if isinstance(sock, ScriptedKernel)
            else real(part, sock))
    try:
        yield
    finally:
        setattr(FileSlice, "send", real)


def put_away(reactor: Reactor) -> None:
    """Close all; what the program has to say about it was not recorded, and nobody wants to hear it."""
    reactor.observer = None
    with open(os.devnull, "w", encoding="utf-8") as nobody:
        with contextlib.redirect_stdout(nobody), contextlib.redirect_stderr(nobody):
            reactor.close()


def start_again(header: Dict[str, Any], reactor: Reactor) -> None:
    """Begin the demo that made the recording, with its arguments."""
    name, arguments = str(header.get("program", "")), header.get("arguments", [])
    try:
        module: Any = importlib.import_module(f"demos.{name}") if name.isidentifier() else None
    except ImportError:
        module = None
    if hasattr(module, "start"):
        with command_line([name, *unobserved(arguments)]):
            module.start(reactor)
    elif hasattr(module, "SERVER"):
        module.SERVER.listen(reactor, module.SERVER.options(arguments))
    else:
        raise CannotRerun(f"{name or 'the program'} cannot be started again: say which protocol, as MODULE:FACTORY")


def unobserved(arguments: List[str]) -> List[str]:
    """Arguments without those that ask for a recording, which would be written over the one that is read."""
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser)
    return parser.parse_known_args(arguments)[1]


@contextlib.contextmanager
def command_line(words: List[str]) -> Iterator[None]:
    """While inside, the program was called so."""
    before, sys.argv = sys.argv, words
    try:
        yield
    finally:
        sys.argv = before


def factory_of(program: str, reactor: Reactor) -> Callable[[], Any]:
    """MODULE:FACTORY, given what it asks for by name of `call_later`, `time` and `reactor`."""
    module, _, name = program.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
        parameters = inspect.signature(factory).parameters
    except (ImportError, AttributeError, ValueError, TypeError) as exc:
        raise CannotRerun(f"{program} is not a MODULE:FACTORY that can be called: {exc}") from None
    known = {"call_later": reactor.call_later, "time": reactor.time, "reactor": reactor}
    wanted = {name: value for name, value in known.items() if name in parameters}
    return lambda: factory(**wanted)
