"""Read a recording of --record, without any network: print it, step through it, draw it, examine it, run it again."""
from __future__ import annotations

import io
import os
import sys
from argparse import ArgumentTypeError, Namespace
from typing import Callable, Iterable, Iterator, Optional, Set

from reactor.trace import Event

from .commandline import Parser, keep_standard_streams, positive, silence
from .glassbox import timeline
from .glassbox.archive import Archive, Turn
from .glassbox.columns import Columns
from .glassbox.doctor import IDLE, Doctor
from .glassbox.excerpt import excerpt
from .glassbox.printer import Printer, line, wants_colour
from .glassbox.progress import Progress
from .glassbox.recording import NotARecording
from .glassbox.rerun import rerun
from .glassbox.script import CannotRerun, Diverged
from .glassbox.stepper import Stepper
from .glassbox.words import concerned


def options_parser() -> Parser:
    """The command line."""
    parser = Parser(prog="replay", description=__doc__)
    parser.add_argument("file", metavar="FILE", help="what --record wrote")
    parser.add_argument("--only", metavar="NAMES",
                        help="connections, as in --only '#5' or '#5,#6'; with --rerun listeners")
    parser.add_argument("--from", type=int, dest="first", metavar="TURN", default=0)
    parser.add_argument("--to", type=int, dest="last", metavar="TURN")
    parser.add_argument("--idle", type=positive, default=IDLE, metavar="SECONDS",
                        help="the limit that the doctor holds connections to (%(default)g)")
    parser.add_argument("--progress", action="store_true", help="show a progress bar even where stderr is no terminal")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--step", action="store_true", help="one turn at a time, forwards and backwards")
    how.add_argument("--timeline", metavar="OUT", type=drawable, help="draw it, as OUT.html or OUT.svg")
    how.add_argument("--doctor", action="store_true", help="name what goes wrong, and the line that is missing")
    how.add_argument("--rerun", nargs="?", const="", metavar="MODULE:FACTORY",
                     help="feed it to the program again and stop where that acts differently; without a value, to "
                     "the demo that made the recording (with --record-bytes)")
    return parser


def drawable(path: str) -> str:
    """The name of a picture."""
    try:
        timeline.format_of(path)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from None
    return path


def main() -> None:
    """Exit status 0; 1 where the doctor or the re-run found something; 2 for a file that is no recording."""
    keep_standard_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names are in any language, which a terminal may not have
    parser = options_parser()
    options = parser.parse_args()
    if options.only and options.doctor:
        parser.error("the doctor needs all connections: leave --only out")
    if options.first and options.rerun is not None:
        parser.error("a re-run begins at the beginning: leave --from out")
    try:
        file = open(options.file, "rb")
    except OSError as exc:
        parser.error(f"cannot read {options.file}: {exc.strerror or exc}")
    try:
        with file:
            if not file.seekable():
                parser.error(f"{options.file} is a pipe or a device: give a file, which can be read backwards too")
            status = act(Archive(file, os.path.basename(options.file)), options)
            sys.stdout.flush()
    except BrokenPipeError:
        status = 0
        silence(sys.stdout)
    except NotARecording as exc:
        parser.error(str(exc))
    except OSError as exc:
        silence(sys.stdout)
        parser.error(f"cannot go on: {exc.strerror or exc}")
    except KeyboardInterrupt:
        status = 0
    sys.exit(status)


def act(archive: Archive, options: Namespace) -> int:
    """Do what the command line asks for; the exit status."""
    if options.step:
        Stepper(archive, shower(options.only), sys.stdin, sys.stdout, options.first, options.last).run()
        return 0
    turns = observed(archive, options, sys.stdout.isatty() and printing(options))
    if options.timeline:
        return draw(turns, archive, options)
    if options.rerun is not None:
        return run_again(turns, archive, options.rerun, wanted(options.only))
    if options.doctor:
        return examine(turns, options.idle)
    sys.stdout.write(Printer.title)
    show = shower(options.only)
    shown = sum(show(turn) for turn in turns)
    if options.only and not shown:
        print(f"no event is about {', '.join(sorted(wanted(options.only) or ()))}", file=sys.stderr)
    return 0


def printing(options: Namespace) -> bool:
    """True where the turns go to stdout, between which a progress bar would stand badly."""
    return not (options.doctor or options.timeline) and options.rerun is None


def observed(archive: Archive, options: Namespace, quiet: bool = False) -> Iterator[Turn]:
    """The turns that were asked for, beside a progress bar unless `quiet`."""
    with Progress(archive.size, sys.stderr, options.progress or (sys.stderr.isatty() and not quiet)) as progress:
        for turn in archive.turns(options.first, options.last):
            progress.reached(archive.position, f"turn {turn[0].turn:,}")
            yield turn


def shower(only: Optional[str]) -> Callable[[Turn], bool]:
    """Prints the events of a turn, or those that concern the connections in `only`; False where there are none."""
    names = wanted(only)
    colour = wants_colour(sys.stdout)

    def show(turn: Turn) -> bool:
        lines = [line(event, colour=colour) for event in chosen(turn)]
        sys.stdout.write("".join(lines))
        return bool(lines)

    def chosen(turn: Turn) -> Iterable[Event]:
        return turn if names is None else [event for event in turn if concerned(event) & names]
    return show


def wanted(only: Optional[str]) -> Optional[Set[str]]:
    """The names in `only`; None for all."""
    return {"#" + name.strip().lstrip("#") for name in only.split(",")} if only else None


def draw(turns: Iterator[Turn], archive: Archive, options: Namespace) -> int:
    """Write the timeline; the exit status."""
    content, doctor = Columns(wanted(options.only)), Doctor(idle=options.idle)
    for turn in turns:
        content.add(turn)
        for event in turn:
            doctor(event)
    title = f"{archive.header.get('program', 'a program')}, recorded {archive.header.get('date', '')}"
    picture = (timeline.svg(content, title) if timeline.format_of(options.timeline) == "svg" else
               timeline.page(content, title, doctor.findings))
    try:
        with open(options.timeline, "w", encoding="utf-8") as out:
            out.write(picture)
    except OSError as exc:
        options_parser().error(f"cannot write {options.timeline}: {exc.strerror or exc}")
    print(f"{options.timeline}: {content.turns:,} turns in {len(content.columns)} columns")
    return 0


def examine(turns: Iterator[Turn], idle: float) -> int:
    """Let the doctor see the turns; the exit status, 1 where something was found."""
    doctor = Doctor(print, idle=idle)
    count = 0
    for turn in turns:
        count += 1
        for event in turn:
            doctor(event)
    number = len(doctor.findings)
    found = f"{number} finding{'s' if number > 1 else ''}" if number else "nothing wrong was found"
    print(f"{count:,} turns, {found}")
    return 1 if doctor.findings else 0


def run_again(turns: Iterator[Turn], archive: Archive, program: str, only: Optional[Set[str]]) -> int:
    """Re-run all, or the listeners in `only` and who they accept; the exit status, 1 where it diverged."""
    events = (event for turn in turns for event in turn)
    try:
        if only is None:
            print(rerun(events, archive.header, program))
        else:
            print(rerun(excerpt(events, only), archive.header, program, part=True))
        return 0
    except Diverged as diverged:
        print(diverged)
        return 1
    except CannotRerun as exc:
        options_parser().error(str(exc))


if __name__ == "__main__":
    main()
