"""Hello: one line of greeting for everyone who connects, then the connection closes."""
from __future__ import annotations

from protocols.hello import Hello

from .commandline import Server

SERVER = Server("hello", 9000, "python3 -m demos.talk {host} {port}", lambda reactor, options: Hello)

if __name__ == "__main__":
    SERVER.main()
