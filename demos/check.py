"""A black-box checker of anybody's server: what is wrong, why usually, and how to see it for yourself.

    python3 -m demos.check echo --command 'python3 my_server.py {host} {port}'
    python3 -m demos.check http --command 'python3 sws.py {host} {port}'
    python3 -m demos.check uppercase 127.0.0.1 12000

Exit status: 0 all passed, 1 there are findings, 2 nothing could be checked.  demos/checker/README.md
describes the profiles, the checks and the JSON.
"""
from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from typing import Iterator, List, NoReturn, Optional, Sequence

from .checker import http_checks, report
from .checker.checks import CHECKS, EVERY
from .checker.dialects import Dialect, Lines, Page, Stream
from .checker.http import Http, Site, write_with_secret
from .checker.program import end_all
from .checker.runner import Result, play_all
from .checker.stage import CannotCheck, Target
from .commandline import Parser, port, positive

assert http_checks  # imported for what it enters into CHECKS


def arguments() -> Parser:
    """The command line."""
    parser = Parser(prog="check", description="What is wrong with this server, and why?")
    parser.add_argument("profile", choices=EVERY, help="what it is to do with what it receives")
    parser.add_argument("host", nargs="?", help="a server that runs already: its host ...")
    parser.add_argument("port", nargs="?", type=port, help="... and port")
    parser.add_argument("--command", help="how to run the server, with {port}, and if need be {host} and {folder}")
    parser.add_argument("--say", default="", metavar="TEXT",
                        help="what clients ask in the profiles lines and page (default: Hello, world)")
    parser.add_argument("--expect", metavar="FILE",
                        help="the right answer of the profile page (default: what the first client gets)")
    parser.add_argument("--folder", metavar="DIR", help="what the running http server serves; files are made there")
    parser.add_argument("--site", metavar="DIR", help="only make the files that the http profile asks for, in DIR/site")
    parser.add_argument("--only", action="append", metavar="NAME", help="this check alone (may be repeated)")
    parser.add_argument("--list", action="store_true", help="say which checks there are")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="checks at a time (%(default)s)")
    parser.add_argument("--limit", type=positive, default=180.0, metavar="SECONDS",
                        help="begin no check after so long (%(default)g)")
    return parser


def chosen(options: argparse.Namespace) -> List[str]:
    """The names of the checks to play.  Raises CannotCheck."""
    names = [check.name for check in CHECKS.values() if options.profile in check.profiles]
    for name in options.only or []:
        if name not in names:
            raise CannotCheck(f"there is no check {name!r} for {options.profile}: --list says which there are")
    return [name for name in names if name in (options.only or names)]


def targeted(options: argparse.Namespace) -> Target:
    """Whose server it is.  Raises CannotCheck."""
    if bool(options.command) == (options.port is not None):
        raise CannotCheck("which server? either --command 'python3 server.py {host} {port}', or HOST PORT")
    if options.command:
        if "{port}" not in options.command:
            raise CannotCheck("the command needs {port}, where the port goes that is to be listened on")
        return Target(command=options.command)
    if options.profile == "http" and not options.folder:
        raise CannotCheck("a running http server: --folder DIR says what it serves, for the files that are asked for")
    return Target(host=options.host, port=options.port)


@contextlib.contextmanager
def dialect_for(options: argparse.Namespace) -> Iterator[Dialect]:
    """The profile's dialect; the files of the http profile live as long as this.  Raises CannotCheck."""
    if options.profile == "http":
        with Site(options.folder) as site:
            yield Http(site)
    elif options.profile == "page":
        yield Page(options.say, expected(options.expect))
    else:
        yield Lines(options.say) if options.profile == "lines" else Stream(options.profile)


def expected(path: Optional[str]) -> bytes:
    """What the file holds.  Raises CannotCheck."""
    try:
        if path is None:
            return b""
        with open(path, "rb") as file:
            return file.read()
    except OSError as exc:
        raise CannotCheck(f"{path} cannot be read: {exc.strerror}") from None


def check(options: argparse.Namespace, target: Target, names: Sequence[str]) -> int:
    """Play, report; the exit status."""
    results: List[Result] = []
    with dialect_for(options) as dialect:
        said = [(name, getattr(options, name)) for name in ("say", "expect", "folder")]
        dialect.told = [word for name, value in said if value for word in (f"--{name}", value)]
        if isinstance(dialect, Http):
            target = Target(target.command, target.host, target.port, dialect.site.folder)
        for result in play_all(names, target, dialect, max(1, options.jobs), options.limit):
            results.append(result)
            if not options.json:
                print(report.line(result), flush=True)
        print((report.as_json if options.json else report.text)(results, target, dialect))
    if all(result.outcome == "not checked" for result in results):
        return 2
    return 1 if any(result.fault for result in results) else 0


def ended(signum: int, frame: object) -> NoReturn:
    """SIGTERM, as an exception: so that the programs are ended before the checker is."""
    sys.exit(128 + signum)


def main() -> None:
    """Check what the command line names."""
    options = arguments().parse_args()
    if options.site:
        return write_with_secret(options.site)
    # A shell that starts us in the background has SIGINT ignored, and the programs would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, ended)
    status = 2
    try:
        names = chosen(options)
        status = show(names) if options.list else check(options, targeted(options), names)
    except CannotCheck as exc:
        report.problem(str(exc), options.json)
    except KeyboardInterrupt:
        status = 130
    finally:
        end_all()
    sys.exit(status)


def show(names: Sequence[str]) -> int:
    """Say which checks there are."""
    for name in names:
        print(f"{name:18} weight {CHECKS[name].weight}   a client that {CHECKS[name].does}")
    return 0


if __name__ == "__main__":
    main()
