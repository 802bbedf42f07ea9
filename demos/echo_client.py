"""The echo client: sends each line of its input and prints what comes back."""
from __future__ import annotations

from reactor import Reactor

from .console import Console, arguments, connect, run
from .echo_server import SERVER
from .lineclient import Conversation


def start(reactor: Reactor) -> Console:
    """Connect, and begin to ask."""
    options = arguments("Send lines, print what comes back.", SERVER.port).parse_args()
    console = Console(reactor, options, "Send: ")
    connect(console, options, lambda: Conversation(console))
    return console


if __name__ == "__main__":
    run(start)
