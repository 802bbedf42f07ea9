"""Requests and replies, the address book and the clock."""
import unittest
from datetime import datetime

from protocols.address_book import AddressBook, Book
from protocols.clock import Clock
from protocols.lines import LIMIT
from protocols.request_reply import LINGER, MOST, SILENCE, RequestReply

from .fakes import FakeClock, connect, splits


class Brackets(RequestReply):
    """Answers [request]; `bye` ends the conversation."""

    def answer(self, request):
        return None if request == b"bye" else b"[%s]" % request


class RequestReplyCase(unittest.TestCase):
    def connect(self, factory=Brackets, high=None, **options):
        self.clock = FakeClock()
        self.protocol = factory(call_later=self.clock.call_later, **options)
        self.transport = connect(self.protocol, high=high)

    def receive(self, *pieces):
        for piece in pieces:
            self.protocol.data_received(piece)

    def assertSent(self, expected):
        self.assertEqual(bytes(self.transport.sent), expected)


class FairnessTest(RequestReplyCase):
    def test_many_requests_at_once_are_answered_a_part_at_a_time(self):
        """Edge case 129: who sends a hundred thousand in one read keeps nobody waiting; nothing is read meanwhile."""
        self.connect()
        self.receive(b"x\n" * (2 * MOST + 1) + b"y")
        self.assertEqual((MOST, False), (self.transport.sent.count(b"[x]"), self.transport.reading))
        self.clock.advance(0)
        self.assertEqual((2 * MOST + 1, True), (self.transport.sent.count(b"[x]"), self.transport.reading))
        self.clock.advance(SILENCE)
        self.assertSent(b"[x]\r\n" * (2 * MOST + 1) + b"[y]\r\n")

    def test_who_leaves_meanwhile_is_answered_no_more(self):
        self.connect()
        self.receive(b"x\n" * 2 * MOST)
        self.protocol.connection_lost(None)
        self.clock.advance(SILENCE)
        self.assertEqual(MOST, self.transport.sent.count(b"[x]"))

    def test_the_last_request_of_a_part_may_end_the_conversation(self):
        self.connect()
        self.receive(b"x\n" * (MOST - 1) + b"bye\n" + b"x\n" * MOST)
        self.clock.advance(0)
        self.assertEqual((True, True, MOST - 1),
                         (self.transport.eof, self.transport.reading, self.transport.sent.count(b"[x]")))


class FramingTest(RequestReplyCase):
    def test_requests_are_answered_alike_at_every_split(self):
        """Edge case 162: LF and CRLF, empty, not UTF-8, several in one piece."""
        for pieces in splits(b"one\r\ntwo\n\n\xff\xfe\xc3\r\n"):
            with self.subTest(pieces=pieces):
                self.connect()
                self.receive(*pieces)
                self.assertSent(b"[one]\r\n[two]\r\n[]\r\n[\xff\xfe\xc3]\r\n")
                self.assertEqual(self.clock.waiting(), 0)

    def test_a_request_without_line_end_is_answered_after_silence_at_every_split(self):
        for pieces in splits(b"one\nJohn"):
            with self.subTest(pieces=pieces):
                self.connect()
                self.receive(*pieces)
                self.clock.advance(SILENCE - 0.001)
                self.assertSent(b"[one]\r\n")
                self.clock.advance(0.001)
                self.assertSent(b"[one]\r\n[John]\r\n")

    def test_a_pause_inside_a_line_does_not_split_it(self):
        self.connect()
        for byte in b"John":
            self.receive(bytes([byte]))
            self.clock.advance(0.4)
        self.assertSent(b"")
        self.receive(b"\n")
        self.clock.advance(10)
        self.assertSent(b"[John]\r\n")

    def test_unframed_requests_follow_each_other(self):
        self.connect()
        for name in (b"John", b"Adam"):
            self.receive(name)
            self.clock.advance(SILENCE)
        self.assertSent(b"[John]\r\n[Adam]\r\n")

    def test_silence_between_cr_and_lf_makes_one_request(self):
        self.connect()
        self.receive(b"John\r")
        self.clock.advance(SILENCE)
        self.receive(b"\nAdam\r\n")
        self.assertSent(b"[John]\r\n[Adam]\r\n")

    def test_end_of_input_ends_a_request_at_once(self):
        self.connect()
        self.receive(b"one\ntwo")
        self.assertFalse(self.protocol.eof_received())
        self.assertSent(b"[one]\r\n[two]\r\n")
        self.assertEqual(self.clock.waiting(), 0)

    def test_end_of_input_after_a_whole_line_adds_no_request(self):
        self.connect()
        self.receive(b"one\n")
        self.protocol.eof_received()
        self.assertSent(b"[one]\r\n")


