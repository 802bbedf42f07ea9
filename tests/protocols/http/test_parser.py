"""The parser: the same events however the bytes are cut."""
import unittest

from protocols.http.heads import MAX_FIELD_BYTES, MAX_LINE
from protocols.http.parser import MAX_CHUNK_LINE, Failure, RequestParser, ResponseParser
from tests.protocols.http.support import GET, bytewise, drain, events_of, every_split

POST = b"POST /form HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


class Cuts(unittest.TestCase):
    """Every case whole, byte by byte and split at every position; and with a request behind it (edge case 162)."""

    def same_events(self, data, make=RequestParser, eof=False):
        expected = events_of(make(), [data], eof)
        for pieces in every_split(data):
            self.assertEqual(events_of(make(), pieces, eof), expected, pieces)
        return expected

    def test_requests(self):
        for data, body in (
                (GET, b""), (b"GET / HTTP/1.0\n\n", b""), (b"\r\n\r\n" + GET, b""), (b"\n" + GET, b""),
                (POST + b"Content-Length: 5\r\n\r\nhello", b"hello"), (POST + b"Content-Length: 0\r\n\r\n", b""),
                (POST.replace(b"\r", b"") + b"Content-Length: 2\n\n\r\n", b"\r\n"),
                (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
                (CHUNKED + b"1;a=b\r\nx\r\n00A ; c\r\n0123456789\r\n000\r\n\r\n", b"x0123456789"),
                (CHUNKED + b"0\r\n\r\n", b"")):
            with self.subTest(data=data):
                events = self.same_events(data)
                self.assertEqual([event[0] for event in events],
                                 ["RequestHead"] + ["body"] * bool(body) + ["EndOfMessage"])
                self.assertEqual(b"".join(event[1] for event in events if event[0] == "body"), body)
                self.assertEqual(self.same_events(data + GET), events + events_of(RequestParser(), [GET]))

    def test_trailers(self):
        events = self.same_events(CHUNKED + b"1\r\nx\r\n0\r\nSum: 1\r\nMore:\t2 \r\n\r\n" + GET)
        self.assertEqual(events[2], ("EndOfMessage", (("Sum", "1"), ("More", "2"))))
        self.assertEqual(len(events), 5)

    def test_refusals(self):
        for data, status in (
                (b"GET / HTTP/1.1\r\n\r\n", 400), (b"\rGET / HTTP/1.0\r\n\r\n", 400), (b"\x16\x03\x01\x02", 400),
                (b" " + GET, 400), (b"\r\n " + GET, 400), (b"\x00", 400), (GET.replace(b"1.1", b"3.0"), 505),
                (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
                (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
                (b"HEAD / HTTP/1.1\r\n\r\n", 400)):
            for behind in (b"", GET):
                with self.subTest(data=data, behind=behind):
                    events = self.same_events(data + behind)
                    self.assertEqual([event[:2] for event in events], [("failure", status)])

    def test_refused_chunks(self):
        """Python's int() takes most of these."""
        for size in (b"+5", b"-5", b" 5", b"5 ", b"1_0", b"0x5", b"", b"g", b"5,", b"5\t", b"\xb2", b"5;\x00",
                     b"5;a\rb",
                     b"f" * 16):
            with self.subTest(size=size):
                events = self.same_events(CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n" + GET)
                self.assertEqual([event[0] for event in events], ["RequestHead", "failure"])
                self.assertEqual(events[-1][1], 400)

    def test_refused_ends_of_chunks(self):
        """Edge case 169: a terminator that is not checked was CVE-2025-43859."""
        for rest in (b"5\r\nhelloXX0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n",
                     b"5\nhello\r\n0\r\n\r\n",
                     b"5\r\nhello!\r\n0\r\n\r\n", b"5\r\nhello\r\r\n0\r\n\r\n"):
            with self.subTest(rest=rest):
                events = self.same_events(CHUNKED + rest + GET)
                self.assertEqual(events[-1][:2], ("failure", 400))
                self.assertNotIn("EndOfMessage", [event[0] for event in events])

    def test_refused_trailers(self):
        for trailers in (b"A : b", b" fold", b"no colon", b"A: b\x00", b"A: b\n", b"A: b\n\nGET / HTTP/1.1",
                         b"A: b\rc"):
            with self.subTest(trailers=trailers):
                events = self.same_events(CHUNKED + b"0\r\n" + trailers + b"\r\n\r\n" + GET)
                self.assertEqual([event[0] for event in events], ["RequestHead", "failure"])

    def test_the_end_of_input_inside_a_message_is_a_failure(self):
        """Edge case 168."""
        for data in (b"G", GET[:-1], POST + b"Content-Length: 5\r\n\r\nhell", CHUNKED, CHUNKED + b"5\r\nhello",
                     CHUNKED + b"0\r\n", CHUNKED + b"0\r\nA: b\r\n", b"\r"):
            with self.subTest(data=data):
                self.assertEqual(self.same_events(data, eof=True)[-1][0], "failure")

    def test_the_end_of_input_between_messages_is_none(self):
        for data in (b"", GET, GET + b"\r\n", CHUNKED + b"0\r\n\r\n"):
            self.assertNotIn("failure", [event[0] for event in events_of(RequestParser(), [data], eof=True)])

    def test_responses(self):
        head = b"HTTP/1.1 200 OK\r\n"
        for data, kinds, body in (
                (head + b"Content-Length: 5\r\n\r\nhello", 1, b"hello"),
                (head + b"\r\nup to the end", 1, b"up to the end"),
                (head + b"\r\n", 1, b""),
                (head + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n", 1, b"ok"),
                (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + head
                 + b"Content-Length: 0\r\n\r\n", 1, b""),
                (b"HTTP/1.1 204 No Content\r\n\r\n" + head + b"\r\nx", 2, b"x"),
                (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" + head + b"\r\nx", 2, b"x"),
                (head + b"Folded: a\r\n  b\r\n\r\nx", 1, b"x")):
            with self.subTest(data=data):
                events = self.same_events(data, ResponseParser, eof=True)
                self.assertEqual([event[0] for event in events].count("ResponseHead"), kinds)
                self.assertEqual([event[0] for event in events].count("EndOfMessage"), kinds)
                self.assertEqual(b"".join(event[1] for event in events if event[0] == "body"), body)

    def test_the_answer_to_head_has_no_body(self):
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        events = self.same_events(data, lambda: ResponseParser("HEAD"), eof=True)
        self.assertEqual([event[0] for event in events], ["ResponseHead", "EndOfMessage"])

    def test_refused_responses(self):
        for data in (b"HTTP/1.1 101 Switching\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"SSH-2.0-x\r\n\r\n",
                     b"HTTP/1.1 100 Continue\r\n\r\n" * 3000 + b"HTTP/1."):
            with self.subTest(data=data[:60]):
                parser = ResponseParser()
                self.assertEqual(events_of(parser, [data], eof=True)[-1][0], "failure")


class SizeLimits(unittest.TestCase):
    """At the limit all is well; one byte more is refused, as soon as it is there, however it came.  Edge case 164."""

    def outcome(self, data, **options):
        whole = events_of(RequestParser(**options), [data])
        cut = events_of(RequestParser(**options), [data[start:start + 997] for start in range(0, len(data), 997)])
        self.assertEqual(whole, cut)
        return [event[1] if event[0] == "failure" else event[0] for event in whole]

    def test_request_line(self):
        line = b"GET /%b HTTP/1.1\r"
        fits = line % (b"a" * (MAX_LINE - len(line % b"")))
        self.assertEqual(len(fits), MAX_LINE)
        self.assertEqual(self.outcome(fits + b"\nHost: a\r\n\r\n"), ["RequestHead", "EndOfMessage"])
        self.assertEqual(self.outcome(fits.replace(b"/", b"/a", 1) + b"\nHost: a\r\n\r\n"), [414])
        self.assertEqual(self.outcome(b"a" * MAX_LINE), [])
        self.assertEqual(self.outcome(b"a" * (MAX_LINE + 1)), [414])

    def test_header_bytes(self):
        start = b"GET / HTTP/1.1\r\n"
        room = MAX_FIELD_BYTES - len(b"\nHost: a\r\nX: \r\n\r\n")
        for extra, expected in ((0, ["RequestHead", "EndOfMessage"]), (1, [431])):
            self.assertEqual(self.outcome(start + b"Host: a\r\nX: %b\r\n\r\n" % (b"y" * (room + extra))), expected)
        self.assertEqual(self.outcome(start + b"X: " + b"y" * MAX_FIELD_BYTES), [431])

    def test_header_count(self):
        self.assertEqual(self.outcome(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:\r\n" * 100 + b"\r\n"), [431])

    def test_trailer_bytes(self):
        self.assertEqual(self.outcome(CHUNKED + b"0\r\nX: " + b"y" * MAX_FIELD_BYTES), ["RequestHead", 431])
        self.assertEqual(self.outcome(CHUNKED + b"0\r\n" + b"a:\r\n" * 101 + b"\r\n"), ["RequestHead", 431])

    def test_chunk_line(self):
        line = b"1;%b\r\n" % (b"x" * (MAX_CHUNK_LINE - 4))
        self.assertEqual(self.outcome(CHUNKED + line + b"y\r\n0\r\n\r\n"), ["RequestHead", "body", "EndOfMessage"])
        self.assertEqual(self.outcome(CHUNKED + line.replace(b";", b";x")), ["RequestHead", 400])
        self.assertEqual(self.outcome(CHUNKED + b"1" * MAX_CHUNK_LINE), ["RequestHead", 400])

    def test_body(self):
        sized = POST + b"Content-Length: %d\r\n\r\n"
        self.assertEqual(self.outcome(sized % 5 + b"hello", max_body=5), ["RequestHead", "body", "EndOfMessage"])
        self.assertEqual(self.outcome(sized % 6, max_body=5), [413])
        self.assertEqual(self.outcome(sized % 10**17, max_body=5), [413])

        def most(head):
            return 5 if head.path == "/form" else 0
        self.assertEqual(self.outcome(sized % 5 + b"hello", max_body=most), ["RequestHead", "body", "EndOfMessage"])
        self.assertEqual(self.outcome(sized % 6, max_body=most), [413])
        self.assertEqual(self.outcome((sized % 1).replace(b"/", b"/x", 1), max_body=most), [413])

    def test_chunked_body(self):
        whole = CHUNKED + b"3\r\nhel\r\n2\r\nlo\r\n"
        self.assertEqual(self.outcome(whole + b"0\r\n\r\n", max_body=5), ["RequestHead", "body", "EndOfMessage"])
        self.assertEqual(self.outcome(whole + b"1\r\n", max_body=5), ["RequestHead", "body", 413])
        self.assertEqual(self.outcome(CHUNKED + b"fffffffffffffff\r\n", max_body=5), ["RequestHead", 413])
        twice = self.outcome((whole + b"0\r\n\r\n") * 2, max_body=5)
        self.assertEqual(twice, ["RequestHead", "body", "EndOfMessage"] * 2)


class States(unittest.TestCase):

    def test_nothing_follows_a_failure(self):
        parser = RequestParser()
        parser.feed(b"GET / HTTP/1.1\r\n\r\n" + GET)
        self.assertIsInstance(drain(parser)[0], Failure)
        parser.feed(GET)
        parser.feed_eof()
        self.assertEqual(drain(parser), [])

    def test_a_failure_says_whether_head_was_asked(self):
        for data, expected in ((b"HEAD / HTTP/1.1\r\n\r\n", True),
                               (b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", True),
                               (b"GET / HTTP/1.1\r\n\r\n", False), (b"HEADER / HTTP/1.1\r\n\r\n", False)):
            parser = RequestParser(max_body=5)
            parser.feed(data)
            self.assertIs(drain(parser)[-1].answers_head, expected, data)

    def test_where_it_stands(self):
        parser = RequestParser()
        self.assertEqual((parser.between_messages, parser.in_head), (True, False))
        parser.feed(POST)
        self.assertIsNone(parser.next_event())
        self.assertEqual((parser.between_messages, parser.in_head), (False, True))
        parser.feed(b"Content-Length: 1\r\n\r\n")
        parser.next_event()
        self.assertEqual((parser.between_messages, parser.in_head), (False, False))
        parser.feed(b"x")
        drain(parser)
        self.assertEqual((parser.between_messages, parser.in_head), (True, False))

    def test_the_short_cut_is_for_a_whole_request_without_a_body_between_messages(self):
        parser = RequestParser()
        events_of(RequestParser(), [GET, POST + b"Content-Length: 1\r\n\r\nx"])
        self.assertEqual(parser.whole_request(GET).path, "/")
        self.assertEqual(parser.whole_request(b"GET /never-seen HTTP/1.0\r\n\r\n").path, "/never-seen")
        self.assertIsNone(parser.whole_request(GET + GET))
        self.assertIsNone(parser.whole_request(GET[:-2]))
        self.assertIsNone(parser.whole_request(POST + b"Content-Length: 1\r\n\r\n"))
        self.assertIsNone(parser.whole_request(b"GET / HTTP/1.1\r\n\r\n"), "the long way says why it is refused")
        parser.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n")
        self.assertIsNone(parser.whole_request(GET), "bytes of a head")
        drain(parser)
        self.assertIsNone(parser.whole_request(GET), "bytes of a body")

    def test_a_byte_at_a_time_is_not_quadratic(self):
        """Edge case 163: the search goes on where it stopped."""
        parser = RequestParser()
        for byte in bytewise(GET[:-2] + b"X: " + b"y" * 12000 + b"\r\n\r\n"):
            parser.feed(byte)
            event = parser.next_event()
        self.assertEqual(event.headers.get("x"), "y" * 12000)


if __name__ == "__main__":
    unittest.main()
