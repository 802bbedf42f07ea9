"""Look up names without blocking the loop: each in a thread, all at once, each within a time limit.

    python3 -m demos.lookup localhost python.org 127.0.0.1
"""
from __future__ import annotations

import ipaddress
import socket
import sys
from functools import partial
from typing import Any, List

from reactor import Reactor

from .commandline import Parser, positive, say
from .console import Console, run
from .glassbox.observe import add_options


def look_up(name: str) -> List[str]:
    """What the system knows of a name or an address, in lines.  Blocks; raises OSError or UnicodeError."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    official, aliases = names(name, addresses[0])
    lines = [name, f"  name     {official}", f"  aliases  {', '.join(aliases) or 'none'}"]
    return lines + [described(address) for address in addresses]


def names(name: str, address: str) -> Any:
    """The official name and the aliases; the name itself where the system knows no more."""
    for ask in (partial(socket.gethostbyaddr, address), partial(socket.gethostbyname_ex, name)):
        try:
            return ask()[:2]
        except OSError:
            continue
    return name, []


def described(address: str) -> str:
    """An address and, of IPv4, its number as this machine counts (host order) and with its bytes as on the wire."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if parsed.version == 6:
        return f"  IPv6     {address}  number {int(parsed)}"
    number = int.from_bytes(socket.inet_aton(address), "big")
    return f"  IPv4     {address}  number {number} in host byte order, {socket.htonl(number)} in network byte order"


def start(reactor: Reactor) -> Console:
    """Ask for all of them."""
    parser = Parser(prog="lookup", description="Look up names and addresses.")
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--timeout", type=positive, default=5.0, metavar="SECONDS", help="for each (%(default)g)")
    add_options(parser)
    options = parser.parse_args()
    console = Console(reactor, options)
    waiting = dict.fromkeys(options.names)
    failed: List[str] = []

    def answered(name: str, result: Any) -> None:
        if name not in waiting:
            return
        del waiting[name]
        if isinstance(result, Exception):
            failed.append(name)
            say(f"{name}: {getattr(result, 'strerror', None) or result}", sys.stderr)
        else:
            say("\n".join(result))
        if not waiting:
            console.finish(1 if failed else 0)

    for name in list(waiting):
        reactor.call_in_thread(partial(look_up, name), partial(answered, name))
        late = TimeoutError(f"no answer within {options.timeout:g} seconds")
        reactor.call_later(options.timeout, answered, name, late)
    return console


if __name__ == "__main__":
    run(start)