class TimerTest(RequestReplyCase):
    def test_whole_lines_arm_no_timer(self):
        self.connect()
        self.receive(b"one\n", b"two\r\nthree\n")
        self.assertEqual(self.clock.armed, 0)

    def test_a_client_gone_in_mid_request_leaves_no_timer_and_gets_no_answer(self):
        """Edge case 59: timers are cancelled with the connection."""
        for error in (None, ConnectionResetError()):
            self.connect()
            self.receive(b"Jo")
            self.assertEqual(self.clock.waiting(), 1)
            self.protocol.connection_lost(error)
            self.assertEqual(self.clock.waiting(), 0)
            self.assertSent(b"")

    def test_no_timer_is_left_when_the_client_goes_while_we_wait_for_it(self):
        """Edge case 59."""
        self.connect()
        self.receive(b"bye\n")
        self.protocol.connection_lost(None)
        self.assertEqual(self.clock.waiting(), 0)


class EndTest(RequestReplyCase):
    MESSAGE = b"a line is longer than 8192 bytes; goodbye\r\n"

    def test_a_mebibyte_without_newline_gets_one_message_and_an_end(self):
        """Edge case 164: and what is held stays bounded."""
        self.connect()
        for _ in range(64):
            self.receive(b"x" * 16384)
            self.assertLessEqual(self.protocol._lines.pending, LIMIT + 1)
        self.receive(b"\nJohn\n")
        self.assertSent(self.MESSAGE)
        self.assertTrue(self.transport.eof)

    def test_good_lines_before_a_too_long_one_are_answered(self):
        for pieces in ([b"one\ntwo\n" + b"x" * 8193], [b"one\n", b"two\n" + b"x" * 8192, b"x\n"]):
            self.connect()
            self.receive(*pieces)
            self.assertSent(b"[one]\r\n[two]\r\n" + self.MESSAGE)

    def test_a_line_of_the_limit_is_answered(self):
        for ending in (b"\n", b"\r\n"):
            self.connect()
            self.receive(b"x" * LIMIT + ending)
            self.assertSent(b"[" + b"x" * LIMIT + b"]\r\n")

    def test_the_last_words_are_not_overtaken_by_a_reset(self):
        """Edge case 146: closed with input unread, so the rest is read and dropped, but not for ever."""
        self.connect()
        self.receive(b"x" * 10000)
        self.assertTrue(self.transport.reading)
        self.assertIsNone(self.transport.closed)
        for _ in range(10):
            self.clock.advance(LINGER / 10 - 0.001)
            self.receive(b"x" * 10000)
        self.assertIsNone(self.transport.closed)
        self.clock.advance(0.01)
        self.assertEqual(self.transport.closed, "close")
        self.assertSent(self.MESSAGE)

    def test_an_answer_of_none_ends_the_conversation(self):
        """Edge case 165: requests that follow in the same piece are not answered."""
        for pieces in splits(b"one\nbye\ntwo\nrest"):
            with self.subTest(pieces=pieces):
                self.connect()
                self.receive(*pieces)
                self.protocol.eof_received()
                self.assertSent(b"[one]\r\n")
                self.assertTrue(self.transport.eof)

    def test_an_unframed_last_request_ends_it_too(self):
        self.connect()
        self.receive(b"bye")
        self.clock.advance(SILENCE)
        self.assertTrue(self.transport.eof)
        self.connect()
        self.receive(b"bye")
        self.protocol.eof_received()
        self.assertTrue(self.transport.eof)

    def test_nothing_is_answered_once_the_transport_is_closed(self):
        """Edge case 165: closed from inside an answer."""
        self.connect(factory=type("Closing", (Brackets,), {
            "_reply": lambda self, request: self._transport.close()}))
        self.receive(b"one\ntwo\nthree")
        self.assertEqual((self.transport.closed, self.clock.waiting()), ("close", 0))
        self.assertSent(b"")


