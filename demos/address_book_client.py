"""The address book's client: prints the office of each name, over a connection for each."""
from __future__ import annotations

from typing import Optional

from reactor import Reactor

from .address_book_server import SERVER
from .console import Console, arguments, connect, run
from .lineclient import Exchange


def start(reactor: Reactor) -> Console:
    """Begin to ask."""
    options = arguments("Ask the address book.", SERVER.port).parse_args()
    console = Console(reactor, options, "Name: ")

    def send(name: Optional[bytes]) -> None:
        if name is None:
            return console.finish(0)
        if not name.strip():
            return console.ask(send)
        connect(console, options, lambda: Exchange(name.strip(), show))

    def show(reply: bytes) -> None:
        if not reply:
            return console.finish(1, "the server went away and owes an answer")
        console.write(reply.rstrip(b"\r\n") + b"\n")
        console.ask(send)

    console.ask(send)
    return console


if __name__ == "__main__":
    run(start)
