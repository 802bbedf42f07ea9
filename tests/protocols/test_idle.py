"""The idle limit: protocols/idle.py."""
import unittest

from protocols.base import Protocol
from protocols.echo import Echo
from protocols.idle import IdleLimit

from .fakes import FakeClock, FakeTransport


class Recorder(Protocol):
    """Notes each callback; answers `eof_received` with True."""

    def __init__(self):
        self.calls = []

    def connection_made(self, transport):
        self.calls.append(("connection_made", transport))

    def data_received(self, data):
        self.calls.append(("data_received", data))

    def eof_received(self):
        self.calls.append(("eof_received",))
        return True

    def connection_lost(self, exc):
        self.calls.append(("connection_lost", exc))

    def pause_writing(self):
        self.calls.append(("pause_writing",))

    def resume_writing(self):
        self.calls.append(("resume_writing",))


class IdleLimitTest(unittest.TestCase):
    def setUp(self):
        self.clock = FakeClock()

    def connect(self, protocol, high=None):
        self.limit = IdleLimit(protocol, 60, call_later=self.clock.call_later, time=self.clock.time)
        self.transport = FakeTransport(self.limit, high=high)
        self.limit.connection_made(self.transport)

    def test_every_callback_is_passed_on(self):
        recorder, error = Recorder(), ConnectionResetError()
        self.connect(recorder)
        self.limit.data_received(b"x")
        self.limit.pause_writing()
        self.limit.resume_writing()
        self.assertTrue(self.limit.eof_received())
        self.limit.connection_lost(error)
        self.assertEqual(recorder.calls, [
            ("connection_made", self.transport), ("data_received", b"x"), ("pause_writing",), ("resume_writing",),
            ("eof_received",), ("connection_lost", error)])

    def test_a_silent_connection_is_closed_on_time(self):
        """Edge case 109."""
        self.connect(Echo())
        self.clock.advance(59.99)
        self.assertIsNone(self.transport.closed)
        self.clock.advance(0.02)
        self.assertEqual(self.transport.closed, "close")
        self.assertEqual(self.clock.waiting(), 0)

    def test_a_byte_starts_the_limit_anew_whenever_it_comes(self):
        """Edge case 109."""
        for moment in (0.5, 14.9, 15.1, 30, 59.9):
            self.connect(Echo())
            self.clock.advance(moment)
            self.limit.data_received(b"x")
            self.clock.advance(59.99)
            self.assertIsNone(self.transport.closed, moment)
            self.clock.advance(0.02)
            self.assertEqual(self.transport.closed, "close", moment)

    def test_bytes_arm_no_timers(self):
        self.connect(Echo())
        for _ in range(10000):
            self.limit.data_received(b"x")
        self.assertEqual(self.clock.armed, 1)
        self.clock.advance(60)
        self.assertLessEqual(self.clock.armed, 5)

    def test_a_queue_that_shrinks_keeps_the_connection(self):
        """A long answer to a slow reader, who himself sends nothing."""
        self.connect(Echo(), high=10**9)
        self.limit.data_received(b"x" * 1000)
        for _ in range(20):
            self.clock.advance(40)
            self.transport.queued -= 10
        self.assertIsNone(self.transport.closed)

    def test_resumed_writing_keeps_the_connection(self):
        """The queue is filled again each time, so that its size alone shows nothing."""
        self.connect(Echo(), high=10)
        for _ in range(5):
            self.transport.write(b"x" * 11)
            self.clock.advance(50)
            self.transport.drain()
            self.assertIsNone(self.transport.closed)

    def test_a_queue_that_stands_still_is_given_up_within_a_quarter_more(self):
        for moment in (0, 14, 16, 44, 59):
            self.clock = FakeClock()
            self.connect(Echo(), high=10**9)
            self.limit.data_received(b"x" * 1000)
            self.clock.advance(moment)
            self.transport.queued -= 1
            self.clock.advance(59.99)
            self.assertIsNone(self.transport.closed, moment)
            self.clock.advance(15.02)
            self.assertEqual(self.transport.closed, "abort", moment)

    def test_a_lost_connection_leaves_no_timer(self):
        """Edge case 59."""
        self.connect(Echo())
        self.limit.connection_lost(None)
        self.assertEqual(self.clock.waiting(), 0)


if __name__ == "__main__":
    unittest.main()
