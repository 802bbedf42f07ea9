import io
import logging
import os
import re
import unittest
from unittest import mock

from demos.glassbox.printer import BriefPrinter, Printer
from demos.glassbox.words import called, concerned, what, who
from protocols.echo import Echo
from protocols.idle import IdleLimit
from reactor import Reactor
from reactor.testing import FakeClock, pair, run_turns
from reactor.trace import SENTENCES, SHOWN, Count, Event, Words

from .traffic import Traffic


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self):
        return True


class Broken(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


def echoed(printer_class, stream, messages=(b"hello",)):
    """What is printed while these messages are echoed."""
    clock = FakeClock()
    with Reactor(clock=clock, select=clock.select) as reactor:
        reactor.observer = printer = printer_class(stream, clock())
        ours, peer = pair()
        reactor.adopt(Echo, ours)
        for message in messages:
            peer.send(message)
            run_turns(reactor)
            assert peer.recv(100) == message
        peer.close()
        run_turns(reactor)
        printer.close()
    return stream.getvalue()


class Full(unittest.TestCase):
    def test_each_event_is_a_line_of_four_aligned_columns(self):
        text = echoed(Printer, io.StringIO())
        self.assertIn("     0.000      1  #1    recv: 5 bytes 'hello'\n", text)
        self.assertIn("     0.000      1  #1    send: the kernel took all 5 bytes 'hello'\n", text)
        for line in text.splitlines()[1:]:
            self.assertRegex(line, r"^ {0,9}\d+\.\d{3} {1,6}\d+  (#\d+|loop) +\S")

    def test_a_timeout_is_explained(self):
        stream, clock = io.StringIO(), FakeClock()
        with Reactor(clock=clock, select=clock.select) as reactor:
            ours, peer = pair()
            self.addCleanup(peer.close)
            reactor.observer = Printer(stream, clock())
            reactor.adopt(lambda: IdleLimit(Echo(), 12.8, call_later=reactor.call_later, time=clock), ours)
            for _ in range(3):
                reactor.turn()
        self.assertRegex(stream.getvalue(), r"; next timer: idle limit look of #1 in 3\.200 s\n")
        self.assertRegex(stream.getvalue(), r"\n     3\.200 .* timer fired: idle limit look, 0\.000 s late\n")

    def test_an_idle_loop_prints_nothing(self):
        for printer_class in (Printer, BriefPrinter):
            stream = io.StringIO()
            with Reactor() as reactor:
                reactor.listen(Echo)
                reactor.observer = printer_class(stream, reactor.time())
                reactor.turn(0)
                before = stream.getvalue()
                for _ in range(50):
                    reactor.turn(0)
                self.assertEqual(before, stream.getvalue())
                self.assertLessEqual(before.count("\n"), 1, "the title at most")
                reactor.observer = None

    def test_colour_is_for_terminals_and_says_nothing_that_the_words_do_not(self):
        with mock.patch.dict(os.environ, {"TERM": "xterm"}):
            os.environ.pop("NO_COLOR", None)
            coloured = echoed(Printer, Screen())
            self.assertIn("\033[32m", coloured)
            self.assertEqual(echoed(Printer, io.StringIO()), re.sub(r"\033\[\d+m", "", coloured))
            os.environ["NO_COLOR"] = "1"
            self.assertNotIn("\033", echoed(Printer, Screen()))

    def test_a_stream_that_breaks_ends_the_trace_and_nothing_else(self):
        for printer_class in (Printer, BriefPrinter):
            self.assertEqual("", echoed(printer_class, Broken(), [b"one", b"two", b"three"]))

    def test_a_terminal_has_the_last_line_before_a_callback_hangs(self):
        stream = Screen()
        printer = Printer(stream, 0.0)
        printer(Event(1.0, 1, "turn", {"reading": [], "writing": [], "timeout": None, "why": ""}))
        printer(Event(1.0, 1, "ready", {"readable": ["#1"], "writable": [], "slept": 1.0}))
        printer(Event(1.0, 1, "received", {"who": "#1", "size": 1, "data": b"x"}))
        self.assertIn("recv", stream.getvalue())

    def test_every_kind_of_event_has_its_words(self):
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        kinds = set()

        def observe(event):
            kinds.add(event.kind)
            self.assertTrue(who(event) and what(event))
            self.assertLessEqual(concerned(event), {f"#{number}" for number in range(100)} | {"the loop"})

        for seed in range(5):
            traffic = Traffic(seed)
            traffic.reactor.observer = observe
            traffic.begin()
            for _ in range(150):
                traffic.step()
            traffic.close()
            self.assertIs(observe, traffic.reactor.observer, "the observer raised")
        rest = {"listening", "full", "connecting", "connected", "failed", "opened", "quick look", "dropped",
                "datagram received", "datagram sent", "datagram queued", "blocked"}
        self.assertEqual(set(), set(SENTENCES) - kinds - rest)

    def test_the_words_that_are_written_out_for_speed_are_those_of_the_core(self):
        data = b"it's\n" + bytes(SHOWN)
        facts = {"received": {"who": "#1", "size": 1234, "data": data},
                 "ran": {"callback": "f", "milliseconds": 0.12345},
                 "sent": {"who": "#1", "offered": 1234, "taken": 1234, "left": 0, "data": data}}
        for kind in facts:
            event = Event(0.0, 0, kind, facts[kind])
            head = f"'{repr(data[:SHOWN])[2:-1]}' ..."
            count = Count(1234)
            whole = SENTENCES[kind].format_map({**Words(event), "head": head, "size": count, "taken": count})
            self.assertEqual(whole[whole.startswith("#1") * 3:], what(event))

    def test_one_byte_is_one(self):
        facts = {"who": "#1", "size": 1, "taken": 1, "offered": 1, "left": 0, "depth": 1, "data": b"x", "why": "",
                 "peer": ("::1", 7)}
        for kind in ("received", "sent", "queued", "dropped", "closing", "half-closing", "writing paused",
                     "datagram received", "datagram sent", "datagram queued"):
            for text in (what(Event(1.0, 1, kind, facts)), str(Event(1.0, 1, kind, facts))):
                self.assertRegex(text, r"\b1 byte\b")
                self.assertNotIn("1 bytes", text)

    def test_what_a_peer_sends_never_plays_with_the_terminal(self):
        """An exception may quote it, the path of a socket may hold anything: one event stays one line of words."""
        evil = "evil\n\x1b[2J\udcff"
        told = [("lost", {"who": "#1", "why": evil}), ("accepted", {"who": "#1", "connection": "#2", "peer": evil}),
                ("ran", {"callback": evil, "milliseconds": 1.0}), ("raised", {"callback": "f", "error": evil}),
                ("timer set", {"callback": evil, "delay": 1.0, "due": 2.0}),
                ("turn", {"reading": [("fd 5", evil)], "writing": [("fd 5", evil)], "timeout": 1.0,
                          "why": f"next timer: {evil}"}),
                ("received", {"who": "#1", "size": 9, "head": evil}),
                ("datagram received", {"who": "#1", "size": 9, "head": evil, "peer": [evil, 1]})]
        for kind, facts in told:
            event = Event(1.0, 1, kind, facts)
            for text in (what(event), *([] if kind == "turn" else [str(event)])):
                self.assertTrue(text.isprintable(), text)
                self.assertIn(r"evil\n\x1b[2J\udcff", text)
            if kind != "turn":
                brief = BriefPrinter(io.StringIO(), 0.0)
                brief(event)
                brief.close()
                self.assertTrue(brief._stream.getvalue().replace("\n", "", 2).isprintable(), kind)


class Brief(unittest.TestCase):
    def test_each_turn_is_a_line(self):
        text = echoed(BriefPrinter, io.StringIO(), [b"hello", b"you"])
        self.assertRegex(text, r"\n +0\.000 +1 +0\.000 s  #1 ready; #1 recv 5, sent 5\n")
        self.assertRegex(text, r"  #1 ready; #1 recv 3, sent 3\n")
        self.assertRegex(text, r"  #1 ready; #1 end of file, closing\n.*  #1 closed\n")


class ManyAtOnce(unittest.TestCase):
    def test_no_line_grows_with_the_number_of_connections(self):
        """Hundreds may be ready in one turn, and each that waits to write has a reason of its own."""
        names = [f"#{number}" for number in range(900)]
        writing = [(name, f"because {number:,} bytes are queued") for number, name in enumerate(names)]
        stream = io.StringIO()
        for printer_class in (Printer, BriefPrinter):
            printer = printer_class(stream, 0.0)
            printer(Event(1.0, 1, "turn", {"reading": [(name, name) for name in names], "writing": writing,
                                           "timeout": None, "why": "nothing is due"}))
            printer(Event(1.0, 1, "ready", {"readable": names, "writable": names, "slept": 1.0}))
            for name in names:
                printer(Event(1.0, 1, "received", {"who": name, "size": 1, "data": b"x"}))
            printer.close()
        longest = max(stream.getvalue().splitlines(), key=len)
        self.assertLess(len(longest), 700, longest)
        self.assertIn("#5 (because 5 bytes are queued) and 894 more", stream.getvalue())
        self.assertIn("#5 recv 1; and 894 more", stream.getvalue())

    def test_no_line_grows_with_the_number_of_clients_that_came_in_one_turn(self):
        brief = BriefPrinter(io.StringIO(), 0.0)
        for number in range(2, 66):
            brief(Event(1.0, 1, "accepted", {"who": "#1", "connection": f"#{number}", "peer": "p", "fd": number}))
        brief.close()
        self.assertIn("#1 accepted #2, accepted #3, accepted #4, accepted #5, accepted #6, accepted #7 and 58 more\n",
                      brief._stream.getvalue())


class Names(unittest.TestCase):
    def test_callbacks_become_words(self):
        self.assertEqual(("#5", "on_readable"), called("#5 on_readable"))
        self.assertEqual(("#6", "idle limit look"), called("IdleLimit._look of #6"))
        self.assertEqual(("loop", "main.<locals>.stop"), called("main.<locals>.stop"))
        self.assertEqual(("loop", "wakeup drain"), called("Wakeup._drain"))


if __name__ == "__main__":
    unittest.main()
