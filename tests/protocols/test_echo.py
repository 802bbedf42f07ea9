"""Echo and hello: protocols/echo.py and protocols/hello.py."""
import unittest

from protocols.echo import Echo
from protocols.hello import Hello

from .fakes import connect


class EchoTest(unittest.TestCase):
    def test_every_byte_comes_back_in_order(self):
        echo = Echo()
        transport = connect(echo)
        for piece in (b"a", b"\r\n", bytes(range(256)), b"b"):
            echo.data_received(piece)
        self.assertEqual(transport.sent, b"a\r\n" + bytes(range(256)) + b"b")
        self.assertIsNone(transport.closed)

    def test_reading_stops_while_writing_is_paused(self):
        """Edge case 128: an echo-type protocol hands back pressure on."""
        echo = Echo()
        transport = connect(echo, high=10)
        echo.data_received(b"x" * 10)
        self.assertTrue(transport.reading)
        echo.data_received(b"x")
        self.assertFalse(transport.reading)
        transport.drain()
        self.assertTrue(transport.reading)

    def test_end_of_input_lets_the_transport_deliver_and_close(self):
        """A true answer would keep the connection half open for ever."""
        echo = Echo()
        transport = connect(echo)
        self.assertFalse(echo.eof_received())
        self.assertIsNone(transport.closed)


class HelloTest(unittest.TestCase):
    def test_the_greeting_names_the_address_and_the_connection_closes(self):
        for peername, expected in ((("127.0.0.1", 5), b"Hello 127.0.0.1\r\n"),
                                   (("::1", 5, 0, 0), b"Hello ::1\r\n"),
                                   ("", b"Hello localhost\r\n"),
                                   ("/tmp/client", b"Hello localhost\r\n"),
                                   (None, b"Hello localhost\r\n")):
            with self.subTest(peername=peername):
                transport = connect(Hello(), peername=peername)
                self.assertEqual(transport.sent, expected)
                self.assertEqual(transport.closed, "close")


if __name__ == "__main__":
    unittest.main()
