"""The client's side: requests as bytes, responses however they are cut, redirects, addresses."""
import asyncio
import http.server
import threading
import unittest
import unittest.mock

from protocols.http.client import (MAX_REDIRECTS, ExchangeError, HttpClient, ReadTimeout, RedirectError,
                                   check_redirects, redirected, request_bytes, resumed_at, unsatisfied_length)
from protocols.http.fields import parse_field
from protocols.http.message import Headers, ResponseHead
from protocols.http.urls import Url, join_url, parse_url


class Addresses(unittest.TestCase):
    def test_what_they_name(self):
        for text, url in (("http://a", Url("a", 80, "/")), ("a:8080/x?y", Url("a", 8080, "/x?y")),
                          ("http://A.b/c#d", Url("a.b", 80, "/c")), ("http://[::1]:81/", Url("::1", 81, "/")),
                          ("http://a/é %20".replace(" ", ""), Url("a", 80, "/%C3%A9%20")),
                          ("http://a?x=ü", Url("a", 80, "/?x=%C3%BC")), ("http://bücher.example/", None),
                          ("http://a/%41<>\"", Url("a", 80, "/%41%3C%3E%22")), ("HTTP://a/", Url("a", 80, "/"))):
            self.assertEqual(parse_url(text), url or Url("xn--bcher-kva.example", 80, "/"), text)

    def test_what_cannot_be_fetched_is_refused_in_a_sentence(self):
        for text, words in (("https://a/", "TLS"), ("ftp://a/", "only http"), ("file:///etc/passwd", "only http"),
                            ("http://", "host"), ("http:///x", "host"), ("http://a b/", "spaces"), ("", "host"),
                            ("http://a/\r\nX: y", "control"), ("http://a:x/", "Port"), ("http://a:99999/", "Port"),
                            ("http://u:p@a/", "password"), ("http://a<b/", "host name"), ("http://[::1/", "IPv6")):
            with self.assertRaisesRegex(ValueError, words, msg=text):
                parse_url(text)

    def test_the_authority_of_a_host_field(self):
        self.assertEqual(parse_url("http://a:80/").authority, "a")
        self.assertEqual(parse_url("http://[::1]:81/").authority, "[::1]:81")
        self.assertEqual(str(parse_url("[::1]:81/x")), "http://[::1]:81/x")

    def test_relative_references(self):
        base = parse_url("http://a:1/b/c?d")
        for reference, expected in (("/x", "http://a:1/x"), ("x", "http://a:1/b/x"), ("../x", "http://a:1/x"),
                                    ("//other/x", "http://other/x"), ("?q", "http://a:1/b/c?q"),
                                    ("http://z", "http://z/")):
            self.assertEqual(str(join_url(base, reference)), expected)


class Fields(unittest.TestCase):
    def test_name_and_value(self):
        for text in ("X-A: b c", "X-A:b c", "X-A:  b c \t"):
            self.assertEqual(parse_field(text), ("X-A", "b c"))
        self.assertEqual(parse_field("X:"), ("X", ""))

    def test_what_would_be_more_than_one_field_is_refused(self):
        for text in ("", "X", ":x", "X : y", "X: a\r\nY: b", "X: a\n", "X\n: a", "X: a\0", "Ü: a", "X: €", "X: a\x7f",
                     "Content-Length: 3", "transfer-encoding: chunked", "Connection: close"):
            with self.assertRaises(ValueError, msg=text):
                parse_field(text)


