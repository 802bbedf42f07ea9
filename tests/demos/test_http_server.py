"""The static server as its clients see it: on the reactor, and as a program."""
import asyncio
import http.client
import io
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from unittest import mock

from demos import http_server
from protocols.http.files import FileApplication
from protocols.http.server import HttpServer
from reactor import Reactor
from tests.protocols.http.site import SiteCase

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Conformance:
    """What holds on every event loop.  The loop runs in a thread, http.client in the test."""

    def setUp(self):
        super().setUp()
        self.log = []
        self.site_application = FileApplication(self.site)
        self.loop = self.make_loop()
        self.port = self.listen()
        thread = threading.Thread(target=self.run_loop)
        thread.start()
        self.addCleanup(self.loop.close)
        self.addCleanup(thread.join)
        self.addCleanup(self.loop.call_soon_threadsafe, self.loop.stop)

    def make_protocol(self):
        return HttpServer(self.site_application, call_later=self.loop.call_later,
                          log=lambda peer, head, status, size: self.log.append((head and head.target, status, size)))

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, target, method="GET", **headers):
        connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()

    def test_everything_on_one_connection(self):
        content = os.urandom(200_000)
        self.write("large.bin", content)
        self.write("small.txt", b"small")
        self.write("sub/x")
        connection = self.connect()
        status, headers, body = self.ask(connection, "/large.bin")
        self.assertEqual((status, body, headers["Content-Length"]), (200, content, "200000"))
        self.assertIn("GMT", headers["Date"])
        etag = headers["ETag"]
        status, headers, body = self.ask(connection, "/large.bin", "HEAD")
        self.assertEqual((status, body, headers["Content-Length"]), (200, b"", "200000"))
        self.assertEqual(self.ask(connection, "/large.bin", If_None_Match=etag)[::2], (304, b""))
        self.assertEqual(self.ask(connection, "/large.bin", Range="bytes=70000-170000")[::2],
                         (206, content[70000:170001]))
        status, headers, body = self.ask(connection, "/large.bin", Range="bytes=0-99,150000-199999")
        self.assertEqual((status, int(headers["Content-Length"])), (206, len(body)))
        self.assertIn(content[150000:], body)
        self.assertEqual(self.ask(connection, "/large.bin", Range="bytes=200000-")[0], 416)
        self.assertEqual(self.ask(connection, "/small.txt")[2], b"small")
        self.assertEqual(self.ask(connection, "/sub")[1]["Location"], "/sub/")
        self.assertEqual(self.ask(connection, "/", "POST")[1]["Allow"], "GET, HEAD")
        self.assertIn(b"small.txt", self.ask(connection, "/")[2])
        self.assertEqual(self.ask(connection, "/../secret.txt")[0], 404)
        self.assertEqual([status for _, status, _ in self.log], [200, 200, 304, 206, 206, 416, 200, 301, 405, 200, 404])
        self.assertEqual([size for _, _, size in self.log[:4]], [200_000, 0, 0, 100_001])

    def test_what_a_course_client_sends(self):
        """Row 16 of the course programs: HTTP/1.0 and bare line feeds."""
        self.write("index.html", b"<h1>hello</h1>")
        with socket.create_connection(("127.0.0.1", self.port), 10) as client:
            client.sendall(b"GET /index.html HTTP/1.0\n\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertTrue(answer.endswith(b"\r\n\r\n<h1>hello</h1>"))

    def test_a_file_that_shrinks_ends_the_connection_and_no_other(self):
        path = self.write("large.bin", b"x" * 30_000_000)
        self.write("small.txt", b"small")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", self.port))
            client.settimeout(10)
            client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(1000)
            os.truncate(path, 100)
            received = 0
            with self.assertRaises(ConnectionError):
                while True:
                    data = client.recv(1_000_000)
                    received += len(data)
                    if not data:
                        raise ConnectionAbortedError
            self.assertLess(received, 30_000_000)
        self.assertEqual(self.ask(self.connect(), "/small.txt")[2], b"small")

    def test_a_client_that_does_not_read_keeps_nobody_waiting(self):
        self.write("large.bin", b"x" * 20_000_000)
        self.write("small.txt", b"small")
        with socket.create_connection(("127.0.0.1", self.port)) as slow:
            slow.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
            connection = self.connect()
            start = time.monotonic()
            for _ in range(50):
                self.assertEqual(self.ask(connection, "/small.txt")[2], b"small")
            self.assertLess(time.monotonic() - start, 5)

    @unittest.skipUnless(os.path.isdir("/proc/self/fd"), "counts descriptors in /proc")
    def test_no_descriptor_is_left_behind(self):
        self.write("large.bin", b"x" * 5_000_000)
        connection = self.connect()
        self.ask(connection, "/large.bin")
        before = len(os.listdir("/proc/self/fd"))
        for headers in ("", "Range: bytes=0-9,1000-2000000\r\n"):
            for _ in range(5):
                with socket.create_connection(("127.0.0.1", self.port)) as client:
                    client.sendall(f"GET /large.bin HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
                    client.recv(10)
        deadline = time.monotonic() + 10
        while len(os.listdir("/proc/self/fd")) > before and time.monotonic() < deadline:
            self.ask(connection, "/")
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), before)


