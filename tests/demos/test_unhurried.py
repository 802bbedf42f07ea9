import contextlib
import io
import os
import signal
import sys
import unittest

from demos.unhurried import PIECE, Unhurried, stderr_waits_for_nobody

from .running import PATIENCE, POSIX, Running, connected, everything


@unittest.skipUnless(POSIX, "select() takes no pipes there")
class APipe(unittest.TestCase):
    """Non-blocking, so that a write which would have waited for ever raises."""

    def setUp(self):
        self.reading, writing = os.pipe()
        self.addCleanup(os.close, self.reading)
        os.set_blocking(writing, False)
        os.set_blocking(self.reading, False)
        self.stream = open(writing, "w")
        self.addCleanup(self.stream.close)

    def read(self):
        pieces = []
        try:
            while True:
                pieces.append(os.read(self.reading, 65536))
        except BlockingIOError:
            return b"".join(pieces).decode()

    def test_a_reader_who_reads_gets_everything(self):
        stream = Unhurried(self.stream)
        for text in ("one\n", "two\n" * PIECE, "drei \N{EURO SIGN}\n"):
            self.assertEqual(stream.write(text), len(text))
            self.assertEqual(self.read(), text)

    def test_a_full_pipe_is_not_waited_for_and_the_lines_that_are_missing_are_counted(self):
        stream = Unhurried(self.stream)
        count = 0
        while not stream._left_out:
            stream.write(f"{count:099}\n")
            count += 1
        for _ in range(9):
            stream.write("nobody reads this\n")
        before = self.read()
        self.assertEqual(before, "".join(f"{number:099}\n" for number in range(count - 1)))
        stream.write("")
        stream.write("after\n")
        stream.write("and so on\n")
        self.assertEqual(self.read(), "\n(10 lines are left out here: nobody read them)\nafter\nand so on\n")

    def test_a_server_whose_stderr_nobody_reads_serves_on_and_ends_in_time(self):
        with Running("http_server", "--port", 0) as server:
            for _ in range(30):  # of which each is a line of 4 KiB, and a pipe holds 64
                with connected(server.port) as sock:
                    sock.sendall(b"GET /" + b"x" * 4000 + b" HTTP/1.0\r\n\r\n")
                    self.assertTrue(everything(sock).startswith(b"HTTP/1.1 404"))
            server.process.send_signal(signal.SIGINT)
            self.assertEqual(server.process.wait(PATIENCE), 0)


class OtherStreams(unittest.TestCase):
    def test_a_stream_without_a_descriptor_takes_everything(self):
        stream = io.StringIO()
        print("hello", file=Unhurried(stream))
        self.assertEqual(stream.getvalue(), "hello\n")

    def test_a_broken_stream_says_so(self):
        stream = io.StringIO()
        stream.close()
        with self.assertRaises(ValueError):
            Unhurried(stream).write("x")

    def test_everything_else_is_the_streams_own(self):
        stream = io.StringIO()
        self.assertFalse(Unhurried(stream).isatty())
        self.assertIs(Unhurried(stream).closed, False)

    def test_a_program_without_stderr_is_left_as_it_is(self):
        with contextlib.redirect_stderr(None), stderr_waits_for_nobody():
            self.assertIsNone(sys.stderr)
