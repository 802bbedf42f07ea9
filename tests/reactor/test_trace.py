"""What the loop tells about itself: every sentence is right, and telling changes nothing."""
import errno
import string
import unittest

from reactor import trace
from reactor.datagram import DatagramTransport
from reactor.testing import ScriptedSocket, run_turns
from reactor.trace import SENTENCES, Event, listed
from reactor.transport import HIGH, StreamTransport
from tests.case import Case, Recorder
from tests.reactor.test_datagram import NOT_NOW, ScriptedDatagrams


def fields(sentence):
    """The names that a sentence needs."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


class TestSentences(unittest.TestCase):

    def test_each_sentence_can_be_said(self):
        for kind, sentence in SENTENCES.items():
            with self.subTest(kind=kind):
                said = str(Event(kind, dict.fromkeys(fields(sentence), 1234)))
                self.assertNotIn("{", said)
                self.assertEqual(len(fields(sentence)), said.count("1234") + said.count("1,234"))

    def test_a_list_of_nobody(self):
        self.assertEqual("nobody", listed([]))
        self.assertEqual("#1 (the listener), #5 (connected)", listed([("#1", "the listener"), ("#5", "connected")]))


class TraceCase(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.events = []

    def observe(self):
        self.reactor.observer = self.events.append

    def told(self, *kinds):
        """What was told, as sentences; of these kinds only, where any are named."""
        return [str(event) for event in self.events if not kinds or event.kind in kinds]


class TestTelling(TraceCase):

    def test_the_life_of_an_echo(self):
        """A turn at a time: asked, ready, and what was run because of it."""
        self.observe()
        ours, peer = self.pair()
        transport, protocol = self.reactor.adopt(
            lambda: Recorder(data_received=lambda p, data: p.transport.write(data)), ours)
        self.reactor.turn()
        peer.send(b"hello\n")
        self.reactor.turn()
        transport.close()
        self.reactor.turn()
        wakeup = f"fd {self.reactor._wakeup._ear.fileno()} (Wakeup._drain)"
        before, *told = self.told()
        self.assertEqual(f"turn 0: select waits at most 0.000 s; for reading: {wakeup}; for writing: nobody", before)
        self.assertEqual([
            "turn 0: ready: nobody",
            "ran <StreamTransport #1 fd=%d reading, 0 queued> in 0.000 ms" % ours_fd(told),
            f"turn 1: select waits for ever; for reading: {wakeup}, #1 (connected); for writing: nobody",
            "turn 1: ready: #1",
            "#1 recv: 6 bytes b'hello\\n'",
            "#1 send: the kernel took all 6 bytes",
            "ran <StreamTransport #1 fd=%d reading, 0 queued> in 0.000 ms" % ours_fd(told),
            f"turn 2: select waits at most 0.000 s; for reading: {wakeup}; for writing: nobody",
            "turn 2: ready: nobody",
            "#1 closed: by us",
            "ran <StreamTransport #1 fd=-1 lost, 0 queued> in 0.000 ms",
        ], told)

    def test_why_a_socket_is_in_the_list(self):
        """The reason stands beside the name: what waits is counted."""
        ours, peer = self.pair(4096)
        transport, _ = self.reactor.adopt(Recorder, ours)
        self.reactor.turn()
        transport.write(bytes(10 ** 6))
        self.observe()
        self.reactor.turn(0)
        self.assertIn(f"for writing: #1 (because {transport.get_write_buffer_size():,} bytes are queued)",
                      self.told("asked")[0])

    def test_a_plain_watcher_is_told_by_its_descriptor(self):
        ours, peer = self.pair()
        self.reactor.add_writer(ours, int)
        self.observe()
        self.reactor.turn(0)
        self.reactor.remove_writer(ours)
        self.assertIn(f"for writing: fd {ours.fileno()} (int)", self.told("asked")[0])
        self.assertEqual([f"turn 0: ready: fd {ours.fileno()}"], self.told("ready"))

    def test_a_slow_callback_is_named_with_its_time(self):
        """Edge case 33: whoever wants a warning reads it from the event; the loop itself has no threshold."""
        self.observe()
        self.reactor.call_soon(self.slow)
        self.reactor.turn()
        event, = [event for event in self.events if event.kind == "ran"]
        self.assertAlmostEqual(250, event.facts["milliseconds"])
        self.assertEqual("ran TestTelling.slow in 250.000 ms", str(event))

    def slow(self):
        self.clock.advance(0.25)

    def test_an_exception_is_told_too(self):
        self.observe()
        self.reactor.call_soon(self.fail, "on purpose")
        with self.assertLogs("reactor", "ERROR"):
            self.reactor.turn()
        self.assertEqual(["TestCase.fail raised AssertionError('on purpose')"], self.told("raised"))

    def test_the_reason_of_an_end(self):
        """Who ended it, and whether anything is wrong with us."""
        self.observe()
        for end, reason in ((lambda ours, peer, transport: transport.close(), "by us"),
                            (lambda ours, peer, transport: peer.close(), "the peer had finished"),
                            (lambda ours, peer, transport: transport.fail(ConnectionResetError(104, "reset")),
                             "the peer is gone ([Errno 104] reset)"),
                            (lambda ours, peer, transport: transport.fail(ValueError("ours")),
                             "because of ValueError('ours')")):
            ours, peer = self.pair()
            transport, _ = self.reactor.adopt(Recorder, ours)
            self.reactor.turn()
            self.events.clear()
            end(ours, peer, transport)
            run_turns(self.reactor)
            self.assertEqual([f"{transport.name} closed: {reason}"], self.told("closed"))

    def test_every_kind_is_told_by_something_that_happens(self):
        """A sentence that nothing ever says is dead, and one that is missing breaks the observer."""
        self.observe()
        listener = self.reactor.listen(Recorder, max_connections=1)
        accepted = Recorder(eof_received=lambda p: True)
        listener._factory = lambda: accepted
        client = Recorder()
        self.reactor.connect(lambda: client, "127.0.0.1", listener.port)
        run_turns(self.reactor, lambda: client.calls and accepted.calls)
        waiting = self.client_of(listener)
        run_turns(self.reactor)
        self.assertEqual(1, listener.connections)
        waiting.close()
        client.transport.pause_reading()
        accepted.transport.set_write_buffer_limits(1000)
        accepted.transport.write(bytes(10 ** 7))
        client.transport.resume_reading()
        run_turns(self.reactor, lambda: len(client.data) == 10 ** 7)
        client.transport.write_eof()
        run_turns(self.reactor)
        self.blocked_and_dropped()
        self.reactor.call_now(lambda: client.transport.fail(None))
        with self.assertLogs("reactor"):
            self.reactor.call_now(lambda: 1 / 0)
        run_turns(self.reactor)
        told = {event.kind for event in self.events}
        for event in self.events:
            str(event)
        self.assertEqual(sorted(SENTENCES), sorted(told))

    def blocked_and_dropped(self):
        scripted = StreamTransport(self.reactor, ScriptedSocket(BlockingIOError(errno.EAGAIN, "full")), Recorder())
        scripted.write(b"x")
        scripted.abort()
        sock = ScriptedDatagrams(NOT_NOW)
        datagrams = DatagramTransport(self.reactor, sock, Recorder())
        for _ in range(6):
            datagrams.sendto(bytes(60000), ("192.0.2.1", 7))
        datagrams.abort()
        run_turns(self.reactor)


class TestObserver(TraceCase):

    def scenario(self):
        """A conversation with most things in it; what the protocols saw, in order."""
        seen = []

        def note(name):
            def action(protocol, *args):
                seen.append((name, protocol.calls[-1], *[arg for arg in args if isinstance(arg, bytes)]))
                if protocol.calls[-1] == "data_received" and name == "ours":
                    protocol.transport.write(args[0])
                return True
            return dict.fromkeys(("connection_made", "data_received", "eof_received", "connection_lost",
                                  "pause_writing", "resume_writing"), action)
        ours, other = self.pair()
        first, _ = self.reactor.adopt(lambda: Recorder(**note("ours")), ours)
        second, _ = self.reactor.adopt(lambda: Recorder(**note("other")), other)
        run_turns(self.reactor)
        second.write(b"hello")
        run_turns(self.reactor)
        second.pause_reading()
        first.write(bytes(4 * HIGH))
        run_turns(self.reactor)
        second.resume_reading()
        second.write_eof()
        run_turns(self.reactor)
        first.close()
        run_turns(self.reactor)
        second.abort()
        run_turns(self.reactor)
        return seen

    def test_the_same_callbacks_with_and_without(self):
        without = self.scenario()
        self.observe()
        self.assertEqual(without, self.scenario())
        self.assertGreater(len(without), 8)
        self.assertTrue(self.events)

    def test_without_an_observer_no_event_is_made(self):
        self.patch(trace, "Event", lambda *args: self.fail("an event nobody hears"))
        self.scenario()

    def test_an_observer_that_raises_is_taken_off(self):
        """It must not change what it watches: the callbacks are those of a loop without one."""
        without = self.scenario()
        for after in (1, 2, 5, 20):
            with self.subTest(after=after):
                told = []

                def observer(event):
                    told.append(event)
                    if len(told) == after:
                        raise ValueError("the observer is broken")
                self.reactor.observer = observer
                with self.assertLogs("reactor", "ERROR") as logged:
                    self.assertEqual(without, self.scenario())
                self.assertEqual((1, after), (len(logged.output), len(told)))
                self.assertIsNone(self.reactor.observer)

    def test_an_observer_may_be_set_and_taken_off_in_the_middle_of_a_turn(self):
        self.reactor.call_soon(self.observe)
        self.reactor.call_soon(int)
        self.reactor.turn(0)
        self.reactor.turn(0)
        self.assertTrue(self.told("asked"))

        def off():
            self.reactor.observer = None
        self.reactor.call_soon(off)
        self.reactor.call_soon(int)
        self.reactor.turn(0)
        count = len(self.events)
        self.reactor.turn(0)
        self.assertEqual(count, len(self.events))

    def test_events_are_told_on_the_loops_thread_in_order(self):
        """Turns count up, and each is asked before it is answered."""
        self.observe()
        self.scenario()
        turns = [(event.facts["turn"], event.kind) for event in self.events if event.kind in ("asked", "ready")]
        first = turns[0][0]
        self.assertEqual([(first + number // 2, ("asked", "ready")[number % 2]) for number in range(len(turns))], turns)


def ours_fd(told):
    """The descriptor that the first sentence with one names."""
    line = next(line for line in told if "fd=" in line and "fd=-1" not in line)
    return int(line.partition("fd=")[2].split()[0])


if __name__ == "__main__":
    unittest.main()
