"""Heads as pure functions: what they mean, what is refused, what is remembered."""
import unittest

from protocols.http import heads
from protocols.http.heads import BadMessage, parse_request, parse_response
from protocols.http.message import CHUNKED, UNTIL_EOF, Headers

BROWSER = (b"GET /a/b.html?q=1&r=%20 HTTP/1.1\r\nHost: example:8080\r\nUser-Agent: Mozilla/5.0 (X11; rv:115.0)\r\n"
           b"Accept: text/html,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n"
           b"Connection: keep-alive\r\nCookie: a=b; c=d\r\nIf-None-Match: \"x\"\r\n\r\n")


def request(*lines):
    return parse_request("\r\n".join((*lines, "", "")).encode("latin-1"))


class RequestHeads(unittest.TestCase):

    def refused(self, status, *lines):
        with self.assertRaises(BadMessage) as caught:
            request(*lines)
        self.assertEqual(caught.exception.status, status, (lines, caught.exception.reason))

    def test_a_browser_s_head_comes_apart(self):
        head = parse_request(BROWSER)
        self.assertEqual((head.method, head.target, head.path, head.query, head.version, head.host),
                         ("GET", "/a/b.html?q=1&r=%20", "/a/b.html", "q=1&r=%20", (1, 1), "example:8080"))
        self.assertEqual((head.length, head.keep_alive, head.expects_continue), (0, True, False))
        self.assertEqual(len(head.headers), 8)
        self.assertEqual(head.headers.get("if-none-match"), '"x"')

    def test_bare_line_feeds_mean_the_same(self):
        plain = parse_request(BROWSER.replace(b"\r\n", b"\n"))
        self.assertEqual(plain.headers, parse_request(BROWSER).headers)
        self.assertEqual(parse_request(b"GET / HTTP/1.0\n\n").path, "/")
        self.assertEqual(parse_request(b"GET / HTTP/1.1\nHost: a\n\r\n").host, "a")

    def test_whitespace_around_a_value_is_no_part_of_it(self):
        head = request("GET / HTTP/1.1", "Host:\t example \t", "Empty:", "Blank:  \t ", "Inner: a  b")
        self.assertEqual(head.headers.pairs, (("Host", "example"), ("Empty", ""), ("Blank", ""), ("Inner", "a  b")))

    def test_bytes_above_ascii_are_kept(self):
        head = parse_request(b"GET /\xc3\xbc HTTP/1.1\r\nHost: a\r\nX: \xff\x80\r\n\r\n")
        self.assertEqual(head.path.encode("latin-1"), b"/\xc3\xbc")
        self.assertEqual(head.headers.get("x"), "\xff\x80")

    def test_forms_of_target(self):
        for target, host, path, query in (
                ("/", "h", "/", ""), ("//x//y", "h", "//x//y", ""), ("/?", "h", "/", ""), ("/a?b?c", "h", "/a", "b?c"),
                ("http://o:81/x?y", "o:81", "/x", "y"), ("HTTP://o", "o", "/", ""), ("http://o?q", "o", "/", "q"),
                ("https://[::1]:8080/", "[::1]:8080", "/", "")):
            with self.subTest(target=target):
                head = request(f"GET {target} HTTP/1.1", "Host: h")
                self.assertEqual((head.target, head.host, head.path, head.query), (target, host, path, query))
        self.assertEqual(request("OPTIONS * HTTP/1.1", "Host: h").path, "*")

    def test_refused_targets(self):
        for target in ("*", "a", "a:80", "ftp://h/", "http:///x", "http://u@h/", "http://:80/", "/a#b", "http://h#f",
                       "http://a b/", "?x", "\\", "mailto:x"):
            with self.subTest(target=target):
                self.refused(400, f"GET {target} HTTP/1.1", "Host: h")

    def test_refused_request_lines(self):
        for status, line in (
                (400, "GET / "), (400, "GET /"), (400, "GET"), (400, "GET  / HTTP/1.1"), (400, "GET / HTTP/1.1 "),
                (400, " GET / HTTP/1.1"), (400, "GET\t/\tHTTP/1.1"), (400, "GET /a\tb HTTP/1.1"),
                (400, "GET / http/1.1"),
                (400, "GET / HTTP/1"), (400, "GET / HTTP/1.10"), (400, "GET / HTTP/11"), (400, "GET / HTTP/1.x"),
                (400, "GET / HTTPS/1.1"), (400, "GE(T / HTTP/1.1"), (400, "G\xcbT / HTTP/1.1"),
                (505, "GET / HTTP/2.0"), (505, "GET / HTTP/0.9"), (505, "GET / HTTP/9.9"),
                (501, "get / HTTP/1.1"), (501, "BREW / HTTP/1.1"), (501, "CONNECT a:80 HTTP/1.1")):
            with self.subTest(line=line):
                self.refused(status, line, "Host: h")

    def test_refused_fields(self):
        for line in ("Name : x", "Name\t: x", ": x", "Name", " folded", "\tfolded", "Na me: x", "N\xe4me: x",
                     "Na(me: x",
                     "X: a\x00b", "X: a\rb", "X: a\x0bb", "X: a\x7fb", "X\r: a", "X: \r", "\r", ""):
            for lines in ((line, "Host: h"), ("Host: h", line), ("Host: h", line, "Z: z")):
                with self.subTest(lines=lines):
                    self.refused(400, "GET / HTTP/1.1", *lines)

    def test_refused_hosts(self):
        self.refused(400, "GET / HTTP/1.1")
        self.refused(400, "GET / HTTP/1.1", "Host: a", "Host: a")
        self.refused(400, "GET / HTTP/1.0", "Host: a", "Host: b")
        self.refused(400, "GET / HTTP/1.1", "Host: ", "Host: ")
        for host in ("a b", "a/b", "a@b", "a:b", "a:1:2", "[::1", "::1", "a?b", "a#b", '"', "<script>", "\xe4"):
            with self.subTest(host=host):
                self.refused(400, "GET / HTTP/1.1", f"Host: {host}")

    def test_accepted_hosts(self):
        for host in ("", "a", "a:", "a:80", "127.0.0.1:8080", "[::1]", "[::1]:80", "xn--a.example", "a_b"):
            self.assertEqual(request("GET / HTTP/1.1", f"Host: {host}").host, host)
        self.assertEqual(request("GET / HTTP/1.0").host, "")

    def test_refused_lengths(self):
        for value in ("+5", "-5", "1_0", "0x5", "5 5", "5,5", "5, 5", "5.0", "", "\xb2", "5;", "1" * 19, "1" * 5000):
            with self.subTest(value=value):
                self.refused(400, "POST / HTTP/1.1", "Host: h", f"Content-Length: {value}")
        self.refused(400, "POST / HTTP/1.1", "Host: h", "Content-Length: 5", "Content-Length: 6")
        self.refused(400, "POST / HTTP/1.1", "Host: h", "Content-Length: 5", "content-length: 5")

    def test_refused_codings(self):
        for status, value in ((400, "gzip"), (400, "chunked, gzip"), (400, "chunked, chunked"), (400, ""), (400, "x"),
                              (400, "chunked;q=1"), (400, "chunked,"), (501, "gzip, chunked"), (400, "identity"),
                              (400, "xchunked"), (400, "\x0bchunked"), (400, "chunked\x00")):
            with self.subTest(value=value):
                self.refused(status, "POST / HTTP/1.1", "Host: h", f"Transfer-Encoding: {value}")
        chunked = "Transfer-Encoding: chunked"
        self.refused(400, "POST / HTTP/1.1", "Host: h", chunked, chunked)
        self.refused(400, "POST / HTTP/1.1", "Host: h", chunked, "Content-Length: 5")
        self.refused(400, "POST / HTTP/1.1", "Host: h", "Content-Length: 5", chunked)
        self.refused(400, "POST / HTTP/1.0", "Host: h", chunked)

    def test_framing(self):
        for lines, length in (((), 0), (("Content-Length: 0",), 0), (("Content-Length: 007",), 7),
                              (("TRANSFER-ENCODING: Chunked",), CHUNKED)):
            self.assertEqual(request("POST / HTTP/1.1", "Host: h", *lines).length, length)

    def test_persistence(self):
        for version, value, expected in (
                ("1.1", None, True), ("1.1", "close", False), ("1.1", "x, CLOSE", False), ("1.1", "keep-alive", True),
                ("1.0", None, False), ("1.0", "Keep-Alive", True), ("1.0", "keep-alive, close", False),
                ("1.1", "closed", True), ("1.2", None, True)):
            lines = [f"Connection: {value}"] if value else []
            head = request(f"GET / HTTP/{version}", "Host: h", *lines)
            self.assertIs(head.keep_alive, expected, (version, value))

    def test_expectations(self):
        self.assertTrue(request("PUT / HTTP/1.1", "Host: h", "Expect: 100-Continue").expects_continue)
        self.assertFalse(request("PUT / HTTP/1.0", "Host: h", "Expect: 100-continue").expects_continue)
        self.refused(417, "PUT / HTTP/1.1", "Host: h", "Expect: tea")

    def test_more_than_a_hundred_fields_are_refused(self):
        lines = [f"X-{number}: y" for number in range(99)]
        self.assertEqual(len(request("GET / HTTP/1.1", "Host: h", *lines).headers), 100)
        self.refused(431, "GET / HTTP/1.1", "Host: h", *lines, "One: more")

    def test_a_long_run_of_spaces_takes_no_time(self):
        """A pattern that tries every way to part the spaces would take minutes for these."""
        spaces = " " * 16000
        for line in (f"X:{spaces}", f"X:{spaces}y{spaces}z", f"{spaces}", f"X{spaces}: y", "x" * 16000):
            try:
                request("GET / HTTP/1.1", "Host: h", line)
            except BadMessage:
                pass


