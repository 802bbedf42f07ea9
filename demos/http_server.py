"""Serve a folder over HTTP/1.1: listings, ranges, caching, any number of slow clients, one thread.

    python3 -m demos.http_server --directory DIR
    curl -i http://127.0.0.1:8080/
"""
from __future__ import annotations

import atexit
import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from typing import Optional, TextIO, Tuple

from protocols.http.access_log import AccessLog
from protocols.http.fields import parse_field
from protocols.http.files import FileApplication
from protocols.http.message import Application
from protocols.http.server import HttpServer, Log
from reactor import Reactor

from .commandline import Factory, Server
from .http_cgi import CgiApplication


def arguments(parser: ArgumentParser) -> None:
    """What is served, and how."""
    parser.add_argument("--directory", default=".", metavar="DIR", help="what to serve (default: here)")
    parser.add_argument("--header", action="append", default=[], type=_field, metavar="'Name: value'",
                        help="put this field on every answer but a CGI program's, in place of ours of the same name")
    parser.add_argument("--cgi", action="store_true",
                        help="run the programs in DIR/cgi-bin for whoever asks (POSIX only); otherwise they are files")
    parser.add_argument("--quiet", action="store_true", help="no line on stderr for each request")


def _field(text: str) -> Tuple[str, str]:
    try:
        return parse_field(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from None


def make(reactor: Reactor, options: Namespace) -> Factory:
    """A factory of connections to one site.  Raises ValueError with a sentence where it cannot be served."""
    try:
        application: Application = FileApplication(options.directory, headers=options.header)
    except OSError as exc:
        raise ValueError(f"cannot serve {options.directory}: {exc.strerror}; "
                         "--directory names a folder that can be read") from None
    if options.cgi:
        if os.name != "posix":
            raise ValueError("--cgi needs POSIX: elsewhere select() takes no pipes")
        application = CgiApplication(reactor, options.directory, application, server=(options.host, options.port))
    log: Optional[Log] = None
    if not options.quiet:
        log = access_log = AccessLog(partial(_print, sys.stderr), reactor.call_later)
        atexit.register(access_log.flush)
    return lambda: HttpServer(application, call_later=reactor.call_later, time=reactor.time, log=log)


def _print(stream: Optional[TextIO], text: str) -> None:
    if stream is not None:
        stream.write(text)
        stream.flush()


SERVER = Server("http", 8080, "curl -i http://{host}:{port}/", make, arguments)

if __name__ == "__main__":
    SERVER.main()
