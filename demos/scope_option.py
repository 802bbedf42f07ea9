"""The option --scope of every server: one page for one loop."""
from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING, Callable, Iterator, Optional

from reactor import Reactor

if TYPE_CHECKING:
    from .scope import Scope

PORT = 8090
DEFAULT = -1  # the port of an option that names none


def add_option(parser: argparse.ArgumentParser, port: Callable[[str], int], default: Optional[int] = None) -> None:
    """--scope [PORT]; `default` is what holds where it is not given."""
    parser.add_argument("--scope", nargs="?", type=port, const=DEFAULT, default=default, metavar="PORT",
                        help=f"a page that shows the event loop, to be opened in a browser on this machine; "
                        f"{PORT} by default, 0: a free port")


@contextlib.contextmanager
def scope(reactor: Reactor, program: str, options: argparse.Namespace, parser: argparse.ArgumentParser,
          say: Callable[[str], object]) -> Iterator[Optional[Scope]]:
    """While inside there is a page, where one was asked for.  To be entered before anybody keeps `reactor.time`.

    A default port that is taken is replaced by a free one; for another one that is taken the program ends through
    parser.error().
    """
    if options.scope is None:
        yield None
        return
    with _made(reactor, program, options, parser, say) as made:
        yield made


def _made(reactor: Reactor, program: str, options: argparse.Namespace, parser: argparse.ArgumentParser,
          say: Callable[[str], object]) -> Scope:
    from .scope import Scope  # here, for it doubles the time that a program needs to start, and few are asked for it
    idle = getattr(options, "idle", None)
    port = PORT if options.scope == DEFAULT else options.scope
    try:
        return Scope(reactor, program, port, idle)
    except OSError as exc:
        if options.scope != DEFAULT:
            parser.error(f"there can be no page, {exc.strerror}: try --scope 0")
    say(f"{program}: port {port} is taken, the page has a free one instead")
    return Scope(reactor, program, 0, idle)
