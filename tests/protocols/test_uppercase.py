"""Capitals: protocols/uppercase.py."""
import unittest

from protocols.request_reply import SILENCE
from protocols.uppercase import Uppercase, UppercaseDatagrams, UppercaseLines

from .fakes import FakeClock, FakeDatagramTransport, connect, splits

EVERY_BYTE = bytes(range(256))


class StreamTest(unittest.TestCase):
    def test_a_stream_comes_back_in_capitals_at_every_split(self):
        """Edge case 162: also where a character of two bytes is cut."""
        stream = "hello, Wörld\r\n\n".encode() + b"\xff\xe9"
        for pieces in splits(stream):
            with self.subTest(pieces=pieces):
                uppercase = Uppercase()
                transport = connect(uppercase)
                for piece in pieces:
                    uppercase.data_received(piece)
                self.assertEqual(transport.sent, "HELLO, WöRLD\r\n\n".encode() + b"\xff\xe9")
                self.assertIsNone(transport.closed)

    def test_once_closes_after_the_first_reply(self):
        uppercase = Uppercase(once=True)
        transport = connect(uppercase)
        uppercase.data_received(b"john")
        self.assertEqual((transport.sent, transport.closed), (b"JOHN", "close"))

    def test_reading_stops_while_writing_is_paused(self):
        """Edge case 128."""
        uppercase = Uppercase()
        transport = connect(uppercase, high=3)
        uppercase.data_received(b"abcd")
        self.assertFalse(transport.reading)
        transport.drain()
        self.assertTrue(transport.reading)


class LinesTest(unittest.TestCase):
    def connect(self):
        clock = FakeClock()
        protocol = UppercaseLines(call_later=clock.call_later)
        return clock, protocol, connect(protocol)

    def test_lines_come_back_in_capitals_until_an_empty_one(self):
        """Edge case 165: what follows the empty line in the same piece is not answered."""
        for pieces in splits(b"one\r\ntwo\n\r\nthree\n"):
            with self.subTest(pieces=pieces):
                _, protocol, transport = self.connect()
                for piece in pieces:
                    protocol.data_received(piece)
                self.assertEqual(transport.sent, b"ONE\r\nTWO\r\n")
                self.assertTrue(transport.eof)

    def test_a_line_without_its_end_is_answered_after_silence(self):
        clock, protocol, transport = self.connect()
        protocol.data_received(b"hello")
        clock.advance(SILENCE)
        self.assertEqual(transport.sent, b"HELLO\r\n")


class DatagramTest(unittest.TestCase):
    def test_each_datagram_goes_back_to_its_sender(self):
        protocol, transport = UppercaseDatagrams(), FakeDatagramTransport()
        protocol.connection_made(transport)
        received = [(b"one", ("192.0.2.1", 1)), (b"", ("192.0.2.2", 2)), (b"x" * 65507, ("192.0.2.3", 3)),
                    (EVERY_BYTE, ("::1", 4, 0, 0))]
        for data, addr in received:
            protocol.datagram_received(data, addr)
        self.assertEqual(transport.sent, [(data.upper(), addr) for data, addr in received])
        self.assertEqual(transport.sent[3][0][128:], EVERY_BYTE[128:])


if __name__ == "__main__":
    unittest.main()