class Requests(unittest.TestCase):
    URL = parse_url("http://a:81/b?c")

    def test_a_plain_one(self):
        self.assertEqual(request_bytes("GET", self.URL),
                         b"GET /b?c HTTP/1.1\r\nHost: a:81\r\nUser-Agent: see-through-reactor\r\nAccept: */*\r\n"
                         b"Connection: close\r\n\r\n")

    def test_a_proxy_is_told_the_whole_address(self):
        """RFC 9112 section 3.2.2."""
        request = request_bytes("GET", self.URL, through_proxy=True)
        self.assertTrue(request.startswith(b"GET http://a:81/b?c HTTP/1.1\r\nHost: a:81\r\n"))

    def test_data(self):
        request = request_bytes("POST", self.URL, body=b"x=1")
        self.assertIn(b"Content-Length: 3\r\n", request)
        self.assertTrue(request.endswith(b"\r\n\r\nx=1"))

    def test_fields_of_the_user_win(self):
        request = request_bytes("GET", self.URL, [("X", "1"), ("host", "other"), ("accept", "text/html")])
        self.assertTrue(request.startswith(b"GET /b?c HTTP/1.1\r\nhost: other\r\n"))
        self.assertNotIn(b"*/*", request)
        self.assertNotIn(b"a:81", request)


def head(status, *fields):
    return ResponseHead((1, 1), status, "", Headers(fields), 0, False)


class Redirects(unittest.TestCase):
    """RFC 9110 section 15.4."""

    URL = parse_url("http://a/b/c")

    def test_only_a_redirect_with_a_location_is_one(self):
        for status in (200, 201, 300, 304, 305, 404):
            self.assertIsNone(redirected(self.URL, "GET", head(status, ("Location", "/x"))))
        self.assertIsNone(redirected(self.URL, "GET", head(302)))

    def test_the_method(self):
        for status, method, after in ((301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"),
                                      (303, "HEAD", "HEAD"),
                                      (307, "POST", "POST"), (308, "POST", "POST"), (301, "HEAD", "HEAD"),
                                      (302, "GET", "GET")):
            url, got = redirected(self.URL, method, head(status, ("Location", "d")))
            self.assertEqual((str(url), got), ("http://a/b/d", after), (status, method))

    def test_one_that_cannot_be_followed(self):
        for location in ("https://a/", "file:///etc/passwd", "javascript:x", "http://a b/", "//u:p@a/"):
            with self.assertRaises(RedirectError, msg=location):
                redirected(self.URL, "GET", head(302, ("Location", location)))

    def test_circles_and_long_chains_end(self):
        steps = [(parse_url(f"http://a/{number}"), "GET") for number in range(MAX_REDIRECTS + 2)]
        check_redirects(steps[:-1])
        for bad in (steps, [steps[0], steps[1], steps[0]], [steps[0], steps[0]]):
            with self.assertRaises(RedirectError):
                check_redirects(bad)
        check_redirects([(self.URL, "POST"), (self.URL, "GET")])


class Resuming(unittest.TestCase):
    def test_content_range(self):
        for value, expected in (("bytes 5-9/10", (5, 10)), ("bytes 5-9/*", (5, None)), ("bytes */10", None), ("", None),
                                ("pages 5-9/10", None), ("bytes x-9/10", None), ("bytes 5-9/1_0", None),
                                ("bytes 5-9", None)):
            self.assertEqual(resumed_at(Headers([("Content-Range", value)])), expected, value)

    def test_the_length_of_a_416(self):
        for value, expected in (("bytes */10", 10), ("bytes */*", None), ("bytes 1-2/10", None), ("", None)):
            self.assertEqual(unsatisfied_length(Headers([("Content-Range", value)])), expected, value)


class Record:
    """A receiver that remembers."""

    def __init__(self):
        self.heads, self.body, self.ends = [], b"", []

    def head_received(self, head):
        self.heads.append(head.status)

    def body_received(self, data):
        assert data and not self.ends
        self.body += data

    def finished(self, error):
        self.ends.append(error)


class FakeTransport:
    def __init__(self):
        self.written, self.ended = b"", []

    def write(self, data):
        self.written += data

    def close(self):
        self.ended.append("close")

    def abort(self):
        self.ended.append("abort")


class Timers:
    """A call_later whose time comes when told."""

    def __init__(self):
        self.pending = []

    def __call__(self, delay, callback, *args):
        entry = [callback, args]
        self.pending.append(entry)
        timer = unittest.mock.Mock()
        timer.cancel = lambda: self.pending.remove(entry) if entry in self.pending else None
        return timer

    def fire(self):
        callback, args = self.pending.pop(0)
        callback(*args)


RESPONSES = (
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x\r\nlo\r\n0\r\nT: x\r\n\r\n",
     b"hello", True),
    (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello", True),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", b"hel", False),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"hello", False),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n", b"", False),
    (b"HTTP/1.1 200 OK\r\nContent-Le", b"", False),
    (b"220 ftp.example ready\r\n\r\n", b"", False),
    (b"", b"", False),
)


