"""Every server there is, on one Reactor, in one thread:  python3 -m demos"""
from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import closing
from typing import List

from protocols.http.index import IndexApplication, Row
from protocols.http.server import HttpServer
from reactor import Reactor

from . import (address_book_server, blackjack_server, bulk_receiver, clock_server, echo_server, hello_server,
               http_server, scope_option, uppercase_server, web_hello_server)
from .commandline import (Parser, Server, advice, is_taken, keep_standard_streams, port, prepare, say, shared,
                          warn_if_public)
from .glassbox.observe import observed
from .hostile import unleash
from .unhurried import stderr_waits_for_nobody

# Each server and the options that it is started with.
SERVERS = [
    (echo_server, ""),
    (uppercase_server, ""),
    (uppercase_server, "--udp"),
    (hello_server, ""),
    (blackjack_server, ""),
    (address_book_server, ""),
    (clock_server, ""),
    (bulk_receiver, ""),
    (http_server, "--quiet"),
    (web_hello_server, ""),
]
INDEX_PORT = 8082
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # addresses to listen on, and where to reach them


def listen(reactor: Reactor, server: Server, options: Namespace) -> str:
    """Listen on its own port or, where that is taken, on a free one; the address in words."""
    try:
        return server.listen(reactor, options)
    except OSError as exc:
        if not is_taken(exc):
            raise
        say(f"{server.name}: port {options.port} is taken, here is a free one instead")
        options.port = 0
        return server.listen(reactor, options)


def reach(server: Server, where: str, arguments: str) -> str:
    """The command that talks to it."""
    host, _, port = where.rpartition(":")
    if "//" not in server.reach:  # only a URL wants the brackets of an IPv6 address
        host = host.strip("[]")
    udp = " --udp" if "--udp" in arguments else ""
    return server.reach.format(host=EVERYWHERE.get(host, host), port=port) + udp


def index(rows: List[Row]) -> Server:
    """The page that lists them all."""
    application = IndexApplication(rows)
    return Server("index", INDEX_PORT, "http://{host}:{port}/ in a browser",
                  lambda reactor, options: lambda: HttpServer(application, call_later=reactor.call_later))


def main() -> None:
    """Serve all until Ctrl-C or SIGTERM."""
    keep_standard_streams()
    parser = Parser(prog="demos", description="Serve every protocol from one select() call.")
    shared(parser)
    scope_option.add_option(parser, port, default=scope_option.DEFAULT)
    parser.add_argument("--no-scope", dest="scope", action="store_const", const=None, help="no such page")
    given = parser.parse_args()
    rows: List[Row] = []
    servers = [(module.SERVER, module.__doc__ or "", arguments) for module, arguments in SERVERS]
    unleash(given.hostile)
    reactor = Reactor()
    scope = scope_option.scope(reactor, "demos", given, parser, say)
    with stderr_waits_for_nobody(), closing(reactor), scope as seen, observed(reactor, given, parser), reactor:
        prepare(reactor, "demos")
        for server, purpose, arguments in [*servers, (index(rows), "This page.", "")]:
            options = server.options([*arguments.split(), "--host", given.host])
            options.idle = given.idle
            try:
                where = listen(reactor, server, options)
            except (OSError, ValueError) as exc:
                parser.error(advice(exc, options))
            name = server.name + ("-udp" if "--udp" in arguments else "")
            say(f"{name} listening on {where}")
            command = reach(server, where, arguments)
            url = next((word for word in command.split() if word.startswith("http://")), "")
            rows.append(Row(name, where, purpose.partition("\n")[0], (command,), url,
                            "UDP" if "--udp" in arguments else "TCP"))
        warn_if_public(given.host)
        say("")
        table = [("PROTOCOL", "ADDRESS", "TALK TO IT FROM ANOTHER TERMINAL")]
        table += [(row.name, row.address, row.commands[0]) for row in rows]
        if seen is not None:  # in no other row: the pages of the servers are for everybody who can connect
            table.append(("page", seen.address, f"{seen.url} in a browser: the loop, live"))
        widths = [max(len(line[column]) for line in table) for column in range(2)]
        for line in table:
            say(f"{line[0]:{widths[0]}}  {line[1]:{widths[1]}}  {line[2]}")
        say("\nOr use telnet HOST PORT, nc HOST PORT, python3 -m demos.talk HOST PORT (UDP: nc -u).  Ctrl-C ends all.")
        reactor.run()
    sys.exit(0)


if __name__ == "__main__":
    main()
