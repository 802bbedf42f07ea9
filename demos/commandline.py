"""The command line that every server demo shares, so that each of them only says what is its own.

What all of them keep: one ready line on stdout; Ctrl-C and SIGTERM end with one line and exit status 0,
within two seconds whatever the clients do; a mistake of the user is one line on stderr that says what to
do, and exit status 2; nothing that happens to stdout or stderr ends or changes what is served.
"""
from __future__ import annotations

import argparse
import contextlib
import errno
import ipaddress
import os
import signal
import socket
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, List, NoReturn, Optional, Sequence, TextIO

from protocols.idle import IdleLimit
from reactor import Reactor
from reactor.listener import shown

from . import hostile, scope_option, workers
from .glassbox import observe as glassbox
from .unhurried import stderr_waits_for_nobody

Factory = Callable[[], Any]


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; argparse would print the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


@dataclass(frozen=True)
class Server:
    """What one server is: all that its own program and `python3 -m demos` need to know of it.

    `make` builds the protocol factory from the loop and the parsed options.  `reach` is how to talk to it,
    with {host} and {port} to fill in.  `arguments` adds options of its own; an option `udp` that
    is true makes it a server of datagrams.
    """

    name: str
    port: int
    reach: str
    make: Callable[[Reactor, argparse.Namespace], Factory]
    arguments: Callable[[argparse.ArgumentParser], object] = lambda parser: None

    def options(self, argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
        """The parsed command line, sys.argv by default; ends the program where it is wrong."""
        return self._parser().parse_args(argv)

    def _parser(self) -> Parser:
        parser = Parser(prog=os.path.basename(sys.argv[0]).replace(".py", ""))
        shared(parser)
        scope_option.add_option(parser, port)
        parser.add_argument("--port", type=port, default=self.port, help="%(default)s by default; 0: a free one")
        parser.add_argument("--unix", type=path, metavar="PATH", help="listen on a Unix socket instead")
        parser.add_argument("--workers", type=count, metavar="N", help="with N processes; SIGHUP replaces them")
        parser.add_argument("--worker", type=workers.numbers, help=argparse.SUPPRESS)  # how such a process knows
        self.arguments(parser)
        return parser

    def listen(self, reactor: Reactor, options: argparse.Namespace) -> str:
        """Listen; the address in words.  Raises OSError or ValueError where that is impossible."""
        factory = self.make(reactor, options)
        if getattr(options, "udp", False):
            transport, _ = reactor.open_datagram(factory, local=(options.host, options.port))
            return shown(transport.get_extra_info("sockname"))
        factory = limited(factory, options.idle, reactor)
        listener = reactor.listen(factory, options.host, options.port, unix=options.unix)
        return options.unix or shown((options.host, listener.port))

    def main(self, argv: Optional[Sequence[str]] = None) -> NoReturn:
        """Serve until Ctrl-C or SIGTERM, as the program that the command line asks for."""
        keep_standard_streams()
        parser = self._parser()
        options = parser.parse_args(argv)
        if options.unix and (getattr(options, "udp", False) or not hasattr(socket, "AF_UNIX")):
            parser.error("there are no Unix sockets on this system, or not for --udp: use --host and --port")
        if options.workers and (getattr(options, "udp", False) or os.name != "posix"):
            parser.error("there are no workers on this system, or not for --udp: leave --workers out")
        if options.workers and (options.record or options.record_bytes):
            parser.error("a recording is of one process: leave --workers or --record out")
        if options.workers and options.scope is not None:
            parser.error("a page shows the loop of one process: leave --workers or --scope out")
        hostile.unleash(options.hostile)
        reactor = Reactor()
        is_parent = options.workers and not options.worker  # which has no connections to tell of
        watched = contextlib.nullcontext() if is_parent else glassbox.observed(reactor, options, parser)
        scope = scope_option.scope(reactor, self.name, options, parser, say)
        # The reactor ends first, since that is still watched; and also where nothing of it ever began.
        with stderr_waits_for_nobody(), contextlib.closing(reactor), scope as seen, watched, reactor:
            if options.workers:
                self._work(reactor, parser, options)
                sys.exit(0)
            prepare(reactor, self.name)
            try:
                where = self.listen(reactor, options)
            except (OSError, ValueError) as exc:
                parser.error(advice(exc, options))
            if not options.unix:
                warn_if_public(options.host)
            say(f"{self.name} listening on {where}")
            if seen is not None:
                say(f"the page is at {seen.url}")
            reactor.run()
        sys.exit(0)

    def _work(self, reactor: Reactor, parser: Parser, options: argparse.Namespace) -> None:
        """As main(), with several processes: the parent of the workers, or one of them."""
        try:
            factory = limited(self.make(reactor, options), options.idle, reactor)  # the parent sees if one can be made
            if options.worker:
                return workers.work(reactor, factory, options.worker[1:])
            slots = workers.open_slots(options.workers, options.host, options.port, options.unix)
        except (OSError, ValueError) as exc:
            parser.error(advice(exc, options))
        where = options.unix or shown((options.host, slots[0].sockets[0].getsockname()[1]))
        if not options.unix:
            warn_if_public(options.host)
        workers.supervise(reactor, self.name, slots, options.unix, say=say, complain=partial(say, stream=sys.stderr),
                          on_ready=lambda: say(f"{self.name} listening on {where}"))


def shared(parser: argparse.ArgumentParser) -> None:
    """The options of every server, and of `python3 -m demos`."""
    parser.add_argument("--host", default="127.0.0.1", help="address or name to listen on (%(default)s)")
    parser.add_argument("--idle", type=positive, metavar="SECONDS", help="end connections that are silent for so long")
    glassbox.add_options(parser)
    hostile.add_option(parser)


def port(text: str) -> int:
    """A port number, 0 included."""
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def path(text: str) -> str:
    """The path of a Unix socket; an empty one would be a name that Linux chooses, and no client could know."""
    if not text:
        raise argparse.ArgumentTypeError("the path of a socket cannot be empty")
    return text


def positive(text: str) -> float:
    """A finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"a number above 0 is needed, not {text!r}")
    return number


def count(text: str) -> int:
    """A number of processes."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 256):
        raise argparse.ArgumentTypeError(f"a number from 1 to 256 is needed, not {text!r}")
    return int(text)


def limited(factory: Factory, seconds: Optional[float], reactor: Reactor) -> Factory:
    """The factory, each of its protocols behind an IdleLimit where there is a limit."""
    if seconds is None:
        return factory
    return lambda: IdleLimit(factory(), seconds, call_later=reactor.call_later, time=reactor.time)


def advice(exc: Exception, options: argparse.Namespace) -> str:
    """Why it cannot listen, and what to do about it, in one line."""
    code = getattr(exc, "errno", None)
    if isinstance(exc, (socket.gaierror, UnicodeError)):
        return f"nothing is known of a host {options.host!r} here: try --host 127.0.0.1"
    if options.unix:
        if code == errno.EADDRINUSE:
            return f"{options.unix} is there already, a file or a server that runs: choose another --unix PATH"
        why = exc.strerror if code and isinstance(exc, OSError) else "the path of a socket is at most 100 bytes long"
        return f"{why}: choose another --unix PATH"
    where = shown((options.host, options.port))
    if code == errno.EADDRINUSE:
        return (f"{where} is taken, perhaps by this server in another terminal (`lsof -i :{options.port}` tells): "
                "stop that one, or take a free port with --port 0")
    if code in (errno.EACCES, errno.EPERM):
        return f"{where} is not for everybody, ports below 1024 need an administrator: try --port 0"
    if code == errno.EADDRNOTAVAIL:
        return f"{options.host} is not an address of this machine: try --host 127.0.0.1"
    return str(exc)


def is_taken(exc: Exception) -> bool:
    """True where another port would do."""
    return getattr(exc, "errno", None) in (errno.EADDRINUSE, errno.EACCES)


def warn_if_public(host: str) -> None:
    """Say on stderr that others can connect, unless only this machine can."""
    try:
        private = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        private = host == "localhost"
    if not private:
        say(f"warning: --host {host or repr('')} lets other machines talk to a program that was made for learning",
            sys.stderr)


def prepare(reactor: Reactor, name: str) -> None:
    """Let Ctrl-C and SIGTERM close all that is open and end run(); a second one aborts what is left, at once.

    To be called before the ready line is printed: who reads it may send a signal the next moment.
    """
    signals: List[int] = []

    def hear(signum: int) -> None:
        signals.append(signum)
        if len(signals) > 1:
            reactor.stop()
        else:
            say(f"{name} stops: {signal.Signals(signum).name}")
            reactor.shut_down()

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)  # what the closing reactor restores: the end shall not be interrupted
        reactor.add_signal_handler(signum, hear, signum)


# -- standard streams, which may be closed, full, or pipes that nobody reads any more

def keep_standard_streams() -> None:
    """Take the numbers of standard streams that are closed, so that no socket can get one and be printed to."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one


def say(text: str, stream: Optional[TextIO] = None) -> None:
    """Print one line, at once; where the stream is broken, to nobody from now on."""
    stream = stream or sys.stdout
    try:
        print(text.encode("utf-8", "backslashreplace").decode(), file=stream, flush=True)
    except UnicodeEncodeError:
        say(ascii(text), stream)
    except (OSError, ValueError):
        silence(stream)


def silence(stream: TextIO) -> None:
    """Send what is printed, now and by the interpreter's flush at exit, to nobody."""
    try:
        number, nobody = stream.fileno(), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nobody, number)
        os.close(nobody)
    except (OSError, ValueError):
        pass  # no descriptor behind it, so nothing to flush to
