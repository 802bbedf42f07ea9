"""http_fetch: against http.server, and against servers that say whatever the test wants."""
import contextlib
import functools
import http.server
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from types import SimpleNamespace
from unittest import mock

from demos import http_fetch
from demos.http_output import InOrder, Progress, progress_line

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Bytes(io.TextIOWrapper):
    """A stdout whose bytes can be read."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def getvalue(self):
        return self.buffer.getvalue()


def fetch(*arguments):
    """(exit status, bytes on stdout, text on stderr)."""
    out, err = Bytes(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = http_fetch.main([str(argument) for argument in arguments])
        except SystemExit as exc:
            status = exc.code
    return status, out.getvalue(), err.getvalue()


class Scripted:
    """A server that answers each path with the bytes written for it, and remembers what it was asked."""

    def __init__(self, answers):
        self.answers, self.requests = answers, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        while True:
            connection = self._listener.accept()[0]
            with connection:
                connection.settimeout(5)
                request = b""
                while b"\r\n\r\n" not in request:
                    data = connection.recv(65536)
                    if not data:
                        break
                    request += data
                if not request:
                    return
                length = int(request.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                while len(request.partition(b"\r\n\r\n")[2]) < length:
                    request += connection.recv(65536)
                self.requests.append(request.decode())
                answer = self.answers[request.split()[1].decode()]
                if callable(answer):
                    answer = answer(request.decode())
                with contextlib.suppress(ConnectionError):  # clients may leave
                    connection.sendall(answer)

    def close(self):
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.shutdown(socket.SHUT_WR)
            self._thread.join()
        self._listener.close()


def ok(body, *fields, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def moved(location, status=302):
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 3\r\n\r\nold".encode()


class FetchCase(unittest.TestCase):
    def serve(self, answers):
        server = Scripted(answers)
        self.addCleanup(server.close)
        return server

    def folder(self):
        path = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, path)
        return path

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def write(self, path, data):
        with open(path, "wb") as file:
            file.write(data)


class Printing(FetchCase):
    def test_a_page(self):
        server = self.serve({"/a?b": ok(b"hello")})
        self.assertEqual(fetch(server.url + "/a?b#c"), (0, b"hello", ""))
        self.assertIn(f"Host: 127.0.0.1:{server.port}\r\n", server.requests[0])

    def test_chunked_and_closed_bodies(self):
        server = self.serve({"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
                             "/closed": b"HTTP/1.0 200 OK\r\n\r\nabc"})
        for path in ("/chunked", "/closed"):
            self.assertEqual(fetch(server.url + path), (0, b"abc", ""))

    def test_several_come_in_the_order_asked_for(self):
        server = self.serve({f"/{n}": ok(b"%d" % n * (400_000 - 30_000 * n)) for n in range(8)})
        status, out, _ = fetch(*(f"{server.url}/{n}" for n in range(8)))
        self.assertEqual((status, out), (0, b"".join(b"%d" % n * (400_000 - 30_000 * n) for n in range(8))))

    def test_no_more_at_once_than_allowed(self):
        server = self.serve({f"/{n}": ok(b"x") for n in range(5)})
        self.assertEqual(fetch("--parallel", 1, *(f"{server.url}/{n}" for n in range(5)))[:2], (0, b"xxxxx"))

    def test_the_head(self):
        server = self.serve({"/": ok(b"hello", "X: y"), "/head": ok(b"", "X: y")})
        self.assertEqual(fetch("-i", server.url)[1], b"HTTP/1.1 200 OK\nContent-Length: 5\nX: y\n\nhello")
        self.assertEqual(fetch("-I", server.url + "/head")[1], b"HTTP/1.1 200 OK\nContent-Length: 0\nX: y\n\n")
        self.assertTrue(server.requests[1].startswith("HEAD /head "))

    def test_fields_and_data(self):
        server = self.serve({"/": ok(b"")})
        self.assertEqual(fetch("-H", "X-A: b", "-d", "a=1", "-d", "b=é", server.url)[0], 0)
        request = server.requests[0].encode()
        self.assertTrue(request.startswith(b"POST / "))
        self.assertIn(b"\r\nX-A: b\r\n", request)
        self.assertIn(b"\r\nContent-Type: application/x-www-form-urlencoded\r\n", request)
        self.assertTrue(request.endswith("\r\n\r\na=1&b=é".encode()))

    def test_a_proxy_is_asked_for_the_whole_address(self):
        server = self.serve({"http://nowhere.invalid/x": ok(b"through")})
        self.assertEqual(fetch("--proxy", f"127.0.0.1:{server.port}", "http://nowhere.invalid/x"), (0, b"through", ""))


class Redirects(FetchCase):
    def test_they_are_followed(self):
        server = self.serve({"/": moved("/a/b"), "/a/b": moved("../c", 308), "/c": ok(b"there")})
        self.assertEqual(fetch("-i", server.url)[1], b"HTTP/1.1 200 OK\nContent-Length: 5\n\nthere")

    def test_a_post_becomes_a_get(self):
        server = self.serve({"/": moved("/a", 303), "/a": ok(b"there")})
        self.assertEqual(fetch("-d", "x", server.url)[:2], (0, b"there"))
        self.assertTrue(server.requests[1].startswith("GET /a "))

    def test_circles_chains_and_https_end(self):
        answers = {f"/{n}": moved(f"/{n + 1}") for n in range(20)}
        answers.update({"/self": moved("/self"), "/a": moved("/b"), "/b": moved("/a"), "/s": moved("https://x/")})
        server = self.serve(answers)
        for path, words in (("/0", "more than 10"), ("/self", "circle"), ("/a", "circle"), ("/s", "TLS")):
            status, out, err = fetch(server.url + path)
            self.assertEqual((status, out, err.count("\n")), (5, b"", 1))
            self.assertIn(words, err)

    def test_secrets_are_not_told_to_another_server(self):
        other = self.serve({"/": ok(b"")})
        first = self.serve({"/": moved(other.url + "/"), "/same": moved("/end"), "/end": ok(b"")})
        secret = ("-H", "Authorization: Basic xyz", "-H", "cookie: a", "-H", "X: y")
        self.assertEqual((fetch(*secret, first.url)[0], fetch(*secret, first.url + "/same")[0]), (0, 0))
        self.assertIn("xyz", first.requests[0])
        self.assertIn("xyz", first.requests[2])
        self.assertNotIn("xyz", other.requests[0])
        self.assertNotIn("cookie", other.requests[0])
        self.assertIn("X: y", other.requests[0])


class Failures(FetchCase):
    def test_an_error_of_the_server_is_3(self):
        server = self.serve({"/": ok(b"not here", status="404 Not Found")})
        status, out, err = fetch(server.url)
        self.assertEqual((status, out), (3, b"not here"))
        self.assertIn("404 Not Found", err)

    def test_nobody_there_is_1(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        status, out, err = fetch(f"http://127.0.0.1:{port}/")
        self.assertEqual((status, out, err.count("\n")), (1, b"", 1))

    def test_half_an_answer_or_none_or_something_else_is_1(self):
        server = self.serve({"/half": ok(b"hello")[:-2], "/none": b"", "/ftp": b"220 ready\r\n\r\n",
                             "/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"})
        for path in ("/half", "/none", "/ftp", "/chunks"):
            status, _, err = fetch(server.url + path)
            self.assertEqual((status, err.count("\n")), (1, 1), path)

    def test_the_first_failure_in_the_order_of_addresses_is_the_status(self):
        server = self.serve({"/": ok(b"x"), "/a": moved("/a"), "/b": ok(b"", status="500 Oh")})
        self.assertEqual(fetch(server.url, server.url + "/a", server.url + "/b", server.url)[:2], (5, b"xx"))

    def test_silence_is_4(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            status, _, err = fetch("--read-timeout", 0.05, "http://127.0.0.1:%d/" % listener.getsockname()[1])
        self.assertEqual(status, 4)
        self.assertIn("0.05 seconds", err)

    def test_a_wrong_command_line_is_2(self):
        for arguments in ((), ("https://a/",), ("ftp://a/",), ("-H", "nonsense", "a"), ("-I", "-d", "x", "a"),
                          ("-C", "a"), ("-o", "x", "-o", "y", "a"), ("--parallel", "0", "a"),
                          ("--read-timeout", "nan", "a"), ("--read-timeout", "-1", "a"),
                          ("--proxy", "https://x", "a")):
            status, out, err = fetch(*arguments)
            self.assertEqual((status, out), (2, b""), arguments)
            self.assertNotIn("Traceback", err)

    def test_https_is_refused_in_a_sentence(self):
        self.assertIn("https is not spoken here, because it needs TLS", fetch("https://example.org/")[2])

    def test_what_cannot_be_written_is_6(self):
        server = self.serve({"/": ok(b"x")})
        status, _, err = fetch("-o", os.path.join(self.folder(), "no", "x"), server.url)
        self.assertEqual((status, err.count("\n")), (6, 1))

    def test_the_help_names_every_status(self):
        out = fetch("--help")[1].decode()
        for status in range(7):
            self.assertIn(f"\n  {status}  ", out)


class Saving(FetchCase):
    def test_files_folders_and_stdout(self):
        names = ("a", "b", "sub/c.txt", "d/", "%2e%2e", "x%2Fy")
        server = self.serve({f"/{name}": ok(name.encode()) for name in names})
        folder = self.folder()
        path = os.path.join(folder, "a")
        urls = [f"{server.url}/{name}" for name in ("a", "sub/c.txt", "d/", "%2e%2e", "x%2Fy", "b")]
        status, out, _ = fetch("-o", path, *["-o", folder] * 4, *urls)
        self.assertEqual((status, out), (0, b"b"))
        self.assertEqual({name: self.read(os.path.join(folder, name)) for name in sorted(os.listdir(folder))},
                         {"a": b"a", "c.txt": b"sub/c.txt", "index.html": mock.ANY, "y": b"x%2Fy"})

    def test_an_error_leaves_the_file_alone(self):
        server = self.serve({"/": ok(b"sorry", status="500 Oh")})
        path = os.path.join(self.folder(), "a")
        self.write(path, b"precious")
        self.assertEqual(fetch("-i", "-o", path, server.url)[0], 3)
        self.assertEqual(self.read(path), b"precious")

    def test_an_interrupted_download_goes_on(self):
        whole = os.urandom(300_000)

        def answer(request):
            first = int(request.partition("Range: bytes=")[2].partition("-")[0])
            return ok(whole[first:], f"Content-Range: bytes {first}-299999/300000", status="206 Partial Content")

        server = self.serve({"/": answer})
        path = os.path.join(self.folder(), "a")
        self.write(path, whole[:123_456])
        self.assertEqual(fetch("-C", "-o", path, server.url), (0, b"", ""))
        self.assertEqual(self.read(path), whole)

    def test_nothing_there_yet_is_a_whole_download(self):
        server = self.serve({"/": ok(b"whole")})
        path = os.path.join(self.folder(), "a")
        self.assertEqual(fetch("-C", "-o", path, server.url)[0], 0)
        self.assertNotIn("Range", server.requests[0])
        self.assertEqual(self.read(path), b"whole")

    def test_a_server_without_ranges_sends_everything_again(self):
        server = self.serve({"/": ok(b"whole")})
        path = os.path.join(self.folder(), "a")
        self.write(path, b"who knows what")
        self.assertEqual(fetch("-C", "-o", path, server.url)[0], 0)
        self.assertEqual(self.read(path), b"whole")

    def test_nothing_missing_is_no_error(self):
        server = self.serve({"/": ok(b"", "Content-Range: bytes */5", status="416 Range Not Satisfiable"),
                             "/shorter": ok(b"", "Content-Range: bytes */4", status="416 Range Not Satisfiable")})
        path = os.path.join(self.folder(), "a")
        self.write(path, b"whole")
        self.assertEqual(fetch("-C", "-o", path, server.url), (0, b"", ""))
        self.assertEqual(fetch("-C", "-o", path, server.url + "/shorter")[0], 3)
        self.assertEqual(self.read(path), b"whole")

    def test_another_part_than_asked_for_is_refused(self):
        for field in ("Content-Range: bytes 0-1/7", "Content-Range: nonsense", "X: no range at all"):
            server = self.serve({"/": ok(b"xx", field, status="206 Partial Content")})
            path = os.path.join(self.folder(), "a")
            self.write(path, b"whole")
            self.assertEqual(fetch("-C", "-i", "-o", path, server.url)[0], 1)
            self.assertEqual(self.read(path), b"whole")


class AgainstTheStandardLibrary(FetchCase):
    """`python3 -m http.server`, many at once."""

    def test_everything_in_a_folder(self):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *args):
                """Silent."""

        site, target = self.folder(), self.folder()
        for number in range(60):
            self.write(os.path.join(site, f"{number}.bin"), bytes([number]) * 10_000)
        handler = functools.partial(Quiet, directory=site)
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            urls = [f"http://127.0.0.1:{server.server_port}/{number}.bin" for number in range(60)]
            status, _, err = fetch(*["-o", target] * 60, *urls)
            server.shutdown()
            thread.join()
        self.assertEqual((status, err), (0, ""))
        for number in range(60):
            self.assertEqual(self.read(os.path.join(target, f"{number}.bin")), bytes([number]) * 10_000)


class AsAProgram(FetchCase):
    def run_program(self, *arguments, **options):
        return subprocess.Popen([sys.executable, "-m", "demos.http_fetch", *arguments], cwd=ROOT, **options)

    @unittest.skipUnless(os.name == "posix", "pipes that break are POSIX's")
    def test_a_reader_that_has_had_enough_is_no_traceback(self):
        server = self.serve({"/": ok(b"x" * 3_000_000)})
        with self.run_program(server.url, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.read(10)
            process.stdout.close()
            self.assertEqual(process.stderr.read(), b"")
            self.assertEqual(process.wait(10), 6)


class Ordering(unittest.TestCase):
    def test_only_the_first_passes_through(self):
        stream = io.BytesIO()
        order = InOrder(stream)
        first, second, third = order.part(), order.part(), order.part()
        second.write(b"2")
        third.write(b"3")
        third.close()
        first.write(b"1")
        self.assertEqual(stream.getvalue(), b"1")
        first.close()
        self.assertEqual(stream.getvalue(), b"12")
        second.write(b"2")
        second.close()
        self.assertEqual(stream.getvalue(), b"1223")


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Lines(unittest.TestCase):
    """The progress line on a terminal, with a clock and timers of the test's own."""

    def make(self, stream):
        self.timers, self.now = [], 0.0
        body = SimpleNamespace(received=10 ** 6, fresh=10 ** 6, expected=2 * 10 ** 6, status=None)
        return Progress([body], self.call_later, stream, lambda: self.now)

    def call_later(self, delay, callback):
        self.timers.append(callback)
        return SimpleNamespace(cancel=lambda: self.timers.remove(callback))

    def test_it_is_drawn_over_itself_and_leaves_nothing_behind(self):
        stream = Terminal()
        progress = self.make(stream)
        for self.now in (1.0, 2.0):
            self.timers.pop()()
        progress.clear()
        progress.close()
        self.assertEqual([line.rstrip() for line in stream.getvalue().split("\r")],
                         ["", "[############............]  50%  1.0 MB of 2.0 MB  1.0 MB/s",
                          "[############............]  50%  1.0 MB of 2.0 MB  0.5 MB/s", "", ""])
        self.assertEqual(self.timers, [])

    def test_what_is_no_terminal_gets_none(self):
        for stream in (io.StringIO(), None):
            self.make(stream).close()
            self.assertEqual(self.timers, [])


class Bars(unittest.TestCase):
    def fetch(self, received, expected, status=None):
        return SimpleNamespace(received=received, fresh=received, expected=expected, status=status)

    def test_only_long_bodies_have_one(self):
        self.assertEqual(progress_line([], 1), "")
        self.assertEqual(progress_line([self.fetch(10, 1000)], 1), "")
        self.assertEqual(progress_line([self.fetch(10 ** 6, 10 ** 6, status=0)], 1), "")

    def test_how_far_and_how_fast(self):
        self.assertEqual(progress_line([self.fetch(5 * 10 ** 6, 10 ** 7)], 2),
                         "[############............]  50%  5.0 MB of 10.0 MB  2.5 MB/s")

    def test_several(self):
        fetches = [self.fetch(10 ** 6, 2 * 10 ** 6), self.fetch(10 ** 6, None), self.fetch(9, 9, status=0)]
        self.assertEqual(progress_line(fetches, 1), "2.0 MB  2.0 MB/s  1 of 3 done")


if __name__ == "__main__":
    unittest.main()
