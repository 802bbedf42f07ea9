import base64
import contextlib
import io
import json
import logging
import os
import select
import tempfile
import unittest

from demos.glassbox.grammar import MUST
from demos.glassbox.recorder import Recorder
from demos.glassbox.recording import NotARecording, Recording, open_recording
from demos.glassbox.words import what
from protocols.base import DatagramProtocol
from protocols.echo import Echo
from reactor import Reactor
from reactor.testing import pair, run_turns
from reactor.trace import SENTENCES

from .grammar import EVENTS, FACTS, hold
from .traffic import Traffic


class Recorded(unittest.TestCase):
    def setUp(self):
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "run")

    def lines(self):
        with open(self.path, encoding="ascii") as file:
            return file.readlines()

    def record(self, seed=0, steps=100, **options):
        traffic = Traffic(seed)
        recorder = traffic.reactor.observer = Recorder(self.path, traffic.clock(), **options)
        traffic.begin()
        for _ in range(steps):
            traffic.step()
        traffic.close()
        recorder.close()
        return traffic


class Grammar(Recorded):
    def test_every_kind_of_event_is_in_the_grammar_and_nothing_else_is(self):
        self.assertEqual({*SENTENCES, "found", "end"}, set(EVENTS))
        self.assertEqual(set(FACTS), set().union(*(must | may for must, may in EVENTS.values())))

    def test_every_line_of_random_traffic_keeps_to_it(self):
        for payloads in (False, True):
            for seed in range(5):
                self.record(seed, payloads=payloads)
                for number, line in enumerate(self.lines()):
                    hold(line, number)

    def test_datagrams_connectors_and_failures_keep_to_it(self):
        with Reactor() as reactor:
            recorder = reactor.observer = Recorder(self.path, reactor.time(), payloads=True)
            listener = reactor.listen(Echo, max_connections=1)
            errors = []
            for _ in range(2):
                reactor.connect(Echo, "127.0.0.1", listener.port)
            reactor.connect(Echo, "127.0.0.1", 1, on_error=errors.append)
            transport, _ = reactor.open_datagram(DatagramProtocol, local=("127.0.0.1", 0))
            transport.sendto(b"to myself", transport.get_extra_info("sockname"))
            reactor.call_later(float("inf"), print).cancel()
            reactor.call_soon(lambda: 1 / 0)
            run_turns(reactor, lambda: errors and listener.connections)
            run_turns(reactor)
        recorder.close()
        kinds = set()
        for number, line in enumerate(self.lines()):
            hold(line, number)
            kinds.add(json.loads(line).get("event"))
        self.assertLessEqual({"datagram received", "datagram sent", "opened", "connecting", "connected", "failed",
                              "full", "raised", "timer set", "timer cancelled", "end"}, kinds)

    def test_payloads_are_what_was_received_and_sent(self):
        with Reactor() as reactor:
            recorder = reactor.observer = Recorder(self.path, reactor.time(), payloads=True)
            ours, peer = pair(4096)
            transport, _ = reactor.adopt(Echo, ours)
            reactor.turn(0)
            message = bytes(range(256)) * 400
            transport.write(message)
            got = 0
            while got < len(message):
                piece = peer.recv(100000)
                self.assertTrue(piece)
                got += len(piece)
                reactor.turn(0)
            peer.close()
        recorder.close()
        events = [json.loads(line) for line in self.lines()[1:]]
        sent = b"".join(base64.b64decode(event["bytes"]) for event in events if "bytes" in event)
        self.assertEqual(message, sent)

    def test_numbers_that_json_does_not_have_are_not_written(self):
        with Reactor() as reactor:
            recorder = reactor.observer = Recorder(self.path, reactor.time())
            for when in (float("inf"), float("-inf"), 1e300):
                reactor.call_at(when, int)
            reactor.turn(0)
        recorder.close()
        for number, line in enumerate(self.lines()):
            hold(line, number)


