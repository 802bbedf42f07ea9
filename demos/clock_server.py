"""The clock: answers Date, Time, and Date and Time."""
from __future__ import annotations

from datetime import datetime
from functools import partial

from protocols.clock import Clock

from .commandline import Server

SERVER = Server("clock", 8085, "python3 -m demos.clock_client {host} {port}",
                lambda reactor, options: partial(Clock, call_later=reactor.call_later, now=datetime.now))

if __name__ == "__main__":
    SERVER.main()
