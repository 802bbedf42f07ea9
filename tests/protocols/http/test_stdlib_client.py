"""Python's own http.client against HttpServer, on the reactor and, the same object, on asyncio."""
import asyncio
import http.client
import logging
import os
import selectors
import tempfile
import threading
import time
import unittest

from protocols.http.message import FileSlice, Later, Response, Stream
from protocols.http.server import HttpServer
from reactor import Reactor

CONTENT = bytes(range(256)) * 4096


class ReactorThread:
    """Serves in a thread of its own until stop()."""

    def __init__(self, application):
        self._loop = Reactor()
        listener = self._loop.listen(lambda: HttpServer(application(self._loop), call_later=self._loop.call_later))
        host, _, port = listener.addresses[0].rpartition(":")
        self.address = host, int(port)
        self._thread = threading.Thread(target=self._loop.run)
        self._thread.start()

    def stop(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class AsyncioThread:
    """The same on asyncio."""

    def __init__(self, application):
        self._loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self._server = self._loop.run_until_complete(self._loop.create_server(
            lambda: HttpServer(application(self._loop), call_later=self._loop.call_later), "127.0.0.1", 0))
        self.address = self._server.sockets[0].getsockname()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def stop(self):
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._server.wait_closed())
        self._loop.close()


class Conversations:
    """Every kind of body both ways, on one connection that is kept."""
    thread = None

    @classmethod
    def setUpClass(cls):
        logging.getLogger("protocols.http").disabled = True  # It tells of the file that is too short.
        descriptor, cls.path = tempfile.mkstemp()
        with open(descriptor, "wb") as file:
            file.write(CONTENT)
        cls.server = cls.thread(cls.application)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        logging.getLogger("protocols.http").disabled = False
        os.unlink(cls.path)

    @classmethod
    def application(cls, loop):
        def stream():
            for number in range(100):
                yield b"%d\n" % number

        def later():
            answer = Later()
            loop.call_later(0.01, answer.answer, Response(200, (), b"later"))
            return answer

        def ticking():
            body = Stream(())

            def pieces():
                for number in range(3):
                    loop.call_later(0.01, lambda: body.wake())
                    yield b""
                    yield b"tick"
            body.pieces = pieces()
            return Response(200, (("Content-Type", "text/event-stream"),), body)

        def respond(request):
            if request.path == "/echo":
                return Response(200, (("Content-Type", "application/octet-stream"),), request.body)
            if request.path == "/stream":
                return Response(200, (), Stream(stream()))
            if request.path == "/file":
                return Response(200, (), FileSlice(open(cls.path, "rb", buffering=0), 5, len(CONTENT) - 5))
            if request.path == "/short":
                return Response(200, (), FileSlice(open(cls.path, "rb", buffering=0), 0, len(CONTENT) + 1))
            return later() if request.path == "/later" else ticking() if request.path == "/ticking" else Response(404)
        return respond

    def setUp(self):
        self.client = http.client.HTTPConnection(*self.server.address, timeout=10)
        self.addCleanup(self.client.close)

    def ask(self, method, path, body=None, **options):
        self.client.request(method, path, body, **options)
        with self.client.getresponse() as response:
            return response.status, response.read()

    def test_one_connection_for_everything(self):
        self.client.connect()
        name = self.client.sock.getsockname()
        for _ in range(3):
            self.assertEqual(self.ask("POST", "/echo", b"x" * 100000), (200, b"x" * 100000))
            self.assertEqual(self.ask("POST", "/echo", iter([b"a", b"b" * 5000]), encode_chunked=True,
                                      headers={"Transfer-Encoding": "chunked"}), (200, b"a" + b"b" * 5000))
            self.assertEqual(self.ask("GET", "/stream"), (200, b"".join(b"%d\n" % number for number in range(100))))
            self.assertEqual(self.ask("HEAD", "/stream"), (200, b""))
            self.assertEqual(self.ask("GET", "/file"), (200, CONTENT[5:]))
            self.assertEqual(self.ask("HEAD", "/file"), (200, b""))
            self.assertEqual(self.ask("GET", "/later"), (200, b"later"))
            self.assertEqual(self.ask("GET", "/ticking"), (200, b"tick" * 3))
            self.assertEqual(self.ask("GET", "/nothing"), (404, b""))
            self.assertEqual(self.client.sock.getsockname(), name)

    def test_a_file_that_is_too_short_is_no_whole_answer(self):
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            self.ask("GET", "/short")

    def test_a_refusal_can_be_read_though_more_was_being_sent(self):
        """Edge case 146."""
        self.client.putrequest("POST", "/echo")
        self.client.putheader("Content-Length", str(50 * 1024 * 1024))
        self.client.endheaders()
        with self.client.getresponse() as response:
            self.assertEqual((response.status, response.getheader("Connection")), (413, "close"))
            self.assertIn(b"longer", response.read())

    def test_pipelined_on_a_raw_socket(self):
        self.client.connect()
        sock = self.client.sock
        sock.sendall(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" * 200 + b"GET /stream HTTP/1.0\n\n")
        received = b""
        while True:
            data = sock.recv(65536)
            if not data:
                break
            received += data
        self.assertEqual(received.count(b"HTTP/1.1 404 Not Found"), 200)
        self.assertTrue(received.endswith(b"\r\n\r\n" + b"".join(b"%d\n" % number for number in range(100))))

    def test_a_slow_reader_keeps_nobody_waiting(self):
        self.client.connect()
        self.client.sock.sendall(b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        other = http.client.HTTPConnection(*self.server.address, timeout=10)
        self.addCleanup(other.close)
        begin = time.monotonic()
        for _ in range(10):
            other.request("GET", "/nothing")
            other.getresponse().read()
        self.assertLess(time.monotonic() - begin, 1)


class OnReactor(Conversations, unittest.TestCase):
    thread = ReactorThread


class OnAsyncio(Conversations, unittest.TestCase):
    thread = AsyncioThread


if __name__ == "__main__":
    unittest.main()
