"""X-ray:  python3 -m demos.xray SCRIPT [ARGS]

Runs any program that waits in select.select, unchanged, and says what it asked and what the kernel answered.
"""
from __future__ import annotations

import argparse
import atexit
import contextlib
import functools
import os
import selectors
import signal
import sys
from typing import Any, Iterator, List, NoReturn, Optional, TextIO

from reactor.trace import Event

from .. import hostile
from ..commandline import Parser
from ..glassbox.printer import BriefPrinter, Printer
from ..glassbox.recorder import Recorder
from .kernel import Kernel, Observer
from .program import NoSuchProgram, keep_out_of_tracebacks, look_for, run_module, run_script
from .rubric import Rubric
from .sieve import READABLE, RECORDED, Sieve

OTHERS = ("EpollSelector", "PollSelector", "KqueueSelector", "DevpollSelector")
HIGH = 200  # descriptors from here on are ours: the program gets the numbers that it would get without us


def parsed() -> argparse.Namespace:
    """The command line up to the program's own."""
    parser = Parser(prog="demos.xray", description="See what a program does with select().")
    parser.add_argument("--trace", metavar="FILE", help="write trace and summary to FILE instead of stderr")
    parser.add_argument("--brief", action="store_true", help="one line a turn")
    parser.add_argument("--summary", action="store_true", help="no trace, only the summary")
    parser.add_argument("--record", metavar="FILE", help="record all events to FILE")
    parser.add_argument("--record-bytes", action="store_true", help="and all that is received and sent")
    parser.add_argument("--selectors", action="store_true",
                        help="let programs that would wait in epoll or kqueue (asyncio does) wait in select")
    parser.add_argument("--cd", metavar="FOLDER", help="run it in FOLDER")
    hostile.add_option(parser)
    parser.add_argument("-m", dest="module", action="store_true", help="SCRIPT is the name of a module")
    parser.add_argument("script", metavar="SCRIPT")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS")
    return parser.parse_args()


@contextlib.contextmanager
def high_numbers() -> Iterator[None]:
    """What is opened inside gets a high descriptor number, where the system hands out the lowest free one."""
    fillers: List[int] = []
    try:
        while not fillers or 0 <= fillers[-1] < HIGH:
            fillers.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass  # fewer are allowed: the highest that there are will do
    if fillers:
        os.close(fillers.pop())
    try:
        yield
    finally:
        for number in fillers:
            os.close(number)


class Outputs:
    """Where it all goes: words, a recording, the summary; each is written to the end once."""

    def __init__(self, options: argparse.Namespace, rubric: Rubric) -> None:
        self._rubric = rubric
        self._program = options.script
        self._process = os.getpid()
        self._closers: List[Any] = []
        self.observers: List[Observer] = [rubric]
        with high_numbers():
            self._stream: TextIO = (open(options.trace, "w", encoding="utf-8", errors="backslashreplace")
                                    if options.trace else os.fdopen(os.dup(2), "w", errors="backslashreplace"))
            if options.record:
                self._add(Recorder(options.record, hostile.now(), payloads=options.record_bytes), RECORDED)
        if not options.summary:
            self._add((BriefPrinter if options.brief else Printer)(self._stream, hostile.now()), READABLE)

    def _add(self, output: Any, shown: int) -> None:
        sieve = Sieve(output, shown)
        self.observers.append(sieve)
        self._closers += [sieve, output]

    def observe(self, event: Event) -> None:
        """Tell everybody."""
        for observer in self.observers:
            observer(event)

    def discard(self) -> None:
        """There was nothing to see: write nothing."""
        self._stream.close()

    def close(self) -> None:
        """Write what is left, and the summary.  Twice is once; a child that the program forked writes nothing."""
        if self._process == os.getpid() and not self._stream.closed:
            for closer in self._closers:
                closer.close()
            self._rubric.close()
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(self._rubric.summary(self._program))
                self._stream.close()


def note_other_waits(rubric: Rubric) -> None:
    """Count waits that are not select, in order to say that they are not seen."""
    for name in OTHERS:
        selector: Optional[Any] = getattr(selectors, name, None)
        if selector is not None:
            _note(selector, rubric)


def _note(selector: Any, rubric: Rubric) -> None:
    real = selector.select

    def select(self: Any, timeout: Optional[float] = None) -> Any:
        name = type(self).__name__
        rubric.unseen[name] = rubric.unseen.get(name, 0) + 1
        return real(self, timeout)
    selector.select = select


def end_at_sigterm(outputs: Outputs) -> None:
    """Let SIGTERM write the summary first; the program may still handle it in its own way."""
    def end(signum: int, frame: Any) -> None:
        outputs.close()
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)
    if os.name == "posix":
        signal.signal(signal.SIGTERM, end)


def note_end(rubric: Rubric, outputs: Outputs, exc: BaseException) -> None:
    """Nobody caught this."""
    rubric.ended_with(exc)
    if isinstance(exc, KeyboardInterrupt) and sys.implementation.name == "pypy":
        outputs.close()  # after Ctrl-C PyPy calls nothing at exit


def enter(options: argparse.Namespace) -> None:
    """Go where the program is to run, and see that it is there before any file is written.  Raises OSError."""
    for name in ("trace", "record"):
        if getattr(options, name):
            setattr(options, name, os.path.abspath(getattr(options, name)))
    if options.cd:
        os.chdir(options.cd)
    look_for(options.script, options.module)


def no_program(exc: NoSuchProgram) -> NoReturn:
    """Say so, and end: nothing was run."""
    print(f"demos.xray: {exc}", file=sys.stderr)
    sys.exit(2)


def main() -> None:
    """Run the program; what it prints, how it ends and its exit status are its own."""
    options = parsed()
    sys.argv = [options.script, *options.arguments]
    rubric = Rubric()
    try:
        enter(options)
        outputs = Outputs(options, rubric)
    except OSError as exc:
        sys.exit(f"demos.xray: {exc.filename}: {exc.strerror}")
    except NoSuchProgram as exc:
        no_program(exc)
    atexit.register(outputs.close)
    hostile.unleash(options.hostile)
    note_other_waits(rubric)
    if options.selectors:
        for name in ("DefaultSelector", *OTHERS):
            if hasattr(selectors, name):
                setattr(selectors, name, selectors.SelectSelector)
    Kernel(outputs.observe, rubric, hostile.now).install()
    end_at_sigterm(outputs)
    keep_out_of_tracebacks(functools.partial(note_end, rubric, outputs))
    try:
        (run_module if options.module else run_script)(options.script)
    except NoSuchProgram as exc:
        outputs.discard()
        no_program(exc)


if __name__ == "__main__":
    main()