class OnTheReactor(Conformance, SiteCase):
    def make_loop(self):
        return Reactor()

    def listen(self):
        return self.loop.listen(self.make_protocol, "127.0.0.1", 0).port

    def run_loop(self):
        self.loop.run()


class OnAsyncio(Conformance, SiteCase):
    """The same objects, unchanged."""

    def make_loop(self):
        return asyncio.SelectorEventLoop(selectors.SelectSelector())

    def listen(self):
        self.server = self.loop.run_until_complete(self.loop.create_server(self.make_protocol, "127.0.0.1", 0))
        return self.server.sockets[0].getsockname()[1]

    def run_loop(self):
        self.loop.run_forever()
        self.server.close()
        for protocol in self.protocols:
            if not protocol._transport.is_closing():
                protocol._transport.abort()
        self.loop.run_until_complete(asyncio.sleep(0))

    def make_protocol(self):
        protocol = super().make_protocol()
        self.protocols.append(protocol)
        return protocol

    def setUp(self):
        self.protocols = []
        # It complains of each write between a reset and connection_lost; and of abort() inside resume_writing(), after
        # which it calls connection_lost twice (its own fault: _write_ready does not look again whether it is lost).
        logging.disable(logging.ERROR)
        self.addCleanup(logging.disable, logging.NOTSET)
        super().setUp()


class AsAProgram(SiteCase):
    def start(self, *arguments):
        process = subprocess.Popen([sys.executable, "-m", "demos.http_server", "--port", "0", "--directory", self.site,
                                    *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    @unittest.skipUnless(os.name == "posix", "signals are POSIX's")
    def test_it_says_where_it_is_logs_what_it_does_and_ends_when_told(self):
        self.write("a.txt", b"here")
        process = self.start("--header", "X-Course: CSC361")
        port = int(process.stdout.readline().rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.addCleanup(connection.close)
        connection.request("GET", "/a.txt")
        response = connection.getresponse()
        self.assertEqual((response.read(), response.headers["X-Course"]), (b"here", "CSC361"))
        self.assertRegex(process.stderr.readline(), r'\A127\.0\.0\.1 - - \[.*\] "GET /a\.txt HTTP/1\.1" 200 4\n\Z')
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(5), 0)
        self.assertEqual(process.stderr.read(), "")

    def test_what_cannot_be_served_is_one_line_and_status_2(self):
        for signum in signal.SIGINT, signal.SIGTERM:  # a program that ends leaves them ignored
            self.addCleanup(signal.signal, signum, signal.getsignal(signum))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            for arguments in (("--directory", self.site + "/missing"), ("--port", port, "--directory", self.site),
                              ("--header", "nonsense"), ("--header", "Content-Length: 3"), ("--port", "x"),
                              ("--port", "70000"), ("--port", "-1")):
                with mock.patch("sys.stderr", io.StringIO()) as stderr, self.assertRaises(SystemExit) as end:
                    http_server.SERVER.main(arguments)
                self.assertEqual(end.exception.code, 2, arguments)
                self.assertEqual(stderr.getvalue().count("\n"), 1, arguments)


if __name__ == "__main__":
    unittest.main()
