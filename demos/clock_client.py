"""The clock's client, with the words of the course text: a connection for each question, -1 ends it."""
from __future__ import annotations

from typing import Optional

from protocols.base import Transport
from reactor import Reactor

from .clock_server import SERVER
from .commandline import say
from .console import Console, arguments, connect, run
from .lineclient import Exchange

PROMPT = "Please provide an input (Date, Time, DateAndTime or -1 to exit): "


class Question(Exchange):
    """Says what it does while it does it."""

    def connection_made(self, transport: Transport) -> None:
        say("Connected to server")
        say("Sending data")
        super().connection_made(transport)


def start(reactor: Reactor) -> Console:
    """Begin to ask."""
    options = arguments("Ask the clock.", SERVER.port).parse_args()
    console = Console(reactor, options, PROMPT, always_prompt=True)

    def send(line: Optional[bytes]) -> None:
        if line is None or line.strip() == b"-1":
            return console.finish(0)
        if not line.strip():
            return console.ask(send)
        connect(console, options, lambda: Question(line.strip(), show))

    def show(reply: bytes) -> None:
        if not reply:
            return console.finish(1, "the server went away and owes an answer")
        console.write(b"Received from server: " + reply.rstrip(b"\r\n") + b"\nClosing socket\n")
        console.ask(send)

    console.ask(send)
    return console


if __name__ == "__main__":
    run(start)
