"""HttpServer on a transport that remembers: order, writes, back pressure, refusals, failures, time."""
import io
import logging
import unittest

from protocols.http.message import FileSlice, Later, Response, Stream
from protocols.http.render import PIECE
from protocols.http.server import EVENTS, Limits
from tests.protocols.http.support import GET, Server, Transport, answer, bytewise, every_split

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


def request(path="/", version="1.1", method="GET", *lines):
    return "\r\n".join((f"{method} {path} HTTP/{version}", "Host: a", *lines, "", "")).encode()


def echo_path(request):
    return Response(200, (), request.path.encode())


def body_of(data):
    return data.partition(b"\r\n\r\n")[2]


class Quiet(unittest.TestCase):
    """A failing application is logged; these tests expect it."""

    def setUp(self):
        logging.getLogger("protocols.http").disabled = True
        self.addCleanup(setattr, logging.getLogger("protocols.http"), "disabled", False)


class Exchanges(unittest.TestCase):

    def test_one_request_one_write(self):
        server = answer(GET)
        self.assertEqual(server.transport.writes, [
            b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok"])
        self.assertFalse(server.transport.closed)

    def test_the_application_sees_the_request(self):
        server = answer(POST + b"Content-Length: 3\r\nX: y\r\n\r\nabc")
        seen = server.requests[0]
        self.assertEqual((seen.method, seen.target, seen.path, seen.query, seen.version, seen.host, seen.body,
                          seen.peername),
                         ("POST", "/", "/", "", (1, 1), "a", b"abc", ("192.0.2.7", 4711)))
        self.assertEqual(seen.headers.get("x"), "y")

    def test_any_cut_of_a_conversation_gives_the_same_answers(self):
        """Edge case 162."""
        conversation = (request("/1") + POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
                        + request("/3", "1.1", "HEAD") + request("/4", "1.0"))
        expected = answer(conversation, echo_path)
        self.assertEqual(expected.statuses, [200] * 4)
        for pieces in every_split(conversation):
            server = Server(echo_path).receive(*pieces)
            self.assertEqual(server.sent, expected.sent, pieces)
            self.assertTrue(server.transport.closed)

    def test_pipelined_requests_are_answered_in_order_in_one_write(self):
        server = answer(b"".join(request(f"/{number}") for number in range(100)), echo_path)
        self.assertEqual([seen.path for seen in server.requests], [f"/{number}" for number in range(100)])
        self.assertEqual(len(server.transport.writes), 1)
        self.assertEqual(server.sent.count(b"\r\n\r\n/"), 100)

    def test_very_many_pipelined_requests_are_answered_a_part_at_a_time(self):
        """Edge case 129: who sends thousands in one read keeps nobody waiting; nothing is read meanwhile."""
        data = b"".join(request(f"/{number}") for number in range(EVENTS))
        server = answer(data, echo_path)
        self.assertEqual(EVENTS // 2, len(server.requests))  # each is a head and an end
        self.assertFalse(server.transport.reading)
        server.protocol.eof_received()
        self.assertEqual((EVENTS // 2, False), (len(server.requests), server.transport.closed))
        server.clock.advance(0)
        self.assertEqual([seen.path for seen in server.requests], [f"/{number}" for number in range(EVENTS)])
        self.assertEqual(EVENTS, server.sent.count(b"\r\n\r\n/"))
        self.assertTrue(server.transport.closed)

    def test_who_leaves_between_two_parts_is_answered_no_more(self):
        server = answer(request() * EVENTS)
        server.protocol.connection_lost(None)
        server.clock.advance(0)
        self.assertEqual(EVENTS // 2, len(server.requests))

    def test_a_remembered_head_and_a_new_one_give_the_same_answer(self):
        server = Server()
        first = server.receive(GET).sent
        server.receive(GET, *bytewise(GET))
        self.assertEqual(server.sent, first * 3)

    def test_http_1_0_closes_unless_asked_not_to(self):
        server = answer(b"GET / HTTP/1.0\n\n")
        self.assertIn(b"\r\nConnection: close\r\n", server.sent)
        self.assertTrue(server.transport.closed)
        server = answer(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertIn(b"\r\nConnection: keep-alive\r\n", server.sent)
        self.assertFalse(server.transport.closed)

    def test_nothing_behind_a_closing_request_is_answered(self):
        """Edge case 165."""
        server = answer(request("/", "1.1", "GET", "Connection: close") + GET)
        self.assertEqual((len(server.requests), server.statuses, server.transport.closed), (1, [200], True))
        server.protocol.data_received(GET)
        self.assertEqual(len(server.requests), 1)

    def test_the_application_may_close(self):
        server = answer(GET + GET, lambda request: Response(200, (("Connection", "close"),), b""))
        self.assertEqual((server.statuses, server.sent.count(b"Connection: close"), server.transport.closed),
                         ([200], 1, True))

    def test_the_date_follows_the_clock(self):
        server = Server().receive(GET)
        server.clock.advance(1)
        self.assertIn(b"Date: Sun, 06 Nov 1994 08:49:38 GMT", server.receive(GET).sent)

    def test_a_date_of_the_application_s_own_stays_alone(self):
        sent = answer(GET, lambda request: Response(200, (("Date", "x"),), b"")).sent
        self.assertEqual((sent.count(b"Date:"), sent.count(b"Date: x")), (1, 1))

    def test_each_answer_is_logged(self):
        lines = []

        def log(peer, head, status, sent):
            lines.append((head and head.target, status, sent))
        server = Server(echo_path, log=log)
        server.receive(request("/abc"), request("/abc", "1.1", "HEAD"), b"?\r\n\r\n")
        refusal = body_of(server.sent.rpartition(b"HTTP/1.1 ")[2])
        self.assertEqual(lines, [("/abc", 200, 4), ("/abc", 200, 0), (None, 400, len(refusal))])


class HalfClose(unittest.TestCase):

    def test_what_was_asked_is_answered_then_closed(self):
        server = Server().receive(GET)
        server.protocol.eof_received()
        self.assertEqual((server.statuses, server.transport.closed), ([200], True))

    def test_half_a_request_is_refused(self):
        """Edge case 168."""
        server = Server().receive(GET[:-1])
        server.protocol.eof_received()
        self.assertEqual((server.statuses, server.transport.closed), ([400], True))

    def test_an_answer_in_the_making_is_waited_for(self):
        later = Later()
        server = Server(lambda request: later).receive(request("/1") + b"GET /2 HTTP/1.0\r\n\r\n")
        self.assertTrue(server.protocol.eof_received())
        self.assertFalse(server.transport.closed)
        later.answer(Response(204))
        self.assertEqual((server.statuses, len(server.requests)), ([204], 2))


class Expectation(unittest.TestCase):

    def test_continue_comes_before_the_body_and_the_answer_behind_it(self):
        server = answer(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(server.sent, b"HTTP/1.1 100 Continue\r\n\r\n")
        server.receive(b"hi")
        self.assertEqual((server.requests[0].body, server.statuses), (b"hi", [200]))

    def test_no_continue_for_a_body_that_is_too_long(self):
        server = answer(POST + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n", limits=Limits(body=5))
        self.assertEqual((server.statuses, b"100 Continue" in server.sent), ([413], False))


class Refusals(unittest.TestCase):

    def test_each_is_answered_and_closes(self):
        for data, status in ((b"GET / HTTP/1.1\r\n\r\n", 400), (b"\x16\x03\x01", 400), (b"A" * 9000, 414),
                             (b"GET / HTTP/1.1\r\nA: " + b"b" * 17000, 431), (b"BREW / HTTP/1.1\r\n\r\n", 501),
                             (b"GET / HTTP/2.0\r\n\r\n", 505), (POST + b"Content-Length: 9999999\r\n\r\n", 413),
                             (POST + b"Expect: x\r\n\r\n", 417)):
            with self.subTest(data=data[:40]):
                server = answer(data + GET)
                self.assertEqual((server.requests, server.statuses, server.transport.closed), ([], [status], True))
                self.assertIn(b"\r\nConnection: close\r\n", server.sent)
                self.assertTrue(body_of(server.sent))

    def test_earlier_answers_still_come_first(self):
        self.assertEqual(answer(GET + GET + b"GET / HTTP/1.1\r\n\r\n" + GET).statuses, [200, 200, 400])

    def test_a_refused_head_has_no_body_to_its_answer(self):
        self.assertEqual(body_of(answer(b"HEAD / HTTP/1.1\r\n\r\n").sent), b"")


class Applications(Quiet):

    def test_one_that_raises_costs_a_500_and_the_connection(self):
        def fail(request):
            raise RuntimeError("no")
        server = answer(GET + GET, fail)
        self.assertEqual((server.statuses, len(server.requests), server.transport.closed), ([500], 1, True))
        self.assertNotIn(b"RuntimeError", server.sent)

    def test_what_cannot_be_sent_is_a_500_before_a_byte_of_it_is_out(self):
        for response in (None, "text", Response(200, (), "text"), Response(100), Response(99), Response(600),
                         Response("200"),
                         Response(200, (("A", "b\r\nEvil: yes"),)), Response(200, (("A b", "c"),)),
                         Response(200, (("A", "\u2603"),)),
                         Response(200, (("A", "b\nc"),)), Response(200, (("", "c"),)), Response(200, (("A", 5),)),
                         Response(200, (("Content-Length", "5"),), b"x"),
                         Response(200, (("Transfer-Encoding", "chunked"),)),
                         Response(200, (("Content-Length", "x"),), Stream([b"x"]))):
            with self.subTest(response=response):
                server = answer(GET, lambda request: response)
                self.assertEqual((server.statuses, server.transport.closed), ([500], True))
                self.assertNotIn(b"Evil", server.sent)

    def test_a_log_that_raises_costs_nobody_anything(self):
        def fail(*event):
            raise BrokenPipeError
        self.assertEqual(answer(GET + GET, log=fail).statuses, [200, 200])

    def test_a_503_of_its_own_is_an_answer_like_any_other(self):
        self.assertEqual(answer(GET + GET, lambda request: Response(503)).statuses, [503, 503])


class Laters(Quiet):

    def test_the_next_request_waits(self):
        """Edge case 167."""
        laters = [Later(), Later()]
        waiting = list(laters)
        server = Server(lambda request: waiting.pop(0)).receive(GET + GET)
        self.assertEqual(len(server.requests), 1)
        laters[0].answer(Response(200, (), b"1"))
        self.assertEqual(len(server.requests), 2)
        laters[1].answer(Response(200, (), b"2"))
        self.assertEqual([part[-1:] for part in server.sent.split(b"HTTP/1.1 ")[1:]], [b"1", b"2"])

    def test_reading_pauses_when_more_arrives_and_resumes_behind_the_answer(self):
        later = Later()
        server = Server(lambda request: later).receive(GET)
        self.assertTrue(server.transport.reading)
        server.receive(GET[:5])
        self.assertFalse(server.transport.reading)
        later.answer(Response())
        self.assertTrue(server.transport.reading)

    def test_an_answer_may_be_there_before_it_is_waited_for(self):
        """Edge case 166: the answer comes while the request is still being handled."""
        def at_once(request):
            later = Later()
            later.answer(Response(200, (), b"now"))
            return later
        server = answer(GET * 3, at_once)
        self.assertEqual((server.statuses, len(server.transport.writes)), ([200] * 3, 1))
        server = answer(GET * 2000, at_once)
        server.clock.advance(0)
        self.assertEqual(len(server.requests), 2000, "no answer inside another's stack")

    def test_a_client_that_leaves_cancels_once_and_a_late_answer_is_closed(self):
        cancelled = []
        later = Later(lambda: cancelled.append(True))
        server = Server(lambda request: later).receive(GET)
        server.protocol.connection_lost(None)
        self.assertEqual(cancelled, [True])
        file = io.BytesIO(b"x")
        later.answer(Response(200, (), FileSlice(file, 0, 1)))
        self.assertTrue(file.closed)
        self.assertEqual(server.sent, b"")

    def test_a_bad_late_answer_is_a_500(self):
        later = Later()
        server = Server(lambda request: later).receive(GET)
        later.answer(Response(7))
        self.assertEqual((server.statuses, server.transport.closed), ([500], True))

    def test_a_second_answer_is_dropped_before_the_first_is_sent_too(self):
        def twice(request):
            later = Later()
            later.answer(Response(200))
            later.answer(Response(404))
            return later
        self.assertEqual(answer(GET, twice).statuses, [200])

    def test_a_second_answer_is_dropped(self):
        later = Later()
        server = Server(lambda request: later).receive(GET)
        later.answer(Response(200))
        later.answer(Response(404))
        self.assertEqual(server.statuses, [200])


class Streams(Quiet):

    def stream(self, pieces, data=GET, headers=(), trailers=()):
        body = Stream(pieces, trailers)
        return Server(lambda request: Response(200, headers, body)).receive(data), body

    def test_pieces_are_chunks(self):
        server, _ = self.stream([b"hello", b"x" * 17])
        self.assertIn(b"\r\nTransfer-Encoding: chunked\r\n", server.sent)
        self.assertEqual(body_of(server.sent), b"5\r\nhello\r\n11\r\n" + b"x" * 17 + b"\r\n0\r\n\r\n")
        self.assertFalse(server.transport.closed)

    def test_trailers_only_for_those_who_ask(self):
        trailers = (("Sum", "1"),)
        server, _ = self.stream([b"x"], request("/", "1.1", "GET", "TE: trailers"), (), trailers)
        self.assertTrue(server.sent.endswith(b"0\r\nSum: 1\r\n\r\n"))
        server, _ = self.stream([b"x"], GET, (), trailers)
        self.assertTrue(server.sent.endswith(b"\r\n0\r\n\r\n"))

    def test_http_1_0_gets_it_up_to_the_end(self):
        server, _ = self.stream([b"a", b"b"], b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertEqual((body_of(server.sent), server.transport.closed), (b"ab", True))
        self.assertNotIn(b"Transfer-Encoding", server.sent)

    def test_a_known_length_is_kept(self):
        server, _ = self.stream([b"a", b"b"], GET, (("Content-Length", "2"),))
        self.assertEqual((body_of(server.sent), server.sent.count(b"Content-Length: 2")), (b"ab", 1))

    def test_another_length_than_promised_aborts(self):
        for pieces in ([b"a"], [b"a", b"bc"], [b"aa", b"x", b""], []):
            server, _ = self.stream(pieces, GET, (("Content-Length", "2"),))
            self.assertTrue(server.transport.aborted, pieces)
            self.assertLessEqual(len(body_of(server.sent)), 2)

    def test_its_bytes_are_logged_at_its_end(self):
        lines = []

        def log(peer, head, status, sent):
            lines.append((status, sent))
        answer(b"GET / HTTP/1.0\n\n", lambda request: Response(203, (), Stream([b"ab", b"cde"])), log=log)
        self.assertEqual(lines, [(203, 5)])

    def test_no_body_for_head_and_the_stream_is_closed(self):
        closed = []

        def pieces():
            try:
                yield b"x"
            finally:
                closed.append(True)
        generator = pieces()
        next(generator)
        server, _ = self.stream(generator, request("/", "1.1", "HEAD") + GET[:3])
        self.assertEqual((body_of(server.sent), closed), (b"", [True]))

    def test_nothing_yet_waits_for_wake(self):
        ready = []
        asked = []

        def pieces():
            while True:
                asked.append(True)
                yield ready.pop(0) if ready else b""
        server, body = self.stream(pieces())
        self.assertEqual((len(asked), body_of(server.sent)), (1, b""))
        server.clock.advance(100)
        self.assertEqual(len(asked), 1)
        ready.append(b"event")
        timers = server.clock.pending
        body.wake()
        body.wake()
        self.assertEqual(server.clock.pending, timers + 1)
        server.clock.advance(0)
        self.assertEqual(body_of(server.sent), b"5\r\nevent\r\n")
        self.assertFalse(server.transport.is_closing())

    def test_wake_from_inside_the_iterator_is_not_lost(self):
        """Edge case 166."""
        body = None

        def pieces():
            body.wake()
            yield b""
            yield b"x"
        body = Stream(pieces())
        server = Server(lambda request: Response(200, (), body)).receive(GET)
        body.wake()
        server.clock.advance(0)
        self.assertEqual(body_of(server.sent), b"1\r\nx\r\n0\r\n\r\n")

    def test_wake_after_the_end_is_harmless(self):
        server, body = self.stream([b"x"])
        wake = body.wake
        server.receive(GET[:5])
        sent = server.sent
        wake()
        body.wake()
        server.clock.advance(1)
        self.assertEqual(server.sent, sent)

    def test_it_is_asked_only_below_the_mark(self):
        asked = []

        def pieces():
            while True:
                asked.append(True)
                yield b"x" * 1000
        body = Stream(pieces())
        server = Server(lambda request: Response(200, (), body))
        server.transport.stuck = True
        server.receive(GET)
        server.clock.advance(5)
        self.assertLess(len(server.transport.queue), 2 * PIECE)
        count = len(asked)
        server.clock.advance(1)
        server.transport.drain(100)
        body.wake()
        server.clock.advance(0)
        self.assertEqual(len(asked), count, "still above")
        server.transport.drain()
        self.assertGreater(len(asked), count)

    def test_an_endless_one_with_a_fast_peer_leaves_the_loop_its_turns(self):
        server, _ = self.stream(iter(lambda: b"x", None))
        once = len(server.sent)
        self.assertLess(once, 2 * PIECE)
        server.clock.turn()
        self.assertGreater(len(server.sent), once)

    def test_one_that_raises_aborts(self):
        def pieces():
            yield b"x"
            raise RuntimeError("no")
        server, _ = self.stream(pieces(), GET + GET)
        self.assertEqual((server.transport.aborted, len(server.requests)), (True, 1))
        self.assertNotIn(b"0\r\n\r\n", server.sent)

    def test_it_is_closed_when_the_client_leaves(self):
        closed = []

        def pieces():
            try:
                while True:
                    yield b""
            finally:
                closed.append(True)
        server, body = self.stream(pieces())
        server.protocol.connection_lost(ConnectionResetError())
        self.assertEqual(closed, [True])
        body.wake()
        server.clock.advance(0)

    def test_pipelined_requests_wait_for_its_end(self):
        server = Server(lambda request: Response(200, (), Stream([request.path.encode(), b""])))
        server.receive(request("/1") + request("/2"))
        self.assertEqual(len(server.requests), 1)
        server.protocol._response.body.wake()
        server.clock.advance(0)
        self.assertEqual(len(server.requests), 2)


class SendfileTransport(Transport):
    """One that has write_file, as the reactor's has: the file may be closed as soon as it returns."""

    def __init__(self):
        super().__init__()
        self.files = []

    def write_file(self, file, offset, count):
        self.files.append((file, offset, count))
        file.seek(offset)
        self.write(file.read(count))


class SendfileServer(Server):
    transport_class = SendfileTransport


class Files(Quiet):
    content = bytes(range(256)) * 1024

    def serve(self, offset, count, data=GET, make=Server):
        self.file = io.BytesIO(self.content)
        return make(lambda request: Response(200, (), FileSlice(self.file, offset, count))).receive(data)

    def test_a_slice_goes_out_and_the_file_is_closed(self):
        for make in Server, SendfileServer:
            for offset, count in ((0, 0), (0, 1), (5, 1000), (0, PIECE), (0, PIECE + 1), (1, len(self.content) - 1)):
                with self.subTest(make=make, offset=offset, count=count):
                    server = self.serve(offset, count, make=make)
                    server.clock.advance(0)
                    self.assertEqual(body_of(server.sent), self.content[offset:offset + count])
                    self.assertIn(b"Content-Length: %d\r\n" % count, server.sent)
                    self.assertTrue(self.file.closed)
                    self.assertFalse(server.transport.is_closing())

    def test_a_small_one_leaves_with_its_head_in_one_write(self):
        self.assertEqual(len(self.serve(0, 1024).transport.writes), 1)

    def test_no_more_is_read_than_the_peer_takes(self):
        server = Server(lambda request: Response(200, (), FileSlice(self.file, 0, len(self.content))))
        self.file = io.BytesIO(self.content)
        server.transport.stuck = True
        server.receive(GET)
        server.clock.advance(5)
        self.assertLessEqual(self.file.tell(), 2 * PIECE)
        while not self.file.closed:
            server.transport.drain()
        server.transport.drain()
        self.assertEqual(body_of(server.sent), self.content)

    def test_one_that_shrank_aborts_the_connection(self):
        server = self.serve(0, len(self.content) + 1)
        server.clock.advance(0)
        self.assertTrue(server.transport.aborted)
        self.assertTrue(self.file.closed)

    def test_a_small_one_that_shrank_is_found_in_time_to_say_so(self):
        server = self.serve(len(self.content), 1)
        self.assertEqual(server.statuses, [500])
        self.assertTrue(self.file.closed)

    def test_head_sends_none_of_it(self):
        for make in Server, SendfileServer:
            for count in 10, PIECE + 10:
                server = self.serve(0, count, request("/", "1.1", "HEAD"), make)
                self.assertEqual(body_of(server.sent), b"")
                self.assertIn(b"Content-Length: %d\r\n" % count, server.sent)
                self.assertTrue(self.file.closed)

    def test_it_is_closed_when_the_client_leaves(self):
        server = Server(lambda request: Response(200, (), FileSlice(self.file, 0, len(self.content))))
        self.file = io.BytesIO(self.content)
        server.transport.stuck = True
        server.receive(GET)
        self.assertFalse(self.file.closed)
        server.protocol.connection_lost(None)
        self.assertTrue(self.file.closed)


class BackPressure(unittest.TestCase):

    def test_no_request_is_answered_while_the_peer_does_not_read(self):
        server = Server(lambda request: Response(200, (), b"x" * 1000))
        server.transport.stuck = True
        server.receive(GET * 5000)
        self.assertLess(len(server.requests), 100)
        server.receive(GET)
        self.assertFalse(server.transport.reading)
        while server.transport.queue:
            server.transport.drain()
        self.assertEqual(server.statuses, [200] * 5001)
        self.assertTrue(server.transport.reading)

    def test_long_answers_are_not_held_back_together(self):
        server = Server(lambda request: Response(200, (), b"x" * PIECE))
        server.transport.stuck = True
        server.receive(GET * 100)
        self.assertLessEqual(len(server.requests), 2)

    def test_closing_waits_for_what_is_queued_by_the_transport(self):
        server = Server(lambda request: Response(200, (), b"x" * 2 * PIECE))
        server.transport.stuck = True
        server.receive(request("/", "1.0"))
        self.assertTrue(server.transport.closed, "close() delivers")


class TimeLimits(unittest.TestCase):
    limits = Limits(head_time=20, idle_time=15, write_time=30)

    def serve(self, *pieces, **options):
        return Server(limits=self.limits, **options).receive(*pieces)

    def assert_closes_after(self, server, seconds):
        server.clock.advance(seconds - 0.001)
        self.assertFalse(server.transport.is_closing())
        server.clock.advance(0.001)
        self.assertTrue(server.transport.is_closing())

    def test_a_silent_client_is_closed(self):
        server = self.serve()
        self.assert_closes_after(server, 20)
        self.assertEqual(server.sent, b"")

    def test_a_head_that_does_not_end_is_408_however_it_trickles(self):
        server = self.serve(b"G")
        for byte in bytewise(GET[1:19]):
            server.clock.advance(1)
            server.receive(byte)
        self.assert_closes_after(server, 2)
        self.assertEqual(server.statuses, [408])
        server.protocol.data_received(GET)
        self.assertEqual(server.requests, [])

    def test_a_second_head_has_its_own_time(self):
        server = self.serve(GET)
        server.clock.advance(10)
        server.receive(GET[:5])
        self.assert_closes_after(server, 20)
        self.assertEqual(server.statuses, [200, 408])

    def test_a_head_begun_behind_a_whole_one_has_its_own_time(self):
        server = self.serve()
        server.clock.advance(10)
        server.receive(GET + GET[:5])
        self.assert_closes_after(server, 20)

    def test_a_head_begun_behind_the_rest_of_another_has_its_own_time(self):
        server = self.serve(GET[:5])
        server.clock.advance(10)
        server.receive(GET[5:] + GET[:5])
        self.assert_closes_after(server, 20)

    def test_an_idle_connection_is_closed_without_a_word(self):
        server = self.serve()
        for _ in range(7):
            server.clock.advance(14)
            server.receive(GET)
        sent = server.sent
        self.assert_closes_after(server, 15)
        self.assertEqual(server.sent, sent)

    def test_a_body_that_stops_is_408(self):
        server = self.serve(POST + b"Content-Length: 100\r\n\r\n")
        for _ in range(5):
            server.clock.advance(19)
            server.receive(b"x")
        self.assert_closes_after(server, 20)
        self.assertEqual(server.statuses, [408])

    def test_an_answer_in_the_making_has_all_the_time(self):
        later = Later()
        server = self.serve(GET, application=lambda request: later)
        server.clock.advance(1000)
        self.assertFalse(server.transport.is_closing())
        later.answer(Response())
        self.assert_closes_after(server, 15)

    def test_a_peer_that_does_not_read_is_aborted(self):
        server = Server(lambda request: Response(200, (), b"x" * 2 * PIECE), limits=self.limits)
        server.transport.stuck = True
        server.receive(GET)
        self.assert_closes_after(server, 30)
        self.assertTrue(server.transport.aborted)

    def test_a_peer_that_reads_slowly_is_borne(self):
        server = Server(lambda request: Response(200, (), b"x" * 3 * PIECE), limits=self.limits)
        server.transport.stuck = True
        server.receive(GET)
        for _ in range(10):
            server.clock.advance(29)
            server.transport.drain(1)
        self.assertFalse(server.transport.is_closing())

    def test_idle_time_begins_when_a_slow_reader_has_the_answer(self):
        server = Server(lambda request: Response(200, (), b"x" * 1000), limits=self.limits)
        server.transport.stuck = True
        server.receive(GET)
        for _ in range(10):
            server.clock.advance(10)
            server.transport.drain(100)
        server.transport.drain()
        server.clock.advance(14)
        self.assertFalse(server.transport.is_closing())
        server.clock.advance(15)
        self.assertTrue(server.transport.closed)

    def test_idle_time_begins_when_a_paused_answer_is_out(self):
        server = Server(lambda request: Response(200, (), b"x" * 2 * PIECE), limits=self.limits)
        server.transport.stuck = True
        server.receive(GET)
        server.clock.advance(14)
        server.transport.drain()
        self.assert_closes_after(server, 15)

    def test_one_timer_for_a_thousand_requests(self):
        server = self.serve(*[GET] * 1000)
        self.assertEqual(server.clock.pending, 1)
        server.clock.advance(14)
        self.assertEqual(server.clock.pending, 1)

    def test_no_timer_is_left_behind(self):
        server = self.serve(GET)
        server.protocol.connection_lost(None)
        self.assertEqual(server.clock.pending, 0)


if __name__ == "__main__":
    unittest.main()
