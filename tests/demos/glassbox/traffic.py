"""Random traffic through small buffers, the same for the same seed: what the glass box is tested with."""
import random
import socket
import struct

from protocols.base import Protocol
from reactor import Reactor
from reactor.testing import FakeClock, pair


class Restless(Protocol):
    """Does anything a protocol may do, at random."""

    def __init__(self, rng, call_later):
        self.rng = rng
        self.call_later = call_later
        self.calls = []  # every callback with its argument

    def connection_made(self, transport):
        self.calls.append("made")
        self.transport = transport
        transport.set_write_buffer_limits(high=self.rng.choice([0, 1000, 20000]))
        self.timer = self.call_later(self.rng.random(), self.tick)

    def data_received(self, data):
        self.calls.append(data)
        self.act()

    def eof_received(self):
        self.calls.append("eof")
        self.act()
        return self.rng.random() < 0.5

    def pause_writing(self):
        self.calls.append("pause")

    def resume_writing(self):
        self.calls.append("resume")
        self.act()

    def connection_lost(self, exc):
        self.calls.append(("lost", str(exc)))
        self.timer.cancel()

    def tick(self):
        self.calls.append("tick")
        self.timer = self.call_later(self.rng.random(), self.tick)
        self.act()

    def act(self):
        transport, chance = self.transport, self.rng.random()
        if chance < 0.55:
            if not transport._eof_out:
                transport.write(bytes([self.rng.randrange(256)]) * self.rng.randrange(30000))
        elif chance < 0.65:
            transport.pause_reading()
        elif chance < 0.85:
            transport.resume_reading()
        elif chance < 0.88:
            transport.write_eof()
        elif chance < 0.91:
            transport.close()
        elif chance < 0.93:
            transport.abort()
        elif chance < 0.94:
            raise ValueError("a protocol with a mistake")


class Traffic:
    """Peers and protocols on socketpairs and on one TCP listener; `step()` lets one thing happen and makes one turn."""

    def __init__(self, seed, tcp=True):
        self.rng = random.Random(seed)
        self.tcp = tcp  # whose kernel works on by itself, so that no two runs are quite the same
        self.clock = FakeClock()
        self.reactor = Reactor(clock=self.clock, select=self.clock.select)
        self.protocols, self.peers, self.bytes = [], [], []

    def begin(self):
        """Open the listener; apart from the constructor, so that an observer can be there before."""
        self.listener = self.reactor.listen(self.protocol)

    def protocol(self):
        """The next protocol, with chances of its own."""
        self.protocols.append(Restless(random.Random(self.rng.random()), self.reactor.call_later))
        return self.protocols[-1]

    def step(self):
        """Something happens outside, then the loop turns."""
        chance = self.rng.random()
        if len(self.peers) < 6 and chance < 0.2:
            self._meet(chance < 0.05)
        elif self.peers:
            self._move(self.rng.choice(self.peers), chance)
        self.clock.advance(self.rng.random() * self.rng.choice([0, 0, 1, 20]))
        self.reactor.turn(0)

    def _meet(self, by_tcp):
        if by_tcp and self.tcp:
            peer = socket.create_connection(("127.0.0.1", self.listener.port))
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets
        else:
            ours, peer = pair(4096)
            self.reactor.adopt(self.protocol, ours)
        peer.setblocking(False)
        self.peers.append(peer)

    def _move(self, peer, chance):
        try:
            if chance < 0.6:
                peer.send(bytes([self.rng.randrange(256)]) * self.rng.randrange(1, 3000))
            elif chance < 0.9:
                self.bytes.append(peer.recv(self.rng.randrange(1, 20000)))
            elif chance < 0.94:
                peer.shutdown(socket.SHUT_WR)
            elif chance < 0.98:
                self.peers.remove(peer)
                peer.close()
        except OSError as exc:
            self.bytes.append(type(exc).__name__)

    def close(self):
        """End it all."""
        self.reactor.close()
        for peer in self.peers:
            peer.close()