class Reading(Recorded):
    def test_what_is_read_back_is_what_was_told(self):
        told = []
        traffic = Traffic(3)
        recorder = Recorder(self.path, traffic.clock())

        def observe(event):
            told.append(event)
            recorder(event)

        traffic.reactor.observer = observe
        traffic.begin()
        for _ in range(100):
            traffic.step()
        traffic.close()
        recorder.close()
        with open_recording(self.path) as recording:
            read = list(recording)
        self.assertEqual("end", read.pop().kind)
        # Turns in which nothing happened are left out.
        kept = {(event.turn, event.kind) for event in read}
        told = [event for event in told if event.kind not in ("turn", "ready") or (event.turn, event.kind) in kept]
        self.assertEqual([(event.turn, event.kind) for event in told], [(event.turn, event.kind) for event in read])
        for before, after in zip(told, read):
            self.assertAlmostEqual(before.time - 1000.0, after.time, places=5)
            for name in {"who", "size", "taken", "depth", "why", "readable", "writable"}.intersection(after.facts):
                self.assertEqual(before.facts[name], after.facts[name])
            if after.kind == "turn":
                self.assertEqual([list(pair) for pair in before.facts["reading"]], after.facts["reading"])

    def test_a_recording_cut_off_at_any_byte_gives_the_events_before(self):
        self.record(steps=12)
        with open(self.path, "rb") as file:
            whole = file.read()
        events = list(Recording(io.BytesIO(whole)))
        first = whole.index(b"\n") + 1
        for end in range(first, len(whole)):
            self.assertEqual(events[:whole.count(b"\n", first, end)], list(Recording(io.BytesIO(whole[:end]))))

    def test_what_is_no_recording_is_refused_in_one_line(self):
        for wrong in (b"", b"hello\n", b"[]\n", b'{"recording":2}\n', b"\xff\xfe\n", b'{"recording":1}'):
            with self.assertRaises(NotARecording, msg=wrong) as caught:
                list(Recording(io.BytesIO(wrong), "run"))
            self.assertNotIn("\n", str(caught.exception))
        for wrong in (b"nonsense\n", b"3\n", b"{}\n", b'{"t":1,"turn":1}\n'):
            with self.assertRaisesRegex(NotARecording, "line 2", msg=wrong):
                list(Recording(io.BytesIO(b'{"recording":1}\n' + wrong), "run"))


def good(fact):
    """A value that the grammar has for a fact."""
    return "eA==" if fact == "bytes" else next(filter(FACTS[fact], (1, "x", ["x"], [["x", "y"]])))


class FilesThatAnybodyMayHaveWritten(unittest.TestCase):
    def read(self, event):
        """The events of a recording that has this one."""
        text = json.dumps({"t": 0.5, "turn": 1, **event})
        return list(Recording(io.BytesIO(f'{{"recording":1}}\n{text}\n'.encode()), "run"))

    def test_the_reader_asks_for_what_the_grammar_says(self):
        self.assertEqual({event: must for event, (must, _) in EVENTS.items()}, MUST)

    def test_whatever_fact_is_missing_or_of_another_sort_is_named_in_one_line(self):
        for event, (must, may) in EVENTS.items():
            whole = {"event": event, **{fact: good(fact) for fact in must | may}}
            self.assertTrue(what(*self.read(whole)))
            for fact in {"t", "turn", "event"} | must | may:
                for value in (None, {}, [1], "%", True):
                    if fact == "bytes" or fact not in FACTS or not FACTS[fact](value):
                        with self.assertRaisesRegex(NotARecording, rf"^run is no recording: line 2 has no good {fact}$",
                                                    msg=(event, fact, value)):
                            self.read({**whole, fact: value})
            for fact in must:
                with self.assertRaisesRegex(NotARecording, rf"^run is no recording: line 2 has no good {fact}$"):
                    self.read({name: value for name, value in whole.items() if name != fact})

    def test_what_has_no_line_end_is_not_read_whole(self):
        class Endless(io.BytesIO):
            """As /dev/zero, or the image of a disk."""

            def readline(self, size=-1):
                assert size > 0, "it would be read for ever"
                return bytes(size)

        with self.assertRaisesRegex(NotARecording, "line 1"):
            Recording(Endless())

    def test_brackets_in_brackets_without_end_are_no_recording(self):
        with self.assertRaisesRegex(NotARecording, "line 1"):
            Recording(io.BytesIO(b"[" * 100000 + b"\n"))