class Exchanges(unittest.TestCase):
    def make(self, method="GET"):
        self.record, self.transport, self.timers = Record(), FakeTransport(), Timers()
        client = HttpClient(request_bytes(method, parse_url("http://a/")), self.record, call_later=self.timers)
        client.connection_made(self.transport)
        return client

    def exchange(self, pieces, method="GET"):
        client = self.make(method)
        for piece in pieces:
            client.data_received(piece)
        client.eof_received()
        client.connection_lost(None)
        self.assertEqual(len(self.record.ends), 1)
        self.assertEqual(self.timers.pending, [])
        return self.record

    def test_every_response_however_it_is_cut(self):
        """Edge cases 162, 163 and 168."""
        for data, body, whole in RESPONSES:
            cuts = [[data] if data else [], [data[n:n + 1] for n in range(len(data))]]
            cuts += [[data[:n], data[n:]] for n in range(1, len(data))]
            for pieces in cuts:
                record = self.exchange(pieces)
                self.assertEqual((record.body, record.ends[0] is None), (body, whole), pieces)

    def test_what_follows_the_response_is_not_looked_at(self):
        record = self.exchange([RESPONSES[0][0] + b"HTTP/1.1 404 X\r\n\r\n" * 3, b"more"])
        self.assertEqual((record.heads, record.body), ([200], b"hello"))

    def test_the_answer_to_head_has_no_body(self):
        record = self.exchange([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"], "HEAD")
        self.assertEqual((record.ends, record.body), ([None], b""))

    def test_a_reset_in_the_middle_is_told_once(self):
        client = self.make()
        client.data_received(RESPONSES[5][0])
        client.connection_lost(ConnectionResetError("reset"))
        self.assertIsInstance(self.record.ends[0], ExchangeError)
        self.assertEqual(len(self.record.ends), 1)

    def test_silence_ends_it(self):
        """Edge case 109."""
        client = self.make()
        client.data_received(RESPONSES[0][0][:20])
        self.timers.fire()
        self.assertEqual(self.record.ends, [])
        self.timers.fire()
        self.assertIsInstance(self.record.ends[0], ReadTimeout)
        self.assertEqual((self.transport.ended, self.timers.pending), (["abort"], []))

    def test_nothing_is_reported_after_cancel(self):
        client = self.make()
        client.cancel()
        client.data_received(RESPONSES[0][0])
        client.connection_lost(None)
        self.assertEqual((self.record.ends, self.record.heads, self.timers.pending), ([], [], []))


class AgainstTheStandardLibrary(unittest.TestCase):
    def test_under_asyncio_from_http_server(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body[::-1])

            def log_message(self, *args):
                """Silent."""

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.addCleanup(server.server_close)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        self.addCleanup(thread.join)
        url = Url("127.0.0.1", server.server_port, "/")
        record = asyncio.run(self._fetch(url, request_bytes("POST", url, body=b"abc" * 50000)))
        self.assertEqual((record.heads, record.body, record.ends), ([200], b"cba" * 50000, [None]))

    async def _fetch(self, url, request):
        loop = asyncio.get_running_loop()
        record, ended = Record(), loop.create_future()
        remember = record.finished
        record.finished = lambda error: (remember(error), ended.set_result(None))
        client = HttpClient(request, record, call_later=loop.call_later)
        await loop.create_connection(lambda: client, url.host, url.port)
        await asyncio.wait_for(ended, 10)
        return record


if __name__ == "__main__":
    unittest.main()
