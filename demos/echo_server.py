"""Echo: every byte comes back.  The smallest server there is, and a good first one to read."""
from __future__ import annotations

from protocols.echo import Echo

from .commandline import Server

SERVER = Server("echo", 10000, "python3 -m demos.echo_client {host} {port}", lambda reactor, options: Echo)

if __name__ == "__main__":
    SERVER.main()
