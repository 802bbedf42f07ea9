import errno
import logging
import os
import random
import tempfile
import unittest
from collections import Counter

from demos.glassbox.recorder import Recorder
from demos.glassbox.recording import open_recording
from demos.glassbox.state import Connections
from reactor.transport import StreamTransport
from tests.case import unwatch
from tests.reactor.test_datagram import ADDRESS, NOT_NOW, DatagramCase

from .traffic import Traffic


def live(transport):
    """What the loop itself knows of a connection, in the words of state.py."""
    if transport._lost:
        return "lost"
    empty = transport._queue is None
    discarding = transport._closing and transport._reader is not None
    return (transport._paused, transport._choked, transport._eof_in, transport._eof_out and not empty,
            empty and (transport._eof_out or discarding), transport._closing, transport.get_write_buffer_size())


def rebuilt(connection):
    """The same from the recording."""
    if connection.lost:
        return "lost"
    return (connection.reading_paused, connection.writing_paused, connection.peer_ended, connection.half_closing,
            connection.half_closed, connection.closing, connection.depth)


class States(unittest.TestCase):
    def setUp(self):
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        self.kinds = Counter()

    def record(self, seed, path):
        """What each turn left behind: the live states of all connections, and the loop's bytes."""
        traffic = Traffic(seed)
        recorder = traffic.reactor.observer = Recorder(path, traffic.clock())
        traffic.begin()
        after = {}
        for _ in range(150):
            traffic.step()
            loop = traffic.reactor
            counters = loop.counters()
            after[loop.turns - 1] = counters.received, counters.sent, {
                endpoint.name: live(endpoint) for endpoint in loop.endpoints if isinstance(endpoint, StreamTransport)}
        traffic.close()
        recorder.close()
        return after

    def check(self, turn, after, connections, seed):
        received, sent, states = after
        both = [*connections.open.values(), *connections.ended]
        mine = {connection.name: rebuilt(connection) for connection in connections.open.values()
                if connection.sort == "connection"}
        self.assertEqual(states, mine, f"seed {seed}, after turn {turn}")
        self.assertEqual((received, sent), (sum(one.received for one in both), sum(one.sent for one in both)),
                         f"seed {seed}, after turn {turn}")

    def test_the_recording_alone_tells_bytes_queues_and_states_at_every_turn(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "run")
        for seed in range(25):
            after = self.record(seed, path)
            connections, turn, checked = Connections(), 0, 0
            with open_recording(path) as recording:
                for event in recording:
                    # The traffic touches no transport between two turns, so all that is told has happened within one.
                    for turn in range(turn, event.turn):
                        if turn in after:
                            self.check(turn, after[turn], connections, seed)
                            checked += 1
                    turn = event.turn
                    connections.apply(event)
                    self.kinds[event.kind] += 1
            self.assertGreater(checked, 100, f"seed {seed}")
        # The traffic is worth something only if it reaches everything.
        for kind in ("accepted", "adopted", "partly sent", "blocked", "error", "raised", "reading paused",
                     "writing paused", "writing resumed", "half-closing", "half-closed", "ended", "closing", "lost"):
            self.assertGreater(self.kinds[kind], 2, kind)


class Datagrams(DatagramCase):
    def test_the_recording_alone_tells_the_queue_of_datagrams_whatever_the_kernel_says(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for seed in range(20):
            after = self.record(random.Random(seed), os.path.join(folder.name, "run"))
            connections, depths = Connections(), {}
            with open_recording(os.path.join(folder.name, "run")) as recording:
                for event in recording:
                    connections.apply(event)
                    depths[event.turn] = [(one.depth, one.sent) for one in connections.open.values()]
            told = {turn: state for turn, state in after.items() if turn in depths}
            self.assertGreater(len(told), 50)
            self.assertEqual(told, {turn: depths[turn] for turn in told}, f"seed {seed}")

    def record(self, chance, path):
        """The bytes queued and sent after each turn in which a datagram was offered to a moody kernel."""
        answers = [NOT_NOW, None, None, OSError(errno.ENETUNREACH, "no way"), OSError(errno.EMSGSIZE, "too long")]
        transport, _, sock = self.scripted()
        self.reactor.turn(0)
        unwatch(self.reactor, sock)  # it has nothing to say by itself
        sock.script.extend(chance.choice(answers) for _ in range(300))
        recorder = self.reactor.observer = Recorder(path, self.clock())
        transport.tell("opened", address="somewhere")
        after = {}
        for _ in range(100):
            self.reactor.call_soon(transport.sendto, bytes(chance.randrange(50000)), ADDRESS)
            self.reactor.turn(0)
            after[self.reactor.turns - 1] = [(transport._queued, sum(len(data) for data, _ in sock.sent))]
        recorder.close()
        self.reactor.observer = None
        transport.abort()
        self.reactor.turn(0)
        return after


if __name__ == "__main__":
    unittest.main()
