"""The program that the browser tests look at: an echo that can be told to block, with its page.

    python3 -m tests.demos.scope_server         prints the port of the echo, and the address of the page
"""
import signal
import time

from demos.scope import Scope
from reactor import Reactor


class Echo:
    """Sends back what comes; the line `block 2` keeps the loop for two seconds first."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if data.startswith(b"block "):
            time.sleep(float(data.split()[1]))
        self.transport.write(data)

    def eof_received(self):
        return None

    def connection_lost(self, exc):
        pass

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


def main():
    with Reactor() as reactor, Scope(reactor, "echo", 0) as scope:
        reactor.add_signal_handler(signal.SIGTERM, reactor.stop)
        listener = reactor.listen(Echo, "127.0.0.1", 0)
        print(listener.port, scope.url, flush=True)
        reactor.run()


if __name__ == "__main__":
    main()
