"""Mutated requests: never an exception, never endless work, never a second request out of a rejected one.

HTTP_FUZZ=100000 in the environment asks for that many; HTTP_FUZZ_SEED repeats a failure.
"""
import os
import random
import unittest

from protocols.http import heads
from protocols.http.message import RequestHead
from protocols.http.parser import EndOfMessage, Failure, RequestParser
from tests.protocols.http.support import Server, bytewise, describe, drain, events_of

ROUNDS = int(os.environ.get("HTTP_FUZZ", "4000"))
SEED = int(os.environ.get("HTTP_FUZZ_SEED", "20260101"))

SEEDS = (
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /x?y=z HTTP/1.0\n\n",
    b"GET http://a:80/b HTTP/1.1\r\nHost: c\r\nConnection: keep-alive, x\r\nAccept: */*\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
    b"PUT /f HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1f;x=y\r\n" + b"z" * 31
    + b"\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n"
    b"A\r\n0123456789\r\n0\r\nSum: 1\r\n\r\n",
)
SPICE = (b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"\r\n\r\n", b"0\r\n\r\n", b"+5", b"1_0", b"-1",
         b"0x",
         b"\xff", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b" chunked",
         b"Transfer-Encoding: gzip, chunked\r\n", b"Host: b\r\n", b"\r\n folded",
         b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
         b"HTTP/1.1", b"HTTP/9.9", b"A" * 300, b"9" * 30, b"Connection: close\r\n", b"Expect: 100-continue\r\n")


def mutate(random, data):
    """One to three changes: cut, repeat, replace, insert, join."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice((0, 0, 1, 1, 2, 5, 20)))
        kind = random.randrange(5)
        if kind == 0:
            data = data[:start] + data[end:]
        elif kind == 1:
            data = data[:end] + data[start:end] * random.randint(1, 3) + data[end:]
        elif kind == 2:
            data = data[:start] + bytes((random.randrange(256),)) + data[start + 1:]
        elif kind == 3:
            data = data[:start] + random.choice(SPICE) + data[end:]
        else:
            data = data[:start] + random.choice(SEEDS) + data[end:]
    return data


def cut(random, data):
    pieces = []
    while data:
        size = random.choice((1, 2, 3, 10, 50, 1000))
        pieces.append(data[:size])
        data = data[size:]
    return pieces


class Mutations(unittest.TestCase):

    def test_mutated_requests(self):
        generator = random.Random(SEED)
        for number in range(ROUNDS):
            data = mutate(generator, generator.choice(SEEDS)) + generator.choice(SEEDS)
            with self.subTest(seed=SEED, round=number, data=data):
                self.check(data, cut(generator, data))

    def check(self, data, pieces):
        whole = events_of(RequestParser(1000), [data], eof=True)
        self.assertEqual(events_of(RequestParser(1000), pieces, eof=True), whole, pieces)
        kinds = [event[0] for event in whole]
        self.assertNotIn("failure", kinds[:-1], "something follows a failure")
        server = Server().receive(*pieces)
        whole_messages = kinds.count("EndOfMessage")
        self.assertLessEqual(len(server.requests), whole_messages)
        if "failure" in kinds:
            server.protocol.eof_received()
            self.assertTrue(server.transport.closed)


class Memory(unittest.TestCase):
    """What was remembered never changes what is answered."""

    def test_with_and_without_memory(self):
        generator = random.Random(SEED)
        for number in range(ROUNDS // 10):
            data = mutate(generator, generator.choice(SEEDS[:4]))
            with self.subTest(seed=SEED, round=number, data=data):
                heads.known_requests.clear()
                heads.known_lines.clear()
                fresh = Server().receive(data)
                again = Server().receive(data)
                self.assertEqual(again.sent, fresh.sent)

    def test_the_short_cut_takes_what_the_long_way_takes_and_nothing_else(self):
        generator = random.Random(SEED)
        for number in range(ROUNDS):
            data = mutate(generator, generator.choice(SEEDS[:5]))
            with self.subTest(seed=SEED, round=number, data=data):
                head = RequestParser(1000).whole_request(data)
                if head is not None:
                    expected = [describe(head), describe(EndOfMessage())]
                    self.assertEqual(events_of(RequestParser(1000), bytewise(data), eof=True), expected)


class Smuggling(unittest.TestCase):
    """A request inside what another reader would take for a body must not come out behind a refusal."""

    def test_no_second_request_out_of_a_refused_one(self):
        inner = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        start = b"POST / HTTP/1.1\r\nHost: a\r\n"
        for framing in (
                b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                b"Content-Length: 0\r\nContent-Length: 44\r\n", b"Content-Length : 5\r\n",
                b"Transfer-Encoding : chunked\r\n",
                b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding:\x0bchunked\r\n",
                b"Transfer-Encoding: chunked, id\r\n",
                b"Transfer-Encoding\r\n : chunked\r\n", b"Content-Length: +0\r\n", b"Content-Length: 0,0\r\n",
                b"X: y\rContent-Length: 5\r\n", b"\0Content-Length: 5\r\n", b" Content-Length: 5\r\n",
                b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"):
            with self.subTest(framing=framing):
                parser = RequestParser()
                parser.feed(start + framing + b"\r\n0\r\n\r\n" + inner)
                events = drain(parser)
                self.assertEqual([type(event) for event in events], [Failure])
                server = Server().receive(start + framing + b"\r\n0\r\n\r\n" + inner, inner)
                self.assertEqual((server.requests, len(server.statuses), server.transport.closed), ([], 1, True))

    def test_no_second_request_out_of_a_refused_body(self):
        inner = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        start = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        for body in (b"0\n\r\n", b"0\r\n\n", b"0;\n\r\n\r\n", b"+0\r\n\r\n", b"0x0\r\n\r\n", b"1\r\nab\r\n0\r\n\r\n",
                     b"0\r\nX:y\n\n"):
            with self.subTest(body=body):
                parser = RequestParser()
                parser.feed(start + body + inner)
                heads_seen = [event for event in drain(parser) if isinstance(event, RequestHead)]
                self.assertEqual([head.path for head in heads_seen], ["/"])


if __name__ == "__main__":
    unittest.main()
