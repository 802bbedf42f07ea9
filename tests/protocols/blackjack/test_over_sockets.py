"""A hundred players at once, over TCP and the reactor."""
import random
import socket
import time
import unittest

from protocols.blackjack import Tables
from reactor import Reactor
from reactor.testing import FakeClock, run_turns

from .. import fakes

PLAYERS = 100
WORDS = (b"hit\r\n", b"h\n", b"s\n", b"a\r\n", b"?\n", b"junk\n", b"\xff\xfd\x01")


def alone(seed, streams):
    """What each player gets who has the run's n-th table and no neighbours."""
    factory = Tables(call_later=fakes.FakeClock().call_later, seed=seed)
    for stream in streams:
        protocol = factory()
        transport = fakes.connect(protocol)
        protocol.data_received(stream)
        yield bytes(transport.sent)


def received(sock):
    """All up to the end of file."""
    parts = []
    while not parts or parts[-1]:
        parts.append(sock.recv(65536))
    return b"".join(parts)


class HundredPlayersTest(unittest.TestCase):
    def test_each_table_is_right_though_all_are_interleaved(self):
        seed = time.time_ns()
        rng = random.Random(seed)
        streams = [b"".join(rng.choices(WORDS, k=10)) + b"quit\r\n" for _ in range(PLAYERS)]
        clock = FakeClock()  # stands still: on a slow machine no silence cuts a word that is still on its way
        with Reactor(clock=clock, select=clock.select) as reactor:
            listener = reactor.listen(Tables(call_later=reactor.call_later, seed=seed), "127.0.0.1", 0)
            players = self.sit_down(reactor, listener.port)
            pieces = [n for n, stream in enumerate(streams) for _ in range(0, len(stream), 7)]
            rng.shuffle(pieces)
            left = list(streams)
            for n in pieces:
                players[n].sendall(left[n][:7])
                left[n] = left[n][7:]
                if rng.random() < 0.5:
                    reactor.turn(0)
            self.assertFalse(any(left))
            run_turns(reactor)
            for n, expected in enumerate(alone(seed, streams)):
                self.assertEqual(received(players[n]), expected, f"seed {seed}, player {n}")

    def sit_down(self, reactor, port):
        """Connected one after the other, so that the n-th player has the n-th table."""
        players = []
        for _ in range(PLAYERS):
            player = socket.create_connection(("127.0.0.1", port), timeout=5)
            self.addCleanup(player.close)
            players.append(player)
            reactor.turn(0)
        return players


if __name__ == "__main__":
    unittest.main()
