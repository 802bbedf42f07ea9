"""The options --trace, --record and --doctor of every demo, and the one observer that serves them all."""
from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from typing import Callable, Iterator, List

from reactor import EventLoop
from reactor.trace import Event

from .doctor import attended
from .lines import complain
from .printer import BriefPrinter, Printer
from .recorder import LIMIT, Recorder

MIB = 1024 * 1024
Observer = Callable[[Event], object]


def add_options(parser: argparse.ArgumentParser) -> None:
    """--trace, --trace=brief, --record FILE, --record-bytes, --record-limit MIB, --doctor."""
    # Two options, and not one with a value that may be missing: that one would swallow the word after it.
    parser.add_argument("--trace", dest="trace", action="store_const", const="full",
                        help="say on stderr what the event loop does, one event a line")
    parser.add_argument("--trace=brief", dest="trace", action="store_const", const="brief", help="one turn a line")
    parser.add_argument("--record", metavar="FILE", help="write what the event loop does, for demos.replay")
    parser.add_argument("--record-bytes", action="store_true", help="and all that is received and sent")
    parser.add_argument("--record-limit", type=mebibytes, default=LIMIT, metavar="MIB",
                        help="end the recording at this size, 64 by default")
    parser.add_argument("--doctor", action="store_true", help="say what goes wrong in the loop, and the missing line")


def mebibytes(text: str) -> int:
    """So many MiB, in bytes."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < MIB):
        raise argparse.ArgumentTypeError(f"a number of MiB above 0 is needed, not {text!r}")
    return int(text) * MIB


@contextlib.contextmanager
def observed(reactor: EventLoop, options: argparse.Namespace, parser: argparse.ArgumentParser) -> Iterator[None]:
    """While inside, the loop is traced, recorded and attended by the doctor, as the options say.

    Where the file cannot be written the program ends through parser.error().  With nothing asked
    for, the loop has no observer and pays nothing.
    """
    with contextlib.ExitStack() as stack:
        observers: List[Observer] = []
        if options.record:
            try:
                recorder = Recorder(options.record, reactor.time(), payloads=options.record_bytes,
                                    limit=options.record_limit)
            except OSError as exc:
                parser.error(f"cannot record to {options.record}: {exc.strerror}")
            stack.callback(recorder.close)
            observers.append(recorder)
        elif options.record_bytes:
            parser.error("--record-bytes needs a file to write to: --record FILE")
        if options.trace and sys.stderr is not None:
            worker = getattr(options, "worker", None)  # of several that share this stderr
            printer = (BriefPrinter if options.trace == "brief" else Printer)(
                sys.stderr, reactor.time(), f"worker {worker[0]} " if worker else "")
            stack.callback(printer.close)
            observers.append(printer)
        if options.doctor:
            idle = getattr(options, "idle", None)
            observers.append(stack.enter_context(attended(complain, reactor.time, idle=idle)))
        if observers:
            reactor.observer = observers[0] if len(observers) == 1 else together(observers)
        yield


def together(observers: List[Observer]) -> Observer:
    """One observer of several.  One that raises is taken off, and the others go on."""
    def observe(event: Event) -> None:
        for observer in list(observers):
            try:
                observer(event)
            except Exception:
                observers.remove(observer)
                logging.getLogger("reactor").exception("an observer raised, and is not called any more")
    return observe