class Memory(unittest.TestCase):

    def setUp(self):
        heads.known_requests.clear()
        heads.known_lines.clear()

    def test_equal_heads_give_the_same_object(self):
        self.assertIs(parse_request(BROWSER), parse_request(bytes(bytearray(BROWSER))))

    def test_it_holds_a_bounded_number_of_heads_of_bounded_length(self):
        for number in range(3 * heads.REMEMBERED):
            request(f"GET /{number} HTTP/1.1", "Host: h")
            self.assertLessEqual(len(heads.known_requests), heads.REMEMBERED)
        heads.known_requests.clear()
        request(f"GET /{'x' * heads.MAX_REMEMBERED_BYTES} HTTP/1.1", "Host: h")
        self.assertEqual(len(heads.known_requests), 0)

    def test_it_holds_a_bounded_number_of_lines_of_bounded_length(self):
        for number in range(3 * heads.REMEMBERED_LINES // 2):
            request("GET / HTTP/1.1", "Host: h", f"A: {number}", f"B: {number}")
            self.assertLessEqual(len(heads.known_lines), heads.REMEMBERED_LINES)
        heads.known_lines.clear()
        request("GET / HTTP/1.1", "Host: h", f"A: {'x' * heads.MAX_REMEMBERED_LINE}")
        self.assertEqual(len(heads.known_lines), 1)

    def test_lines_come_apart_equally_the_second_time(self):
        for _ in range(2):
            heads.known_requests.clear()
            head = request("GET / HTTP/1.1", "Host: h", "x-A:  1 ", "X-a: 2", "Empty:")
            self.assertEqual(head.headers.pairs, (("Host", "h"), ("x-A", "1"), ("X-a", "2"), ("Empty", "")))
            self.assertEqual((head.headers.get("X-A"), head.headers.get("empty")), ("1, 2", ""))

    def test_a_refusal_is_not_remembered(self):
        for _ in range(2):
            for lines in (), ("Host: h", "X : y"), ("Host: h", "X: \0"):
                with self.assertRaises(BadMessage):
                    request("GET / HTTP/1.1", *lines)
        self.assertEqual((len(heads.known_requests), list(heads.known_lines)), (0, ["Host: h\r"]))


class ResponseHeads(unittest.TestCase):

    def response(self, *lines, method="GET"):
        return parse_response("\r\n".join((*lines, "", "")).encode("latin-1"), method)

    def test_status_lines(self):
        for line, version, status, reason in (("HTTP/1.1 200 OK", (1, 1), 200, "OK"),
                                              ("HTTP/1.0 404 ", (1, 0), 404, ""),
                                              ("HTTP/1.1 299", (1, 1), 299, ""),
                                              ("HTTP/1.1 404 Not  \xe4", (1, 1), 404, "Not  \xe4")):
            head = self.response(line)
            self.assertEqual((head.version, head.status, head.reason), (version, status, reason))

    def test_refused_status_lines(self):
        for line in ("HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1  200 OK", "HTTP/2 200", "ICY 200 OK", "", "200 OK",
                     "HTTP/1.1 099 X"):
            with self.subTest(line=line), self.assertRaises(BadMessage):
                self.response(line)

    def test_framing(self):
        length = "Content-Length: 5"
        for method, status, lines, expected in (
                ("GET", 200, (length,), 5), ("HEAD", 200, (length,), 0), ("GET", 204, (length,), 0),
                ("GET", 304, (length,), 0), ("GET", 100, (), 0), ("GET", 200, (), UNTIL_EOF),
                ("GET", 200, ("Transfer-Encoding: chunked",), CHUNKED),
                ("HEAD", 200, ("Transfer-Encoding: chunked",), 0)):
            with self.subTest(method=method, status=status, lines=lines):
                self.assertEqual(self.response(f"HTTP/1.1 {status} X", *lines, method=method).length, expected)

    def test_a_body_up_to_the_end_ends_the_connection(self):
        self.assertFalse(self.response("HTTP/1.1 200 OK").keep_alive)
        self.assertTrue(self.response("HTTP/1.1 200 OK", "Content-Length: 0").keep_alive)

    def test_contradictory_framing_is_refused(self):
        for lines in (("Content-Length: 5", "Content-Length: 6"), ("Content-Length: 5", "Transfer-Encoding: chunked")):
            with self.subTest(lines=lines), self.assertRaises(BadMessage):
                self.response("HTTP/1.1 200 OK", *lines)


class HeaderFields(unittest.TestCase):

    def test_look_up_in_any_case(self):
        headers = Headers([("X-A", "1"), ("b", "2"), ("x-a", "3")])
        self.assertEqual(headers.get("X-a"), "1, 3")
        self.assertEqual(headers.get_all("x-A"), ["1", "3"])
        self.assertIn("B", headers)
        self.assertNotIn("c", headers)
        self.assertEqual((headers.get("c"), headers.get("c", "d"), headers.get_all("c")), (None, "d", []))

    def test_order_case_and_duplicates_are_kept(self):
        pairs = (("B", "1"), ("a", "2"), ("b", "1"))
        self.assertEqual(tuple(Headers(pairs)), pairs)


if __name__ == "__main__":
    unittest.main()
