"""The tools for tests, tested: they pass what is right, and fail what is wrong, in words that say where."""
import errno
import os
import re
import socket
import unittest

from protocols.echo import Echo
from protocols.lines import LineBuffer
from reactor.listener import Listener, bind
from reactor.testing import (Faults, FaultySocket, HostileSocket, Hostility, RecordingTransport, converse, pair,
                             split_everywhere, sweep_faults, sweep_hostility)

from ..case import Case, Recorder


class Counting(Echo):
    """Wrong: it takes the borders of what arrives for those of what was sent."""

    def data_received(self, data):
        self._transport.write(b"%d;" % len(data))


class Shouting(Recorder):
    """Right: a line at a time."""

    def __init__(self):
        super().__init__()
        self.lines = LineBuffer()

    def data_received(self, data):
        self.lines.feed(data)
        for line in self.lines:
            self.transport.write(line.upper() + b"\n")


class RecordingTransportTest(Case):

    def assert_misuse(self, pattern, **actions):
        """The action goes wrong at its first call."""
        protocol = Recorder(**actions)
        with self.assertRaisesRegex(AssertionError, pattern):
            transport = RecordingTransport(protocol, high=4)
            transport.receive(b"x")
            transport.lose()

    def test_it_records(self):
        protocol = Recorder(data_received=lambda protocol, data: protocol.transport.writelines([data, b"!"]),
                            eof_received=lambda protocol: protocol.transport.write_eof() or True)
        transport = RecordingTransport(protocol, peername=("::1", 7))
        transport.receive(b"hello")
        transport.end()
        self.assertEqual((b"hello!", "", True), (transport.sent, transport.closed, transport.half_closed))
        transport.lose()
        self.assertEqual(["connection_made", "data_received", "eof_received", "connection_lost"], protocol.calls)
        self.assertEqual(("::1", 7), transport.get_extra_info("peername"))
        self.assertIsNone(transport.get_extra_info("socket"))

    def test_an_eof_that_the_protocol_does_not_answer_closes(self):
        transport = RecordingTransport(Recorder())
        transport.end()
        self.assertEqual("close", transport.closed)

    def test_writing_misused_is_told(self):
        self.assert_misuse("write.. of a str: .* data.encode", data_received=lambda p, data: p.transport.write("text"))
        self.assert_misuse(r"write\(b'x'\) after close", data_received=lambda p, data:
                           p.transport.close() or p.transport.write(data))
        self.assert_misuse(r"write\(b'x'\) after abort", data_received=lambda p, data:
                           p.transport.abort() or p.transport.write(data))
        self.assert_misuse(r"write\(b'x'\) after write_eof", data_received=lambda p, data:
                           p.transport.write_eof() or p.transport.write(data))
        self.assert_misuse(r"write\(b'last'\) after connection_lost", connection_lost=lambda p, exc:
                           p.transport.write(b"last"))
        self.assert_misuse("9 bytes are queued: writing was paused", data_received=lambda p, data:
                           [p.transport.write(b"123") for _ in range(3)])

    def test_the_queue_pauses_and_resumes(self):
        protocol = Recorder(data_received=lambda protocol, data: protocol.transport.write(data))
        transport = RecordingTransport(protocol, high=4)
        transport.receive(b"12345")
        self.assertEqual((["pause_writing"], 5), (protocol.calls[2:], transport.get_write_buffer_size()))
        transport.drain()
        self.assertEqual((["pause_writing", "resume_writing"], 0),
                         (protocol.calls[2:], transport.get_write_buffer_size()))

    def test_what_arrives_while_reading_is_paused_is_held_back(self):
        protocol = Recorder(data_received=lambda protocol, data: protocol.transport.pause_reading())
        transport = RecordingTransport(protocol)
        transport.receive(b"one")
        transport.receive(b"two")
        self.assertEqual(b"one", protocol.data)
        transport.resume_reading()
        self.assertEqual(b"one", protocol.data)
        transport.receive()
        self.assertEqual(b"onetwo", protocol.data)

    def test_nothing_reaches_a_protocol_that_closed(self):
        protocol = Recorder(data_received=lambda protocol, data: protocol.transport.close())
        transport = RecordingTransport(protocol)
        transport.receive(b"one")
        transport.receive(b"two")
        transport.end()
        transport.lose()
        self.assertEqual((b"one", ["connection_made", "data_received", "connection_lost"]),
                         (protocol.data, protocol.calls))

    def test_a_test_that_calls_out_of_order_is_told_too(self):
        for first, second in (("lose", "receive"), ("lose", "lose"), ("end", "end")):
            transport = RecordingTransport(Recorder())
            getattr(transport, first)()
            with self.assertRaises(AssertionError):
                getattr(transport, second)()
        transport = RecordingTransport(Recorder())
        transport.end()
        with self.assertRaises(AssertionError):
            transport.receive(b"more")


