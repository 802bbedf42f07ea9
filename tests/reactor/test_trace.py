"""What the loop tells about itself: every sentence is right, and telling changes nothing."""
import errno
import itertools
import socket
import string
import unittest

from reactor import trace
from reactor.datagram import DatagramTransport
from reactor.testing import ScriptedSocket, run_turns
from reactor.trace import SENTENCES, SHOWN, Event
from reactor.transport import HIGH, StreamTransport
from reactor.workingset import MANY
from tests.case import Case, Recorder, unwatch
from tests.reactor.test_datagram import NOT_NOW, ScriptedDatagrams


def fields(sentence):
    """The names that a sentence needs."""
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


class TestSentences(unittest.TestCase):

    def said(self, kind, **facts):
        return str(Event(1.0, 7, kind, facts))

    def test_each_sentence_can_be_said(self):
        lists = {"readable": ["#1"], "writable": ["#2"], "peer": ("192.0.2.1", 7),
                 "reading": [("#1", "connected")], "writing": [], "data": b"data", "timeout": None,
                 "why": "nothing is due"}
        for kind, sentence in SENTENCES.items():
            with self.subTest(kind=kind):
                said = self.said(kind, **{**dict.fromkeys(fields(sentence) - {"head", "patience"}, 1234), **lists})
                self.assertNotIn("{", said)

    def test_lists_in_words(self):
        self.assertEqual("ready after 0.500 s: nobody", self.said("ready", slept=0.5, readable=[], writable=[]))
        self.assertEqual("ready after 0.000 s: #1, #2; to write: #3",
                         self.said("ready", slept=0, readable=["#1", "#2"], writable=["#3"]))
        turn = dict(timeout=None, why="nothing is due")
        self.assertEqual("turn 7: select waits for ever for nobody", self.said("turn", reading=[], writing=[], **turn))
        self.assertEqual("turn 7: select waits for ever for #1 (the listener), #5 (connected); to write: #5 (busy)",
                         self.said("turn", reading=[("#1", "the listener"), ("#5", "connected")],
                                   writing=[("#5", "busy")], **turn))

    def test_long_data_is_cut(self):
        said = self.said("received", who="#1", size=SHOWN + 1, data=b"x" * (SHOWN + 1))
        self.assertEqual("#1 recv: 41 bytes '" + "x" * SHOWN + "' ...", said)
        self.assertEqual("#1 recv: 2 bytes 'hi'", self.said("received", who="#1", size=2, data=memoryview(b"hi")))


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
        """A turn at a time: who is asked about, who is ready, and what was run because of it."""
        self.observe()
        ours, peer = self.pair()
        transport, protocol = self.reactor.adopt(
            lambda: Recorder(data_received=lambda p, data: p.transport.write(data)), ours)
        self.reactor.turn()
        peer.send(b"hello\n")
        self.reactor.turn()
        transport.close()
        self.reactor.turn()
        self.assertEqual(["adopted", "turn", "ready", "ran", "turn", "ready", "received", "sent", "ran",
                          "closing", "turn", "ready", "blocked", "closed", "ran"],
                         [event.kind for event in self.events])
        self.assertEqual(["#1 was adopted", "#1 recv: 6 bytes 'hello\\n'",
                          "#1 send: the kernel took all 6 bytes 'hello\\n'", "#1 closing: 0 bytes still to be sent",
                          "#1 recv: not now (EAGAIN)", "#1 closed: by us"],
                         self.told("adopted", "received", "sent", "closing", "blocked", "closed"))
        self.assertEqual([[], ["#1"], []], [event.facts["readable"] for event in self.events if event.kind == "ready"])

    def test_why_a_socket_is_in_the_list(self):
        """The reason stands beside the name: what waits is counted."""
        ours, peer = self.pair(4096)
        transport, _ = self.reactor.adopt(Recorder, ours)
        self.reactor.turn()
        transport.write(bytes(10 ** 6))
        self.observe()
        self.reactor.turn(0)
        self.assertIn(f"; to write: #1 (because {transport.get_write_buffer_size():,} bytes are queued)",
                      self.told("turn")[0])

    def test_a_plain_watcher_is_told_by_its_descriptor(self):
        ours, peer = self.pair()
        self.reactor.add_writer(ours, int)
        self.observe()
        self.reactor.turn(0)
        unwatch(self.reactor, ours)
        self.assertIn(f"to write: fd {ours.fileno()} (int)", self.told("turn")[0])
        self.assertEqual([f"ready after 0.000 s: nobody; to write: fd {ours.fileno()}"], self.told("ready"))

    def test_objects_of_the_users_own_may_mean_anything_by_our_words(self):
        """A traced program must not fail where the untraced one runs: `why`, `name` and `_transport` are its own."""
        class Hidden:
            def __getattr__(self, name):
                raise RuntimeError(name)

            def __call__(self):
                calls.append("hidden")

        class Because:
            why = "because"

            def ready(self):
                calls.append("because")

        class Reasoned(Because):
            name = 7

            def why(self, writing):
                return None

        calls = []
        self.observe()
        for callback in (Because().ready, Reasoned().ready, Hidden()):
            ours, _ = self.pair()
            self.reactor.add_writer(ours, callback)
            self.reactor.turn(0)
            unwatch(self.reactor, ours)
        self.reactor.call_soon(Hidden())
        self.reactor.turn(0)
        self.assertEqual(["because", "because", "hidden", "hidden"], calls)
        self.assertEqual(4, len(self.told("ran")))

    def test_timers_are_told(self):
        self.observe()
        self.reactor.call_later(5, int)
        self.reactor.call_later(1, int).cancel()
        self.reactor.turn()
        self.assertEqual(["timer set: int in 5.000 s", "timer set: int in 1.000 s", "timer cancelled: int",
                          "timer fired: int, 0.000 s late"], self.told("timer set", "timer cancelled", "timer fired"))

    def test_a_timer_for_now_or_before_is_set_in_no_time(self):
        """The clock goes on between the call and the event."""
        reactor = self.open_reactor(clock=itertools.count(100).__next__, select=self.clock.select)
        reactor.observer = self.events.append
        reactor.call_later(0, int)
        reactor.call_at(5, int)
        self.assertEqual(["timer set: int in 0.000 s"] * 2, self.told("timer set"))

    def test_a_slow_callback_is_named_with_its_time(self):
        """Edge case 33: whoever wants a warning reads it from the event; the loop itself has no threshold."""
        self.observe()
        self.reactor.call_soon(self.slow)
        self.reactor.turn()
        event, = [event for event in self.events if event.kind == "ran"]
        self.assertAlmostEqual(250, event.facts["milliseconds"])
        self.assertEqual("ran TestTelling.slow in 250.000 ms", str(event))

    def test_a_callback_that_was_cancelled_is_not_told(self):
        """Edge case 50: nothing ran, so nothing is said."""
        self.observe()
        self.reactor.call_soon(lambda: last.cancel())
        last = self.reactor.call_soon(self.slow)
        self.reactor.turn()
        self.assertEqual(1, len(self.told("ran")))

    def slow(self):
        self.clock.advance(0.25)

    def test_an_exception_is_told_too(self):
        self.observe()
        self.reactor.call_soon(self.fail, "on purpose")
        with self.assertLogs("reactor", "ERROR"):
            self.reactor.turn()
        self.assertEqual(["TestCase.fail raised AssertionError('on purpose')"], self.told("raised"))

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
        self.quick_look()
        self.reactor.call_later(0, int)
        self.reactor.call_later(1, int).cancel()
        self.failed()
        self.datagrams()
        self.half_closing()
        ours, _ = self.pair()
        self.reactor.adopt(Recorder, ours)[0].close()
        self.reactor.call_now(lambda: client.transport.fail(None))
        with self.assertLogs("reactor"):
            self.reactor.call_now(lambda: 1 / 0)
        run_turns(self.reactor)
        told = {event.kind for event in self.events}
        for event in self.events:
            str(event)
        self.assertEqual(sorted(SENTENCES), sorted(told))

    def quick_look(self):
        pairs = [self.pair() for _ in range(MANY)]
        many = [ours for ours, peer in pairs]
        pairs[0][1].send(b"always ready, since nobody reads it")
        for sock in many:
            self.reactor.add_reader(sock, int)
        for _ in range(3):
            self.reactor.turn(0)
        for sock in many:
            unwatch(self.reactor, sock)

    def failed(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.reactor.connect(Recorder, *sock.getsockname(), on_error=lambda exc: None)
            run_turns(self.reactor, lambda: self.told("failed"))

    def datagrams(self):
        receiver, _ = self.reactor.open_datagram(Recorder, local=("127.0.0.1", 0))
        sender, _ = self.reactor.open_datagram(Recorder, remote=receiver.get_extra_info("sockname"))
        run_turns(self.reactor)
        sender.sendto(b"hello")
        run_turns(self.reactor, lambda: self.told("datagram received"))
        gone = ScriptedSocket(ConnectionResetError(errno.ECONNRESET, "gone"))
        scripted = StreamTransport(self.reactor, gone, Recorder())
        scripted.write(b"x")
        for transport in receiver, sender:
            transport.close()
        run_turns(self.reactor)

    def half_closing(self):
        scripted = StreamTransport(self.reactor, ScriptedSocket(BlockingIOError(errno.EAGAIN, "full")), Recorder())
        scripted.write(b"x")
        scripted.write_eof()
        scripted.abort()
        run_turns(self.reactor)

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
        self.assertTrue(self.told("turn"))

        def off():
            self.reactor.observer = None
        self.reactor.call_soon(off)
        self.reactor.call_soon(int)
        self.reactor.turn(0)
        count = len(self.events)
        self.reactor.turn(0)
        self.assertEqual(count, len(self.events))

    def test_an_observer_that_comes_while_select_sleeps_sees_whole_turns(self):
        ours, _ = self.pair()
        reactor = self.open_reactor(select=lambda *asked: (self.observe(), self.clock.select(*asked))[1])
        self.reactor = reactor
        reactor.add_writer(ours, int)
        reactor.turn(0)
        reactor.turn(0)
        unwatch(reactor, ours)
        self.assertEqual(["turn", "ready", "ran"], [event.kind for event in self.events])

    def test_an_observer_that_comes_late_hears_of_all_that_is_watched(self):
        self.reactor.turn(0)
        self.observe()
        self.reactor.turn(0)
        self.assertIn("the loop (its wake-up socket)", self.told("turn")[0])

    def test_turns_count_up_and_each_is_asked_before_it_is_answered(self):
        self.observe()
        self.scenario()
        turns = [(event.turn, event.kind) for event in self.events if event.kind in ("turn", "ready")]
        first = turns[0][0]
        self.assertEqual([(first + number // 2, ("turn", "ready")[number % 2]) for number in range(len(turns))], turns)


if __name__ == "__main__":
    unittest.main()
