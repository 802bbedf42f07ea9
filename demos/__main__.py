"""Every server there is, on one Reactor, in one thread:  python3 -m demos"""
from __future__ import annotations

import sys
from argparse import Namespace
from typing import List

from reactor import Reactor

from . import (address_book_server, blackjack_server, bulk_receiver, clock_server, echo_server, hello_server,
               uppercase_server)
from .commandline import Parser, Server, advice, is_taken, keep_standard_streams, prepare, say, shared, warn_if_public

# Each server and the options that it is started with.
SERVERS = [
    (echo_server.SERVER, ""),
    (uppercase_server.SERVER, ""),
    (uppercase_server.SERVER, "--udp"),
    (hello_server.SERVER, ""),
    (blackjack_server.SERVER, ""),
    (address_book_server.SERVER, ""),
    (clock_server.SERVER, ""),
    (bulk_receiver.SERVER, ""),
]
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
    host = host.strip("[]")
    return f"{server.reach.format(host=EVERYWHERE.get(host, host), port=port)} {arguments}".rstrip()


def main() -> None:
    """Serve all until Ctrl-C or SIGTERM."""
    keep_standard_streams()
    parser = Parser(prog="demos", description="Serve every protocol from one select() call.")
    shared(parser)
    given = parser.parse_args()
    rows: List[List[str]] = []
    with Reactor() as reactor:
        prepare(reactor, "demos", given.trace)
        for server, arguments in SERVERS:
            options = server.options([*arguments.split(), "--host", given.host])
            options.idle = given.idle
            try:
                where = listen(reactor, server, options)
            except (OSError, ValueError) as exc:
                parser.error(advice(exc, options))
            name = f"{server.name}{arguments.replace('--', '-')}".replace(" ", "")
            say(f"{name} listening on {where}")
            rows.append([name, where, reach(server, where, arguments)])
        warn_if_public(given.host)
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        say("")
        for row in [["PROTOCOL", "ADDRESS", "TALK TO IT FROM ANOTHER TERMINAL"], *rows]:
            say(f"{row[0]:{widths[0]}}  {row[1]:{widths[1]}}  {row[2]}")
        say("\nOr use telnet HOST PORT, nc HOST PORT, python3 -m demos.talk HOST PORT (UDP: nc -u).  Ctrl-C ends all.")
        reactor.run()
    sys.exit(0)


if __name__ == "__main__":
    main()
