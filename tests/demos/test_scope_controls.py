"""What the buttons of the page do to the observed loop, in its own turns; and whoever observed it before goes on."""
import socket
import unittest
from types import SimpleNamespace

from demos.scope.controls import Controls, Refused
from demos.scope.gate import Gate
from demos.scope.hub import Hub, Observers
from demos.scope.kernel import Peers, arrived, unacknowledged
from demos.scope.throttle import Throttle
from protocols.echo import Echo
from reactor.testing import run_turns
from reactor.transport import StreamTransport
from tests.case import DESCRIPTORS, Case, Recorder


class ThrottleCase(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        ours, self.peer = self.pair()
        self.peer.setblocking(False)
        self.transport, self.protocol = self.reactor.adopt(Recorder, ours)
        self.reactor.turn(0)

    def received_in(self, seconds):
        """How many bytes the protocol gets in so much time, while there are always some."""
        before, until = len(self.protocol.data), self.clock.now + seconds
        while self.clock.now < until:
            try:
                self.peer.send(b"x" * 4096)
            except BlockingIOError:
                pass  # there are enough
            self.reactor.turn(0.01)
            self.clock.advance(0.001)
        return len(self.protocol.data) - before


class TestThrottle(ThrottleCase):

    def test_so_many_bytes_a_second_and_no_more(self):
        for rate in (10, 1000, 50000):
            throttle = Throttle(self.transport, rate)
            received = self.received_in(5)
            throttle.end()
            self.assertTrue(rate * 4 <= received <= rate * 5.5, f"{received} bytes at {rate} a second")

    def test_it_is_seen_in_the_words_for_what_it_is(self):
        kinds = []
        self.reactor.observer = lambda event: kinds.append((event.kind, event.facts.get("callback", "")))
        throttle = Throttle(self.transport, 1000)
        self.received_in(0.5)
        throttle.end()
        self.assertIn(("reading paused", ""), kinds)
        self.assertIn(("reading resumed", ""), kinds)
        self.assertIn(("timer fired", f"Throttle._go_on of {self.transport.name}"), kinds)

    def test_a_reading_that_the_protocol_paused_itself_is_not_resumed(self):
        throttle = Throttle(self.transport, 1000)
        self.received_in(0.05)
        self.assertTrue(self.transport.is_reading())  # as far as the protocol knows
        self.transport.pause_reading()
        self.assertFalse(self.transport.is_reading())
        self.assertEqual(0, self.received_in(3))
        self.transport.resume_reading()
        self.assertTrue(self.received_in(1))
        self.transport.pause_reading()
        throttle.end()
        self.assertEqual(0, self.received_in(3))
        self.transport.resume_reading()
        self.assertTrue(self.received_in(1))

    def test_a_protocol_that_was_paused_before_stays_so(self):
        self.transport.pause_reading()
        throttle = Throttle(self.transport, 1000)
        self.assertEqual(0, self.received_in(2))
        throttle.end()
        self.assertEqual(0, self.received_in(2))

    def test_a_protocol_cannot_resume_before_its_portion_is_paid_for(self):
        throttle = Throttle(self.transport, 100)
        self.protocol.actions["data_received"] = lambda protocol, data: (
            protocol.transport.pause_reading(), protocol.transport.resume_reading())
        received = self.received_in(5)
        throttle.end()
        self.assertLessEqual(received, 550)

    def test_afterwards_it_is_as_fast_as_ever(self):
        Throttle(self.transport, 10).end()
        self.assertIs(StreamTransport, type(self.transport))
        self.assertGreater(self.received_in(1), 100000)

    def test_a_connection_that_ends_meanwhile_ends(self):
        throttle = Throttle(self.transport, 10)
        self.received_in(0.05)
        self.transport.abort()
        kinds = []
        self.reactor.observer = lambda event: kinds.append(event.kind)
        self.clock.advance(100)
        run_turns(self.reactor)
        throttle.end()
        self.assertEqual([None], self.protocol.lost)
        self.assertNotIn("reading resumed", kinds)

    def test_end_of_file_is_heard_through_it(self):
        throttle = Throttle(self.transport, 10)
        self.peer.close()
        run_turns(self.reactor)
        throttle.end()
        self.assertEqual([None], self.protocol.lost)


class TestObservers(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.observers = Observers(self.reactor)
        self.mine, self.theirs = [], []

    def turn(self):
        """Who of the two hears a turn."""
        self.mine.clear()
        self.theirs.clear()
        self.reactor.turn(0)
        return bool(self.mine), bool(self.theirs)

    def test_whoever_observed_before_hears_all_of_it_in_any_case(self):
        self.reactor.observer = self.theirs.append
        self.assertEqual((False, True), self.turn())
        for _ in range(3):
            self.observers.set(self.mine.append)
            self.assertEqual((True, True), self.turn())
            self.observers.set()
            self.assertEqual((False, True), self.turn())
        self.assertEqual(self.theirs.append, self.reactor.observer)

    def test_alone_it_is_called_without_a_detour_and_leaves_nothing(self):
        observer = self.mine.append
        self.observers.set(observer)
        self.assertIs(observer, self.reactor.observer)
        self.observers.set()
        self.assertIsNone(self.reactor.observer)

    def test_one_that_comes_later_is_not_lost(self):
        self.observers.set(self.mine.append)
        self.reactor.observer = self.theirs.append
        self.observers.set(self.mine.append)
        self.assertEqual((True, True), self.turn())
        self.observers.set()
        self.assertEqual((False, True), self.turn())

    def test_one_that_raises_is_taken_off_once_and_the_other_goes_on(self):
        def broken(event):
            raise ValueError("an observer with a mistake")
        self.reactor.observer = broken
        self.observers.set(self.mine.append)
        with self.assertLogs("reactor", "ERROR") as logged:
            self.assertTrue(self.turn()[0])
            for _ in range(3):
                self.observers.set()
                self.turn()
                self.observers.set(self.mine.append)
                self.turn()
        self.assertEqual(1, len(logged.output))


class TestKernel(Case):

    def connection(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        client = self.connected(listener.getsockname())
        server, _ = listener.accept()
        self.addCleanup(server.close)
        return client, server

    @unittest.skipUnless(DESCRIPTORS == "/proc/self/fd", "only Linux tells all of it")
    def test_where_the_bytes_are(self):
        client, server = self.connection()
        peers = Peers()
        self.addCleanup(peers.close)
        self.assertEqual((0, 0, 0), (unacknowledged(client), arrived(server), peers.unread(client)))
        client.sendall(b"x" * 1000)
        self.assertEqual((1000, 1000, 0), (arrived(server), peers.unread(client), peers.unread(server)))
        server.recv(400)
        self.assertEqual((600, 600), (arrived(server), peers.unread(client)))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        sent = 1000
        with self.assertRaises(BlockingIOError):
            while True:
                sent += client.send(b"x" * 65536)
        self.assertGreaterEqual(unacknowledged(client) + peers.unread(client), sent - 400)

    def test_what_nobody_knows_is_none(self):
        ours, peer = self.pair()
        peers = Peers()
        self.assertIsNone(peers.unread(ours))  # it has no address
        client, server = self.connection()
        client.close()
        server.close()
        self.assertEqual((None, None, None), (unacknowledged(client), arrived(client), peers.unread(server)))
        peers.close()
        peers.close()
        self.assertIsNone(peers.unread(ours))


class TestExperiments(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.gate = Gate(self.reactor)
        self.addCleanup(self.gate.page.close)
        self.hub = Hub(self.reactor, self.gate)
        self.addCleanup(self.hub.close)
        self.log = []
        self.controls = Controls(self.reactor, self.gate, self.hub, [self.one(1), self.one(2), self.one(3)])
        self.addCleanup(self.controls.end)
        self.gate.open()
        self.addCleanup(self.gate.close)

    def one(self, number):
        def start(stage):
            self.stage = stage
            stage.note(f"experiment {number}")
            listener = stage.opened(stage.reactor.listen(Echo))
            self.port = listener.port
            stage.opened(SimpleNamespace(close=lambda: self.log.append(number)))
            stage.later(1.0, self.log.append, "later")
            if number == 3:
                raise ValueError("it has a mistake")
        return SimpleNamespace(id=number, title="", do="", look="", shows="", start=start)

    def state(self):
        return self.controls.state(SimpleNamespace(dropped=0))

    def test_one_at_a_time_and_each_leaves_nothing(self):
        self.controls.experiment(1)
        self.assertEqual({"id": 1, "note": "experiment 1"}, self.state()["experiment"])
        self.assertEqual(1, len(self.reactor.endpoints))
        self.controls.experiment(2)
        self.assertEqual(([1], 1, 2), (self.log, len(self.reactor.endpoints), self.state()["experiment"]["id"]))
        self.controls.end_experiment()
        self.controls.end_experiment()
        self.assertEqual(([1, 2], set(), None), (self.log, self.reactor.endpoints, self.state()["experiment"]))
        self.reactor.turn(5.0)
        self.assertEqual([1, 2], self.log)

    def test_what_is_to_happen_later_happens_on_the_pages_clock_also_while_the_loop_is_held(self):
        self.controls.experiment(1)
        self.controls.pause()
        self.gate.page.call_later(3.0, self.gate.resume)
        self.reactor.turn(0)
        self.assertEqual(["later"], self.log)

    def test_one_that_cannot_begin_leaves_nothing_and_says_why(self):
        with self.assertRaisesRegex(Refused, "experiment 3 cannot begin: it has a mistake"):
            self.controls.experiment(3)
        self.assertEqual(([3], set(), None), (self.log, self.reactor.endpoints, self.state()["experiment"]))

    def test_clients_run_on_the_pages_loop_and_servers_on_the_observed_one(self):
        answers = []
        self.controls.experiment(1)
        self.gate.page.connect(lambda: Recorder(
            connection_made=lambda protocol: protocol.transport.write(b"hello"),
            data_received=lambda protocol, data: answers.append(data)), port=self.port)
        run_turns(self.reactor, until=lambda: answers)
        self.assertEqual([b"hello"], answers)

    def test_when_nobody_looks_any_more_all_of_it_ends(self):
        ours, _ = self.pair()
        transport, _ = self.reactor.adopt(Recorder, ours)
        self.reactor.turn(0)
        self.controls.experiment(1)
        self.controls.throttle(transport.name, 5)
        self.controls.record(True)
        self.controls.show(True)
        self.controls.pause()
        self.controls.end()
        state = self.state()
        self.assertEqual(["running", False, {}, None], [state[name] for name in
                                                        ("mode", "recording", "throttled", "experiment")])
        self.assertEqual([], state["page"]["lines"])
        self.controls.tape.close()


if __name__ == "__main__":
    unittest.main()
