"""Serve a folder over HTTP/1.1: listings, ranges, caching, any number of slow clients, one thread.

    python3 -m demos.http_server --directory DIR
    curl -i http://127.0.0.1:8080/
"""
from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import Callable, Optional, Sequence, Tuple

from demos.http_cgi import CgiApplication
from protocols.http.access_log import AccessLog
from protocols.http.fields import parse_field
from protocols.http.files import FileApplication
from protocols.http.message import Application
from protocols.http.server import HttpServer, Limits, Log
from reactor import Reactor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What this server has beyond the shared command line."""
    parser.add_argument("--directory", default=".", metavar="DIR", help="what to serve (default: here)")
    parser.add_argument("--header", action="append", default=[], type=_field, metavar="'Name: value'",
                        help="put this field on every answer, in place of ours of the same name")
    parser.add_argument("--cgi", action="store_true",
                        help="run the programs in DIR/cgi-bin for whoever asks (POSIX only; otherwise they are files)")
    parser.add_argument("--quiet", action="store_true", help="no line on stderr for each request")


def make_factory(reactor: Reactor, options: argparse.Namespace, limits: Limits = Limits()) -> Callable[[], HttpServer]:
    """What makes a protocol object for each connection.  Raises OSError where the folder cannot be served."""
    application: Application = FileApplication(options.directory, headers=options.header)
    if options.cgi:
        if os.name != "posix":
            raise OSError("--cgi needs POSIX: elsewhere select() takes no pipes")
        application = CgiApplication(reactor, options.directory, application, server=(options.host, options.port))
    log: Optional[Log] = None if options.quiet else AccessLog(_to_stderr, reactor.call_later)
    return lambda: HttpServer(application, call_later=reactor.call_later, time=reactor.time, limits=limits, log=log)


def _field(text: str) -> Tuple[str, str]:
    try:
        return parse_field(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _words(exc: Exception) -> str:
    """What went wrong, without its number."""
    words = getattr(exc, "strerror", None) or str(exc)
    name = getattr(exc, "filename", None)
    return words if name is None else f"{words}: {name}"


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """The program; returns its exit status."""
    parser = argparse.ArgumentParser(prog="http_server", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine only)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (8080); 0 lets the kernel choose")
    add_arguments(parser)
    options = parser.parse_args(arguments)
    if not 0 <= options.port <= 65535:
        parser.error("a port is between 0 and 65535")
    with Reactor() as reactor:
        try:
            factory = make_factory(reactor, options)
            listener = reactor.listen(factory, options.host, options.port)
        except OSError as exc:
            print(f"http_server: {_words(exc)}", file=sys.stderr)
            return 2
        for signum in (signal.SIGINT, signal.SIGTERM):
            reactor.add_signal_handler(signum, reactor.shut_down)
        print(f"http listening on {listener.addresses[0]}", flush=True)
        reactor.run()
    print("http stopped", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