class SplitTest(Case):

    def test_a_right_protocol_passes(self):
        outcome = split_everywhere(Shouting, b"one\r\ntwo\nthr")
        self.assertEqual((b"ONE\nTWO\n", "close", False), outcome)

    def test_a_wrong_one_fails_with_the_cut(self):
        with self.assertRaisesRegex(AssertionError, "byte by byte: .*b'1;1;1;1;1;'.*b'5;'"):
            split_everywhere(Counting, b"hello")


class ConversationTest(Case):

    def test_the_answer_is_what_the_peer_got(self):
        self.assertEqual(b"HELLO\n", converse(lambda reactor: Shouting(), b"hello\n"))

    def test_who_speaks_first_and_closes_needs_no_half_close(self):
        def speak(protocol):
            protocol.transport.write(b"hello" * 10000)
            protocol.transport.close()
        self.assertEqual(b"hello" * 10000,
                         converse(lambda reactor: Recorder(connection_made=speak), b"", half_close=False))

    def test_time_passes_where_nothing_else_can_happen(self):
        def later(reactor):
            return Recorder(connection_made=lambda protocol: reactor.call_later(60, protocol.transport.close))
        self.assertEqual(b"", converse(later, b"", half_close=False))

    def test_a_conversation_without_end_is_told(self):
        with self.assertRaisesRegex(AssertionError, "it never ends"):
            converse(lambda reactor: Recorder(eof_received=lambda protocol: True), b"")

    def test_what_a_protocol_raises_is_told(self):
        with self.assertLogs("reactor"), self.assertRaisesRegex(AssertionError, "data_received.*ZeroDivisionError|"
                                                                "on_readable raised ZeroDivisionError"):
            converse(lambda reactor: Recorder(data_received=lambda protocol, data: 1 // 0), b"x")

    def test_what_is_left_behind_is_told(self):
        def watch(reactor):
            ours, peer = self.pair()
            return Recorder(connection_made=lambda protocol: reactor.add_reader(ours, print))
        with self.assertRaisesRegex(AssertionError, "1 watchers are left"):
            converse(watch, b"")


class SweepTest(Case):

    def test_right_protocols_pass(self):
        self.assertGreater(sweep_faults(lambda reactor: Shouting(), b"hello\nworld\n"), 15)
        self.assertEqual(20, sweep_hostility(lambda reactor: Shouting(), b"hello\nworld\n" * 20, range(20)))

    def test_wrong_ones_fail_with_the_fault_or_the_seed(self):
        with self.assertRaisesRegex(AssertionError, "one byte in call 1: b'1;4;' instead of b'5;'"):
            sweep_faults(lambda reactor: Counting(), b"hello")
        with self.assertRaisesRegex(AssertionError, r"hostile seed \d+: .* instead of b'5;'"):
            sweep_hostility(lambda reactor: Counting(), b"hello")

    def test_a_shutdown_that_fails_has_happened(self):
        """No system refuses a healthy socket's half-close, so the fault must not keep it from the peer."""
        ours, peer = self.pair()
        with self.assertRaises(ConnectionResetError):
            FaultySocket(ours, Faults(1, errno.ECONNRESET)).shutdown(socket.SHUT_WR)
        self.assertEqual(b"", peer.recv(1))


class HostilityTest(Case):

    def streams(self, hostility, data):
        """A hostile socket that has `data` to read, and its peer."""
        ours, peer = self.pair()
        peer.sendall(data)
        return HostileSocket(ours, hostility), peer

    def pieces(self, sock, size=1000, until=b""):
        """What each recv answers, "EAGAIN" included, until end of file or a reset."""
        pieces = []
        for _ in range(1000):
            try:
                data = sock.recv(size)
            except BlockingIOError:
                pieces.append("EAGAIN")
            except ConnectionResetError:
                return [*pieces, "reset"]
            else:
                if not data:
                    return [*pieces, "end"]
                pieces.append(len(data))
        self.fail(f"no end in {pieces[:10]}")

    def test_a_seed_is_the_same_day_on_every_python(self):
        hostility = Hostility(7, most=10, not_now=0.3)
        sock, peer = self.streams(hostility, bytes(60))
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(["EAGAIN", 7, 2, "EAGAIN", 9, "EAGAIN", 9, "EAGAIN", 3, 3, 6, 3, 4, 2, 8, 4, "end"],
                         self.pieces(sock))

    def test_where_it_cuts_does_not_depend_on_how_one_reads_nor_on_the_other_direction(self):
        def cuts(size, sends):
            sock, peer = self.streams(Hostility(3, most=10), bytes(100))
            peer.shutdown(socket.SHUT_WR)
            places, at = [], 0
            for piece in self.pieces(sock, size):
                if sends:
                    try:
                        sock.send(b"1234567")
                    except BlockingIOError:
                        pass
                at += piece if isinstance(piece, int) else 0
                places.append(at)
            return set(places)
        self.assertLess(cuts(1000, False), cuts(1, False))
        self.assertEqual(cuts(1000, False), cuts(1000, True))

    def test_each_connection_has_its_own_whims(self):
        hostility = Hostility(1, most=50)
        runs = []
        for _ in range(2):
            sock, peer = self.streams(hostility, bytes(500))
            peer.close()
            runs.append(self.pieces(sock))
        self.assertNotEqual(*runs)

    def test_a_blocking_socket_never_hears_eagain(self):
        sock, peer = self.streams(Hostility(1, most=5, not_now=1.0), bytes(100))
        peer.close()
        sock.setblocking(True)
        self.assertNotIn("EAGAIN", self.pieces(sock))

    def test_end_of_file_at_a_byte_is_found_by_select(self):
        for seed in range(10):
            sock, peer = self.streams(Hostility(seed, ends_at=23), bytes(100))
            pieces = self.pieces(sock)
            self.assertEqual(23, sum(piece for piece in pieces if isinstance(piece, int)))
            self.assertEqual("end", pieces[-1])
            self.assertEqual(b"", sock.recv(10))

    def test_a_reset_at_a_byte_of_either_direction(self):
        sock, peer = self.streams(Hostility(1, resets_at=23), bytes(100))
        pieces = self.pieces(sock)
        self.assertEqual((23, "reset"), (sum(piece for piece in pieces if isinstance(piece, int)), pieces[-1]))
        self.assertRaises(ConnectionResetError, sock.send, b"x")
        sock, peer = self.streams(Hostility(1, resets_at=23, not_now=0), b"")
        with self.assertRaises(ConnectionResetError):
            for _ in range(30):
                sock.send(bytes(100))
        self.assertEqual(23, len(peer.recv(100)))
        self.assertRaises(ConnectionResetError, sock.recv, 10)

    def test_a_reactor_loses_each_connection_once_by_either(self):
        for knobs in {"ends_at": 50}, {"resets_at": 50}:
            for seed in range(10):
                ours, theirs = pair()
                with self.subTest(seed=seed, **knobs), theirs, self.open_reactor() as reactor:
                    sock = HostileSocket(ours, Hostility(seed, **knobs))
                    theirs.sendall(bytes(100))
                    protocol = Recorder(data_received=lambda protocol, data: protocol.transport.write(data))
                    reactor.adopt(lambda: protocol, sock)
                    for _ in range(300):
                        reactor.turn(0)
                        if protocol.lost:
                            break
                    self.assertEqual(1, len(protocol.lost))
                    self.assertEqual("resets_at" in knobs, isinstance(protocol.lost[0], ConnectionResetError))
                    self.assertEqual(set(), reactor.endpoints)

    def test_a_listener_in_hostile_hands_accepts_everybody_in_the_end(self):
        reactor = self.open_reactor()
        protocols = []
        server, = bind("127.0.0.1", 0)
        listener = Listener(reactor, [HostileSocket(server, Hostility(5, most=2, not_now=0.7))],
                            lambda: protocols.append(Recorder()) or protocols[-1])
        clients = [self.client_of(listener) for _ in range(10)]
        for turns in range(200):
            reactor.turn(0)
            if len(protocols) == len(clients):
                break
        self.assertEqual(10, len(protocols))
        self.assertIsInstance(protocols[0].transport.get_extra_info("socket"), HostileSocket)
        self.assertGreater(turns, 2)


class TutorialTest(Case):

    def test_the_tutorials_code_runs(self):
        path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "README.md")
        with open(path, encoding="utf-8") as file:
            blocks = re.findall(r"^```python\n(.*?)^```", file.read(), re.DOTALL | re.MULTILINE)
        self.assertGreaterEqual(len(blocks), 5)
        names = {"__name__": "tutorial"}
        for block in blocks:
            exec(compile(block, path, "exec"), names)
        suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(case) for case in names.values()
                                   if isinstance(case, type) and issubclass(case, unittest.TestCase))
        result = unittest.TestResult()
        suite.run(result)
        self.assertEqual([], result.failures + result.errors)
        self.assertGreaterEqual(result.testsRun, 4)


if __name__ == "__main__":
    unittest.main()
