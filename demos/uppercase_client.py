"""The uppercase client: sends each line of its input, until an empty one, and prints it in capitals."""
from __future__ import annotations

from typing import Any, Optional, Tuple

from protocols.base import Cancellable, DatagramProtocol, DatagramTransport
from reactor import Reactor

from .console import Console, arguments, connect, run
from .lineclient import Conversation
from .uppercase_server import SERVER

PROMPT, LABEL = "Input lowercase sentence: ", "From Server: "


class Questions(DatagramProtocol):
    """Send each line as a datagram and wait for one, `patience` seconds at most: UDP itself never tells."""

    def __init__(self, console: Console, patience: float) -> None:
        self._console = console
        self._patience = patience
        self._timer: Optional[Cancellable] = None

    def connection_made(self, transport: DatagramTransport) -> None:
        self._transport = transport
        self._console.ask(self._send)

    def _send(self, line: Optional[bytes]) -> None:
        if not line:
            return self._console.finish(0)
        self._timer = self._console.reactor.call_later(self._patience, self._give_up)
        self._transport.sendto(line)

    def datagram_received(self, data: bytes, addr: Tuple[Any, ...]) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._console.write(LABEL.encode() + data + b"\n")
            self._console.ask(self._send)

    def error_received(self, exc: OSError) -> None:
        self._console.finish(1, f"the datagram came back ({exc.strerror}): no server listens there")

    def _give_up(self) -> None:
        self._console.finish(1, f"nobody answered within {self._patience:g} seconds: no server, or a datagram was "
                                "lost; UDP has no connection that could tell which")


def start(reactor: Reactor) -> Console:
    """Connect, and begin to ask."""
    parser = arguments("Send lines, print them in capitals.", SERVER.port)
    parser.add_argument("--udp", action="store_true", help="a datagram for each line")
    options = parser.parse_args()
    console = Console(reactor, options, PROMPT)
    if not options.udp:
        connect(console, options, lambda: Conversation(console, label=LABEL, until_empty=True))
        return console
    try:
        reactor.open_datagram(lambda: Questions(console, options.timeout), remote=(options.host, options.port))
    except (OSError, UnicodeError) as exc:  # the latter from what can be no name at all
        console.finish(1, f"{options.host}: {getattr(exc, 'strerror', None) or 'not the name of a host'}")
    return console


if __name__ == "__main__":
    run(start)