class Bounds(Recorded):
    def record_echo(self, recorder, messages=50):
        """Echo with this recorder; what came back, and what was said on stderr."""
        with Reactor() as reactor, contextlib.redirect_stderr(io.StringIO()) as stderr:
            reactor.observer = recorder
            ours, peer = pair()
            reactor.adopt(Echo, ours)
            back = b""
            for number in range(messages):
                peer.send(b"%03d" % number)
                run_turns(reactor)
                back += peer.recv(100)
            peer.close()
            run_turns(reactor)
        recorder.close()
        self.assertEqual(b"".join(b"%03d" % number for number in range(messages)), back)
        return stderr.getvalue()

    def test_the_limit_ends_the_recording_and_not_the_server(self):
        said = self.record_echo(Recorder(self.path, 0.0, limit=5000))
        self.assertLessEqual(os.path.getsize(self.path), 5000)
        self.assertGreater(os.path.getsize(self.path), 4000)
        self.assertEqual(1, said.count("\n"))
        self.assertIn("limit of 5,000 bytes", said)
        last = list(open_recording_closed(self.path))[-1]
        self.assertEqual("end", last.kind)
        self.assertIn("limit", last.facts["why"])

    def test_the_limit_is_used_to_the_last_line_that_fits_also_within_a_turn(self):
        for limit in range(5000, 5400, 7):
            with Reactor() as reactor, contextlib.redirect_stderr(io.StringIO()):
                recorder = reactor.observer = Recorder(self.path, 0.0, limit=limit, payloads=True)
                for _ in range(100):
                    reactor.call_later(1.0, print)
            recorder.close()
            size, lines = os.path.getsize(self.path), self.lines()
            self.assertTrue(limit - 500 - len(lines[1]) < size <= limit, (limit, size))
            for number, line in enumerate(lines):
                hold(line, number)
            self.assertEqual("end", json.loads(lines[-1])["event"])

    def test_a_file_that_cannot_even_be_closed_disturbs_nobody(self):
        class Stubborn(io.BytesIO):
            def close(self):
                super().close()
                raise OSError(28, "No space left on device")

        recorder = Recorder(self.path, 0.0)
        recorder._file.close()
        recorder._file = Stubborn()
        self.assertEqual("", self.record_echo(recorder))

    @unittest.skipUnless(os.path.exists("/dev/full"), "there is no /dev/full here")
    def test_a_full_disk_ends_the_recording_with_one_line(self):
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            recorder = Recorder("/dev/full", 0.0)
        said = stderr.getvalue() + self.record_echo(recorder)
        self.assertRegex(said, r"^the recording /dev/full ends here: No space left on device\n$")

    @unittest.skipUnless(os.path.exists("/dev/fd"), "pipes have no names here")
    def test_a_closed_pipe_ends_the_recording_with_one_line(self):
        reader, writer = os.pipe()
        recorder = Recorder(f"/dev/fd/{writer}", 0.0)
        os.close(writer)
        self.assertIn(b'"recording":1', os.read(reader, 1000))
        os.close(reader)
        said = self.record_echo(recorder)
        self.assertRegex(said, r"^the recording /dev/fd/\d+ ends here: Broken pipe\n$")

    @unittest.skipUnless(os.path.exists("/dev/fd"), "pipes have no names here")
    def test_a_pipe_that_nobody_reads_keeps_nobody_waiting(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        recorder = Recorder(f"/dev/fd/{writer}", 0.0)
        os.close(writer)
        said = self.record_echo(recorder, messages=400)
        self.assertRegex(said, r"^the recording /dev/fd/\d+ ends here: whoever reads it is too slow\n$")

    @unittest.skipUnless(hasattr(os, "mkfifo"), "there are no named pipes here")
    def test_a_named_pipe_without_a_reader_is_no_place_to_record_to(self):
        os.mkfifo(self.path)
        with self.assertRaises(OSError):
            Recorder(self.path, 0.0)

    def test_all_that_has_happened_is_in_the_file_before_the_loop_falls_asleep(self):
        sizes = []

        def asleep(readers, writers, third, timeout):
            sizes.append(self.lines()[-1])
            return select.select(readers, writers, third, 0)

        with Reactor(select=asleep) as reactor:
            reactor.observer = Recorder(self.path, 0.0)
            ours, peer = pair()
            reactor.adopt(Echo, ours)
            peer.send(b"hello")
            run_turns(reactor)
            peer.close()
            self.assertIn('"ran","callback":"#1 on_readable"', sizes[-1])
            reactor.observer.close()

    def test_an_idle_loop_writes_nothing(self):
        with Reactor() as reactor:
            reactor.observer = Recorder(self.path, 0.0)
            reactor.listen(Echo)
            reactor.turn(0)
            before = self.lines()
            for _ in range(100):
                reactor.turn(0)
            self.assertEqual(before, self.lines())
            reactor.observer.close()

    def test_a_long_turn_does_not_pile_up_in_memory(self):
        with Reactor() as reactor:
            recorder = reactor.observer = Recorder(self.path, 0.0)
            for _ in range(1000):
                reactor.call_later(1.0, print)
            self.assertGreater(len(self.lines()), 900)
            recorder.close()


def open_recording_closed(path):
    with open_recording(path) as recording:
        yield from recording


if __name__ == "__main__":
    unittest.main()
