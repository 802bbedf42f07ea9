"""Bulk transfer: protocols/bulk.py."""
import hashlib
import unittest

from protocols.bulk import LINE, PIECE, TOTAL, BulkReceiver, BulkSender, verdict

from .fakes import FakeClock, connect, splits


class SenderTest(unittest.TestCase):
    def send(self, high=None, **options):
        self.clock = FakeClock()
        self.ended = []
        self.sender = BulkSender(call_later=self.clock.call_later, on_end=self.ended.append, **options)
        self.transport = connect(self.sender, high=high)

    def confirm(self, *pieces):
        for piece in pieces:
            self.sender.data_received(piece)

    def test_the_text_s_payload_is_sent_byte_for_byte_and_confirmed(self):
        self.send()
        self.clock.advance(0)
        self.assertEqual(len(self.transport.sent), TOTAL)
        self.assertEqual(self.transport.sent, LINE * 1024 * 1024)
        self.assertTrue(self.transport.eof)
        self.assertFalse(self.sender.verified)
        self.confirm(verdict(TOTAL, hashlib.sha256(self.transport.sent).hexdigest()).encode() + b"\r\n")
        self.assertTrue(self.sender.verified)
        self.assertEqual(self.transport.closed, "close")

    def test_any_size_is_cut_exactly(self):
        piece = PIECE // len(LINE) * len(LINE)
        for total in (0, 1, 7, 8, piece - 1, piece, piece + 1, 3 * piece + 5):
            self.send(total=total)
            self.clock.advance(0)
            self.assertEqual(self.transport.sent, (LINE * (total // 7 + 1))[:total])
            self.assertTrue(self.transport.eof)
            self.assertEqual((self.sender.written, self.sender.remaining), (total, 0))

    def test_a_line_longer_than_a_piece(self):
        line = bytes(range(256)) * 300
        self.send(total=len(line) * 2 + 3, line=line)
        self.clock.advance(0)
        self.assertEqual(self.transport.sent, line * 2 + line[:3])

    def test_one_piece_in_each_turn(self):
        self.send()
        self.assertLessEqual(len(self.transport.sent), PIECE)
        self.assertEqual(self.clock.waiting(), 1)

    def test_nothing_is_written_above_the_high_water_mark(self):
        """Edge case 127: a slow reader and a fast producer."""
        self.send(high=PIECE)
        pauses = 0
        while not self.transport.eof:
            self.clock.advance(1)
            self.assertLessEqual(self.transport.queued, 2 * PIECE)
            self.assertEqual(self.sender.remaining, TOTAL - len(self.transport.sent) + self.transport.queued)
            pauses += self.sender.paused
            self.transport.drain()
        self.assertEqual(len(self.transport.sent), TOTAL)
        self.assertEqual(self.sender.pauses, pauses)
        self.assertGreater(pauses, 10)

    def test_progress_is_told_after_each_piece_and_when_writing_resumes(self):
        steps = []
        self.send(high=PIECE, total=3 * PIECE, on_progress=lambda sender: steps.append(
            (sender.written, sender.pauses, sender.paused)))
        while not self.transport.eof:
            self.clock.advance(1)
            self.transport.drain()
        piece = PIECE // len(LINE) * len(LINE)
        self.assertEqual(steps, [(piece, 0, False), (2 * piece, 1, True), (2 * piece, 1, False), (3 * piece, 1, False),
                                 (3 * PIECE, 2, True), (3 * PIECE, 2, False)])

    def test_a_verdict_is_heard_at_every_split(self):
        """Edge case 162."""
        line = verdict(7, hashlib.sha256(LINE).hexdigest()).encode()
        for pieces in splits(line + b"\r\n"):
            self.send(total=7)
            self.confirm(*pieces)
            self.assertTrue(self.sender.verified)

    def test_another_verdict_or_none_is_no_success(self):
        for pieces in ([], [b"6 bytes, sha256 0\r\n"], [b"x" * 10000], [verdict(7, "0").encode()]):
            self.send(total=7)
            self.confirm(*pieces)
            self.sender.connection_lost(None)
            self.assertFalse(self.sender.verified)
            self.assertEqual(self.ended, [self.sender])

    def test_an_answer_before_the_end_aborts_the_transfer(self):
        """An echo server would answer so, and stop reading in time: both sides would wait for ever."""
        self.send(high=10)
        self.confirm(b"foobar\nfoobar\n")
        self.assertEqual(self.transport.closed, "abort")
        written = self.sender.written
        self.transport.drain()
        self.clock.advance(1)
        self.assertEqual((self.sender.written, self.sender.verified), (written, False))

    def test_a_lost_connection_leaves_no_timer(self):
        """Edge case 59."""
        self.send()
        error = ConnectionResetError()
        self.sender.connection_lost(error)
        self.assertEqual(self.clock.waiting(), 0)
        self.assertEqual((self.ended, self.sender.error), ([self.sender], error))


class ReceiverTest(unittest.TestCase):
    def receive(self, *pieces, **options):
        self.clock = FakeClock()
        self.ended = []
        self.receiver = BulkReceiver(call_later=self.clock.call_later, on_end=self.ended.append, **options)
        self.transport = connect(self.receiver)
        for piece in pieces:
            self.receiver.data_received(piece)

    def test_count_and_digest_are_answered_at_the_end(self):
        for pieces in splits(b"foobar\n\xff\0"):
            self.receive(*pieces)
            self.assertEqual(self.transport.sent, b"")
            self.assertFalse(self.receiver.eof_received())
            digest = hashlib.sha256(b"foobar\n\xff\0").hexdigest()
            self.assertEqual(self.transport.sent, f"9 bytes, sha256 {digest}\r\n".encode())

    def test_nothing_at_all_is_counted_too(self):
        self.receive()
        self.receiver.eof_received()
        self.assertTrue(self.transport.sent.startswith(b"0 bytes, sha256 e3b0c442"))

    def test_a_rate_is_kept_by_pausing(self):
        self.receive(rate=1000)
        start = self.clock.time()
        for _ in range(10):
            self.receiver.data_received(b"x" * 100)
            self.assertFalse(self.transport.reading)
            while not self.transport.reading:
                self.clock.advance(0.01)
        self.assertAlmostEqual(self.clock.time() - start, 1.0, delta=0.11)

    def test_without_a_rate_reading_never_pauses(self):
        self.receive(b"x" * 100)
        self.assertTrue(self.transport.reading)
        self.assertEqual(self.clock.armed, 0)

    def test_progress_and_a_lost_connection_are_told(self):
        """Edge case 59: no timer is left either."""
        seen = []
        self.receive(b"abc", b"de", rate=1, on_progress=lambda receiver: seen.append(receiver.received))
        self.assertEqual(seen, [3, 5])
        error = ConnectionResetError()
        self.receiver.connection_lost(error)
        self.assertEqual((self.ended, self.receiver.error, self.receiver.verdict), ([self.receiver], error, None))


if __name__ == "__main__":
    unittest.main()