class FlowTest(RequestReplyCase):
    def test_nothing_is_read_or_answered_while_writing_is_paused(self):
        """Edge cases 128 and 167: the rest of the piece waits with it."""
        self.connect(high=8)
        self.receive(b"one\ntwo\nthree\nfour\nrest")
        self.assertSent(b"[one]\r\n[two]\r\n")
        self.assertFalse(self.transport.reading)
        self.clock.advance(10)
        self.assertSent(b"[one]\r\n[two]\r\n")
        self.transport.drain()
        self.assertSent(b"[one]\r\n[two]\r\n[three]\r\n")
        self.assertFalse(self.transport.reading)
        self.transport.drain()
        self.assertTrue(self.transport.reading)
        self.clock.advance(SILENCE)
        self.assertSent(b"[one]\r\n[two]\r\n[three]\r\n[four]\r\n[rest]\r\n")

    def test_a_writer_who_never_reads_costs_one_high_water_mark(self):
        self.connect(high=1000)
        self.receive(b"\n" * 65536)
        self.assertLess(self.transport.queued, 1010)

    def test_a_refusal_that_fills_the_queue_is_still_followed_by_the_end(self):
        self.connect(high=8)
        self.receive(b"x" * 10000)
        self.assertFalse(self.transport.reading)
        self.transport.drain()
        self.assertTrue(self.transport.reading)
        self.assertSent(EndTest.MESSAGE)
        self.clock.advance(LINGER)
        self.assertEqual(self.transport.closed, "close")

    def test_an_answer_may_bring_in_more_data(self):
        """Edge case 166: a re-entrant data_received answers in order, each request once."""
        class Reentrant(Brackets):
            def _reply(self, request):
                super()._reply(request)
                if request == b"one":
                    self.data_received(b"three\n")

        self.connect(factory=Reentrant)
        self.receive(b"one\ntwo\n")
        self.assertSent(b"[one]\r\n[two]\r\n[three]\r\n")


class AddressBookTest(RequestReplyCase):
    def ask(self, request, **options):
        self.connect(factory=AddressBook, **options)
        return self.protocol.answer(request)

    def test_the_names_of_the_text_in_any_letter_case(self):
        for name, office in ((b"John", b"C45"), (b"denise", b"C44"), (b"PHOEBE", b"D52"), (b" aDAM ", b"B23")):
            self.assertEqual(self.ask(name), office)

    def test_an_unknown_name_gets_a_sentence_and_the_connection_stays(self):
        self.connect(factory=AddressBook)
        self.receive(b"Bob\nJohn\n")
        self.assertSent(b"'Bob' is not in the address book\r\nC45\r\n")
        self.assertFalse(self.transport.eof or self.transport.closed)

    def test_any_bytes_get_one_printable_line(self):
        for request in (b"", b"\xff\xfe", b"\x1b[2J\x07", bytes(range(256)), "é\u2028\u202e".encode()):
            with self.subTest(request=request):
                self.assertTrue(self.ask(request).decode().isprintable())

    def test_another_book(self):
        book = Book({"Grace  Hopper": "Arlington", "Straße": "Köln"})
        self.assertEqual(self.ask(b"grace hopper", book=book), b"Arlington")
        self.assertEqual(self.ask("STRASSE".encode(), book=book), "Köln".encode())
        self.assertIn(b"not in", self.ask(b"John", book=book))

    def test_a_book_of_anything_but_lines_of_text_is_refused(self):
        for entries in ({"John": 45}, {"John": None}, {"John": "C\n45"}, {"Jo\rhn": "C45"}):
            with self.subTest(entries=entries), self.assertRaises(ValueError):
                Book(entries)


class ClockTest(RequestReplyCase):
    def ask(self, request, now=datetime(2019, 2, 19, 15, 50, 44, 720747)):
        self.connect(factory=Clock, now=lambda: now)
        return self.protocol.answer(request)

    def test_the_options_of_the_text_in_any_letter_case(self):
        for request, reply in ((b"Date", b"2019-02-19"), (b"dATE", b"2019-02-19"), (b"Time", b"15:50:44"),
                               (b"Date and Time", b"2019-02-19 15:50:44.720747"),
                               (b"DateAndTime", b"2019-02-19 15:50:44.720747"),
                               (b"date AND time ", b"2019-02-19 15:50:44.720747")):
            self.assertEqual(self.ask(request), reply)

    def test_microseconds_are_as_python_prints_them(self):
        self.assertEqual(self.ask(b"date and time", datetime(2019, 2, 9, 5, 0, 4)), b"2019-02-09 05:00:04")
        self.assertEqual(self.ask(b"time", datetime(2019, 2, 9, 5, 0, 4)), b"05:00:04")

    def test_anything_else_comes_back_in_capitals_as_text(self):
        for request, reply in ((b"hello", b"HELLO"), (b"", b""), ("größe\t".encode(), "GRÖSSE\t".encode()),
                               (b"a\xffb\xc3", b"A\xffB\xc3")):
            self.assertEqual(self.ask(request), b"UNKNOWN OPTION: " + reply)

    def test_each_request_asks_the_time_anew(self):
        times = iter((datetime(2019, 1, 1), datetime(2020, 1, 1)))
        self.connect(factory=Clock, now=lambda: next(times))
        self.receive(b"Date\nDate\n")
        self.assertSent(b"2019-01-01\r\n2020-01-01\r\n")


if __name__ == "__main__":
    unittest.main()
