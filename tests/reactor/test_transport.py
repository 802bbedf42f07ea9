"""Reading, writing, flow control and closing of one connection: reactor/transport.py and endpoint.py."""
import array
import errno
import gc
import logging
import platform
import random
import socket
import tempfile
import unittest

from reactor import Reactor, transport as module
from reactor.testing import ScriptedSocket, pair, run_turns

from ..case import Case, Recorder, reset, watched

BIG = 1024 * 1024


class TransportCase(Case):
    """A reactor with a clock that never sleeps, and a connection adopted by it."""

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()

    def adopt(self, sock, **actions):
        transport, protocol = self.reactor.adopt(lambda: Recorder(**actions), sock)
        self.reactor.turn(0)
        return transport, protocol

    def connect(self, buffer=None, **actions):
        """Transport, protocol, and the peer of a socketpair."""
        ours, peer = self.pair(buffer)
        return (*self.adopt(ours, **actions), peer)

    def script(self, *answers, **actions):
        """Transport, protocol, and the kernel that answers as told; reading is paused, so that writing is alone."""
        sock = ScriptedSocket(*answers)
        actions.setdefault("connection_made", lambda protocol: protocol.transport.pause_reading())
        return (*self.adopt(sock, **actions), sock)

    def tcp_pair(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            peer = socket.create_connection(server.getsockname(), 1.0)
            self.addCleanup(peer.close)
            ours, _ = server.accept()
        self.addCleanup(ours.close)
        return ours, peer

    def until(self, condition):
        return run_turns(self.reactor, condition, at_most=10000)

    def settle(self):
        run_turns(self.reactor)

    def read_all(self, peer):
        """All that the peer gets until end of file, with the loop turning meanwhile."""
        peer.setblocking(False)
        pieces = []
        for _ in range(20000):
            self.reactor.turn(0)
            try:
                data = peer.recv(65536)
            except BlockingIOError:
                continue
            if not data:
                return b"".join(pieces)
            pieces.append(data)
        self.fail("no end of file")

    def assert_spins_not(self):
        self.settle()
        for _ in range(3):
            self.assertEqual(0, self.reactor.turn(0), "somebody is ready: a running loop would spin")

    def assert_lost(self, protocol, expected=type(None)):
        """connection_lost came once, last, with that type, and nothing is watched."""
        self.assertEqual([expected], [type(exc) for exc in protocol.lost])
        self.assertEqual("connection_lost", protocol.calls[-1])
        self.assertEqual(([self.reactor.wakeup._ear.fileno()], []), watched(self.reactor))


def errors(*numbers):
    return [OSError(number, "scripted") for number in numbers]


class ReadingTest(TransportCase):
    def test_not_now_is_an_answer_and_not_an_error(self):
        """Edge case 95: EAGAIN and EINTR from recv keep the connection as it is."""
        sock = ScriptedSocket(*errors(errno.EAGAIN, errno.EINTR, errno.EWOULDBLOCK), b"after all")
        _, protocol = self.adopt(sock)
        self.until(lambda: protocol.data)
        self.assertEqual(b"after all", protocol.data)
        self.assertEqual(["connection_made", "data_received"], protocol.calls)

    def test_end_of_file_comes_once_and_closes(self):
        """Edge cases 96, 97: the default answer of eof_received closes in an orderly way."""
        _, protocol, peer = self.connect()
        peer.send(b"last words")
        peer.close()
        self.settle()
        self.assertEqual(["connection_made", "data_received", "eof_received", "connection_lost"], protocol.calls)
        self.assert_lost(protocol)

    def test_after_end_of_file_nothing_is_asked_any_more(self):
        """Edge case 96: not by the parting either."""
        sock = ScriptedSocket(b"")
        _, protocol = self.adopt(sock)
        self.settle()
        self.assert_lost(protocol)
        self.assertEqual(["recv", "close"], sock.calls)

    def test_a_true_answer_to_end_of_file_keeps_our_side_open_and_does_not_spin(self):
        """Edge cases 97, 98: end of file stays readable for ever, so it must not be watched."""
        transport, protocol, peer = self.connect(eof_received=lambda protocol: True)
        peer.shutdown(socket.SHUT_WR)
        self.assert_spins_not()
        self.assertFalse(transport.is_reading())
        transport.write(b"still here")
        transport.pause_reading()
        transport.resume_reading()
        self.assert_spins_not()
        self.assertEqual(1, protocol.calls.count("eof_received"))
        transport.close()
        self.settle()
        self.assertEqual(b"still here", peer.recv(100))
        self.assertEqual(b"", peer.recv(100))
        self.assert_lost(protocol)

    def test_a_reset_is_told_once_and_nothing_is_asked_after_it(self):
        """Edge cases 99, 100: the first error decides; after it recv would answer b"", which means something else."""
        sock = ScriptedSocket(ConnectionResetError(errno.ECONNRESET, "reset"), b"")
        _, protocol = self.adopt(sock)
        self.settle()
        self.assertEqual(["connection_made", "connection_lost"], protocol.calls)
        self.assert_lost(protocol, ConnectionResetError)
        self.assertEqual(["recv", "close"], sock.calls)

    def test_a_reset_over_tcp_logs_nothing_and_ends_the_connection(self):
        """Edge case 99, with a real reset.  The base class would notice a logged line."""
        ours, peer = self.tcp_pair()
        _, protocol = self.adopt(ours)
        reset(peer)
        self.until(lambda: protocol.lost)
        self.assert_lost(protocol, ConnectionResetError)
        self.assertNotIn("eof_received", protocol.calls)

    def test_a_peer_that_closes_with_our_bytes_unread_is_a_reset_or_an_end(self):
        """Edge case 101: on Linux recv raises ECONNRESET even on a socketpair."""
        transport, protocol, peer = self.connect()
        transport.write(b"never read")
        peer.close()
        self.until(lambda: protocol.lost)
        self.assertIn(type(protocol.lost[0]), (ConnectionResetError, type(None)))
        self.assert_lost(protocol, type(protocol.lost[0]))

    def test_one_recv_for_each_turn_in_which_it_is_readable(self):
        """Edge cases 102, 129: who sends much does not keep the loop from the others."""
        sock = ScriptedSocket(*[b"x"] * 10)
        _, protocol = self.adopt(sock)
        for expected in (1, 2, 3):
            while len(sock.calls) < expected:
                self.reactor.turn(0)
            self.assertEqual(b"x" * expected, protocol.data)

    def test_much_is_asked_for_only_from_who_sends_much(self):
        asked = []
        sock = ScriptedSocket()
        answers = [b"x" * module.MODEST, b"x", b"x"]
        sock.recv = lambda size: asked.append(size) or answers.pop(0)
        _, protocol = self.adopt(sock)
        self.until(lambda: not answers)
        self.assertEqual([module.MODEST, module.LARGE, module.MODEST], asked)
        protocol.transport.abort()

    def test_after_close_in_data_received_nothing_more_is_received(self):
        """Edge case 103."""
        _, protocol, peer = self.connect(data_received=lambda protocol, data: protocol.transport.close())
        peer.send(b"first")
        self.reactor.turn(0)
        peer.send(b"second")
        self.reactor.turn(0)
        peer.close()
        self.settle()
        self.assertEqual(["connection_made", "data_received", "connection_lost"], protocol.calls)
        self.assertEqual(b"first", protocol.data)

    def test_pausing_is_honoured_wherever_it_is_asked_for(self):
        """Edge case 104: in data_received, and in connection_made before reading has begun."""
        for where in ("connection_made", "data_received"):
            with self.subTest(where=where):
                transport, protocol, peer = self.connect(
                    **{where: lambda protocol, *args: protocol.transport.pause_reading()})
                self.assertEqual(where != "connection_made", transport.is_reading())
                peer.send(b"1")
                self.settle()
                peer.send(b"2")
                self.assert_spins_not()
                self.assertEqual(b"" if where == "connection_made" else b"1", protocol.data)
                self.assertFalse(transport.is_reading())
                transport.pause_reading()
                protocol.actions.clear()
                transport.resume_reading()
                transport.resume_reading()
                self.assertNotEqual(b"12", protocol.data, "data came from inside resume_reading()")
                self.settle()
                self.assertEqual(b"12", protocol.data)

    def test_paused_and_resumed_before_the_protocol_was_introduced(self):
        """Edge case 104: connection_made stays the first callback."""
        ours, peer = self.pair()
        peer.send(b"early")
        transport, protocol = self.reactor.adopt(Recorder, ours)
        transport.pause_reading()
        transport.resume_reading()
        self.settle()
        self.assertEqual(["connection_made", "data_received"], protocol.calls)

    def test_pausing_and_resuming_after_close_does_nothing(self):
        """Edge case 105."""
        for end in ("close", "abort"):
            with self.subTest(end=end):
                transport, protocol, peer = self.connect()
                transport.pause_reading()
                getattr(transport, end)()
                transport.resume_reading()
                transport.pause_reading()
                transport.resume_reading()
                peer.send(b"too late") if end == "close" else None
                peer.shutdown(socket.SHUT_WR)
                self.settle()
                transport.resume_reading()
                self.assert_lost(protocol)
                self.assertNotIn("data_received", protocol.calls)

    def test_pausing_while_lingering_does_not_keep_the_connection_from_its_end(self):
        """Edge cases 105, 146."""
        transport, protocol, peer = self.connect()
        peer.send(b"unread")
        transport.close()
        self.settle()
        transport.pause_reading()
        peer.close()
        self.settle()
        self.assert_lost(protocol)

    def test_a_paused_connection_does_not_hear_the_end_until_it_resumes(self):
        """Edge case 106: documented at pause_reading()."""
        transport, protocol, peer = self.connect()
        transport.pause_reading()
        peer.close()
        self.assert_spins_not()
        self.assertEqual(["connection_made"], protocol.calls)
        transport.resume_reading()
        self.settle()
        self.assert_lost(protocol)

    def test_a_paused_connection_ends_where_writing_fails(self):
        """Edge case 106: write errors end it all the same."""
        transport, protocol, peer = self.connect()
        transport.pause_reading()
        peer.close()
        transport.write(b"anybody there?")
        self.settle()
        self.assert_lost(protocol, BrokenPipeError)

    def test_an_exception_that_cannot_even_be_shown_costs_its_own_connection_and_not_the_loop(self):
        class Unprintable(Exception):
            def __str__(self):
                raise RuntimeError("not even this works")
            __repr__ = __str__

        def fail(protocol, data):
            raise Unprintable

        _, protocol, peer = self.connect(data_received=fail)
        peer.send(b"x")
        with self.assertLogs("reactor", "ERROR"):
            self.settle()
        self.assertEqual([Unprintable], [type(exc) for exc in protocol.lost])

    def test_a_protocol_that_raises_loses_its_own_connection_and_no_other(self):
        """Edge case 107: one line in the log, connection_lost with what was raised, others go on."""
        def fail(protocol, *args):
            raise ZeroDivisionError("mine")
        _, other, other_peer = self.connect()
        for where in ("connection_made", "data_received", "eof_received"):
            with self.subTest(where=where), self.assertLogs("reactor", logging.ERROR) as logs:
                _, protocol, peer = self.connect(**{where: fail})
                if where != "connection_made":
                    peer.send(b"x")
                peer.close()
                self.settle()
                self.assertEqual([ZeroDivisionError], [type(exc) for exc in protocol.lost])
                self.assertEqual([where, "connection_lost"], protocol.calls[-2:])
            self.assertEqual(1, len(logs.output))
            self.assertIn(where, repr(logs.records[0].exc_info[2].tb_next.tb_frame.f_code) + logs.output[0])
        other_peer.send(b"fine")
        self.settle()
        self.assertEqual(b"fine", other.data)

    def test_urgent_data_does_not_spin(self):
        """A byte out of band shows in select's third list, for which nobody asks."""
        ours, peer = self.tcp_pair()
        _, protocol = self.adopt(ours)
        peer.send(b"!", socket.MSG_OOB)
        self.assert_spins_not()
        peer.send(b"normal")
        self.until(lambda: protocol.data)
        self.assertEqual(b"normal", protocol.data)


class WritingTest(TransportCase):
    def test_what_is_written_before_connection_made_pauses_after_it(self):
        """Edge case 117: no callback comes before connection_made, however much is queued."""
        reactor = self.open_reactor()
        ours, peer = self.pair(4096)
        transport, protocol = reactor.adopt(Recorder, ours)
        transport.write(bytes(10 ** 6))
        reactor.turn(0)
        self.assertEqual(["connection_made", "pause_writing"], protocol.calls[:2])

    def test_what_the_kernel_did_not_take_follows_in_order(self):
        """Edge cases 110, 115, 116: try at once, queue the rest, then only append."""
        transport, _, sock = self.script(3, 2, 100)
        transport.write(b"hello")
        self.assertEqual((b"hel", 2), (sock.sent, transport.get_write_buffer_size()))
        transport.write(b" world")
        self.assertEqual(["send"], sock.calls, "while something is queued a write may only append")
        self.assertEqual(8, transport.get_write_buffer_size())
        self.settle()
        self.assertEqual((b"hello world", 0), (sock.sent, transport.get_write_buffer_size()))

    def test_not_now_from_send_keeps_everything(self):
        """Edge cases 111, 112: EAGAIN although select said writable; ENOBUFS and EINTR mean the same."""
        for number in (errno.EAGAIN, errno.ENOBUFS, errno.EINTR):
            with self.subTest(errno.errorcode[number]):
                transport, protocol, sock = self.script(*errors(number, number), 2, *errors(number), 100)
                transport.write(b"hello")
                self.until(lambda: not transport.get_write_buffer_size())
                self.assertEqual(b"hello", sock.sent)
                self.assertEqual([], protocol.lost)

    def test_a_broken_pipe_drops_the_queue_and_is_told_once_and_later(self):
        """Edge case 113: at the first attempt and while the queue is sent."""
        for before in ([], [1]):
            with self.subTest(sent_before=before):
                transport, protocol, sock = self.script(*before, BrokenPipeError(errno.EPIPE, "gone"))
                transport.write(b"hello")
                self.until(transport.is_closing)
                if not before:
                    self.assertEqual(["connection_made"], protocol.calls, "told inside the caller's stack")
                self.assertEqual(0, transport.get_write_buffer_size())
                transport.write(b"more")
                self.settle()
                self.assert_lost(protocol, BrokenPipeError)
                self.assertEqual(4, transport.dropped)

    def test_writing_to_a_peer_that_left_is_an_exception_and_no_signal(self):
        """Edge case 114: Python ignores SIGPIPE, and nobody here changes that."""
        ours, peer = self.tcp_pair()
        transport, protocol = self.adopt(ours, eof_received=lambda protocol: True)
        peer.close()
        for _ in range(100):
            transport.write(b"x")
            self.reactor.turn(0)
        self.until(lambda: protocol.lost)
        self.assertIsInstance(protocol.lost[0], (BrokenPipeError, ConnectionResetError))

    def test_writing_from_any_callback_is_sent_in_order(self):
        """Edge case 117: connection_made, data_received, eof_received, pause_writing, resume_writing."""
        def saying(text):
            return lambda protocol, *args: protocol.transport.write(text)
        transport, protocol, peer = self.connect(
            buffer=1, connection_made=saying(b"made "), data_received=saying(b"x" * BIG),
            pause_writing=saying(b" paused "), resume_writing=lambda protocol: protocol.transport.write(b"resumed "),
            eof_received=saying(b"eof"))
        peer.send(b"go")
        self.reactor.turn(0)
        peer.shutdown(socket.SHUT_WR)
        received = self.read_all(peer)
        # "eof" is queued as soon as the end is seen, long before the queue fell to the low-water mark;
        # what resume_writing says comes after close(), which is too late.
        self.assertTrue(received == b"made " + b"x" * BIG + b" paused eof")
        self.assertEqual(8, transport.dropped)
        self.assert_lost(protocol)

    def test_resume_writing_may_fill_the_queue_again(self):
        """Edge case 118: the state is read again after the call, and the turn ends."""
        pieces = [b"b" * BIG, b"c" * BIG]

        def more(protocol):
            if pieces:
                protocol.transport.write(pieces.pop(0))
            else:
                protocol.transport.close()
        transport, protocol, peer = self.connect(resume_writing=more)
        transport.write(b"a" * BIG)
        received = self.read_all(peer)
        self.assertTrue(received == b"a" * BIG + b"b" * BIG + b"c" * BIG)
        self.assertEqual(["pause_writing", "resume_writing"] * 3, protocol.calls[1:-1])

    def test_one_pause_above_the_high_mark_and_one_resume_at_the_low_mark(self):
        """Edge cases 119, 120: strictly above, at or below, each once."""
        transport, protocol, sock = self.script(*errors(errno.EAGAIN), 1, 5, 1, 1)
        transport.set_write_buffer_limits(high=10, low=3)
        transport.write(b"x" * 10)
        self.assertNotIn("pause_writing", protocol.calls)
        transport.write(b"y")
        self.assertEqual(["pause_writing"], protocol.calls[1:])
        transport.write(b"z")
        self.assertEqual(["pause_writing"], protocol.calls[1:])
        for size in (11, 6, 5, 4):
            self.reactor.turn(0)
            self.assertEqual((size, ["pause_writing"]), (transport.get_write_buffer_size(), protocol.calls[1:]))
        sock.script.append(1)
        self.reactor.turn(0)
        self.assertEqual((3, ["pause_writing", "resume_writing"]),
                         (transport.get_write_buffer_size(), protocol.calls[1:]))

    def test_marks_of_zero_pause_on_every_byte_queued(self):
        """Edge case 119: zero marks resume when the queue is empty."""
        transport, protocol, _ = self.script(1, 1, 1)
        transport.set_write_buffer_limits(high=0)
        transport.write(b"x")
        self.assertEqual(["connection_made"], protocol.calls)
        transport.write(b"yz")
        self.assertEqual(["pause_writing"], protocol.calls[1:])
        self.settle()
        self.assertEqual(["pause_writing", "resume_writing"], protocol.calls[1:])

    def test_marks_that_make_no_sense_are_refused(self):
        """Edge case 119: low above high, or negative.  One alone gives the other, by a factor of four."""
        transport, _, _ = self.script()
        for marks in ({"high": 1, "low": 2}, {"high": -1}, {"low": -1}, {"high": 5, "low": -5}):
            with self.assertRaises(ValueError, msg=marks):
                transport.set_write_buffer_limits(**marks)
        for marks, expected in (({}, (65536, 16384)), ({"high": 8}, (8, 2)), ({"low": 8}, (32, 8))):
            transport.set_write_buffer_limits(**marks)
            self.assertEqual(expected, (transport._high, transport._low))

    def test_a_mark_set_below_what_is_queued_pauses_at_once(self):
        """Edge cases 119, 120: every way over the mark pauses, also when it is the mark that moves (as asyncio's)."""
        transport, protocol, _ = self.script()
        transport.write(b"x" * 100)
        transport.set_write_buffer_limits(high=10)
        self.assertEqual(["pause_writing"], protocol.calls[1:])

    def test_every_entry_checks_the_mark(self):
        """Edge case 120: write, writelines and write_file all pause a protocol that goes too far."""
        with tempfile.TemporaryFile() as file:
            file.write(b"x" * BIG)
            file.flush()
            for name, args in (("write", (b"x" * BIG,)), ("writelines", ([b"x"] * BIG,)),
                               ("write_file", (file, 0, BIG))):
                with self.subTest(name):
                    transport, protocol, _ = self.script()
                    getattr(transport, name)(*args)
                    self.assertEqual(["pause_writing"], protocol.calls[1:])
                    transport.abort()
                    self.settle()

    def test_empty_data_is_dropped_on_entry(self):
        """Edge case 121: alone, inside writelines, and as nothing at all of a file."""
        transport, protocol, sock = self.script()
        for data in (b"", bytearray(), memoryview(b"")):
            transport.write(data)
        transport.writelines([])
        transport.writelines([b"", b""])
        transport.write_file(sock, 0, 0)
        self.assertEqual([], sock.calls)
        sock.script.extend([1, 1])
        transport.writelines([b"x", b"", b"y", b""])
        told = []
        self.reactor.observer = told.append
        transport.write(b"")
        transport.write_file(sock, 0, 0)
        self.assertEqual(([], 1), (told, transport.get_write_buffer_size()))
        transport.close()
        self.until(lambda: protocol.lost)
        self.assertEqual(b"xy", sock.sent)

    def test_what_is_not_bytes_is_refused_and_nothing_is_queued(self):
        """Edge case 122: str, int, None, also when hidden behind good pieces."""
        transport, _, sock = self.script()
        for data in ("text", 5, None, ["x"], object()):
            with self.assertRaises(TypeError):
                transport.write(data)
            with self.assertRaises(TypeError):
                transport.writelines([b"good", data])
        self.assertEqual(([], 0), (sock.calls, transport.get_write_buffer_size()))

    def test_what_is_changed_after_the_write_was_copied(self):
        """Edge case 123: a bytearray, and a view of one."""
        for make in (lambda data: data, memoryview):
            transport, _, sock = self.script(1)
            data = bytearray(b"original")
            transport.write(make(data))
            data[:] = b"CHANGED!"
            sock.script.append(100)
            self.settle()
            self.assertEqual(b"original", sock.sent)

    def test_views_are_counted_in_bytes_whatever_their_items(self):
        """Edge case 124: typed, multi-dimensional and strided."""
        numbers = array.array("i", range(100))
        plane = memoryview(bytes(range(12))).cast("B", (3, 4))
        for view in (memoryview(numbers), plane, memoryview(bytes(range(100)))[::3]):
            with self.subTest(view=(view.format, view.shape, view.strides)):
                transport, _, sock = self.script(3, 1, 10000)
                transport.write(view)
                self.settle()
                self.assertEqual(view.tobytes(), sock.sent)

    def test_many_tiny_writes_leave_in_few_calls(self):
        """Edge case 125."""
        transport, _, sock = self.script(*errors(errno.EAGAIN), 100000)
        for number in range(10000):
            transport.write(b"%4d" % number)
        self.settle()
        self.assertEqual(b"".join(b"%4d" % number for number in range(10000)), sock.sent)
        self.assertEqual(2, sock.calls.count("send"))

    def test_a_huge_write_is_offered_by_view(self):
        """Edge case 126: what is left of it is never copied."""
        transport, _, sock = self.script()
        offered = []
        sock.send = lambda data: offered.append(data) or 1000
        huge = bytes(10000)
        transport.write(huge)
        self.until(lambda: not transport.get_write_buffer_size())
        self.assertEqual(10, len(offered))
        self.assertTrue(all(data is huge or data.obj is huge for data in offered))

    def test_a_slow_reader_pauses_its_own_protocol(self):
        """Edge case 127."""
        transport, protocol, peer = self.connect(buffer=1)
        transport.write(b"x" * BIG)
        self.assert_spins_not()
        self.assertEqual(["connection_made", "pause_writing"], protocol.calls)
        transport.close()
        self.assertEqual(BIG, len(self.read_all(peer)))
        self.assertEqual(["pause_writing", "resume_writing", "connection_lost"], protocol.calls[1:])

    def test_one_send_for_each_turn_in_which_it_is_writable(self):
        """Edge case 129: a fast reader of much does not keep the loop from the others."""
        transport, _, sock = self.script(*[1] * 10)
        transport.write(b"0123456789")
        for sent in (b"01", b"012", b"0123"):
            self.reactor.turn(0)
            self.assertEqual(sent, sock.sent)

    def test_a_write_that_a_wrong_thread_cannot_queue_leaves_the_connection_usable(self):
        """Edge case 156: it is refused, and later writes do not wait for ever behind it."""
        transport, _, sock = self.script(*errors(errno.EAGAIN), 100)
        refused = []

        def intrude():
            with self.assertRaisesRegex(RuntimeError, "another thread"):
                transport.write(b"from a wrong thread")
            refused.append(True)
        self.in_a_thread(self.reactor, intrude)
        transport.write(b"hello")
        self.assertEqual(([True], b"hello"), (refused, sock.sent))

    def test_a_loss_while_sending_resumes_nobody(self):
        """Edge cases 113, 119: also where the marks were raised meanwhile."""
        transport, protocol, sock = self.script(*errors(errno.EAGAIN, errno.EPIPE))
        transport.write(b"x" * BIG)
        transport.set_write_buffer_limits(high=4 * BIG, low=2 * BIG)
        self.settle()
        self.assertEqual(["connection_made", "pause_writing", "connection_lost"], protocol.calls)

    def test_writability_is_asked_for_only_while_something_is_queued(self):
        """Edge case 130: a socket with room is always writable, so asking in vain spins."""
        transport, _, sock = self.script(100, 1)
        self.assertEqual([], watched(self.reactor)[1])
        transport.write(b"at once")
        self.assertEqual([], watched(self.reactor)[1])
        transport.write(b"not all")
        self.assertEqual([sock.fileno()], watched(self.reactor)[1])
        sock.script.append(100)
        self.settle()
        self.assertEqual([], watched(self.reactor)[1])

    def test_an_answer_does_not_wait_for_an_acknowledgement(self):
        """Edge case 131: TCP_NODELAY on both sides."""
        protocols = []

        def factory():
            protocols.append(Recorder())
            return protocols[-1]
        listener = self.reactor.listen(factory)
        self.reactor.connect(factory, "127.0.0.1", listener.port)
        self.until(lambda: sum(len(protocol.calls) for protocol in protocols) == 2)
        for protocol in protocols:
            sock = protocol.transport.get_extra_info("socket")
            self.assertTrue(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_no_more_is_offered_than_the_system_digests(self):
        """Edge case 132: Windows copies all that it is offered."""
        self.patch(module, "MOST_OFFERED", 10)
        transport, _, sock = self.script(*[100] * 9)
        transport.write(b"x" * 35)
        transport.write(b"y" * 35)
        self.reactor.turn(0)
        self.assertEqual(10, len(sock.sent))
        self.settle()
        self.assertEqual(b"x" * 35 + b"y" * 35, sock.sent)

    def test_a_file_keeps_its_place_among_writes_and_may_be_closed_at_once(self):
        transport, protocol, peer = self.connect(buffer=1)
        content = random.Random(7).randbytes(BIG)
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            transport.write(b"<")
            transport.write_file(file, 10, BIG - 20)
        transport.write(b">")
        transport.close()
        self.assertTrue(self.read_all(peer) == b"<" + content[10:-10] + b">")
        self.assert_lost(protocol)

    def test_a_file_that_became_shorter_ends_the_connection(self):
        with tempfile.TemporaryFile() as file:
            file.write(b"only this")
            file.flush()
            transport, protocol, peer = self.connect()
            transport.write_file(file, 0, 1000)
        self.settle()
        self.assert_lost(protocol, OSError)
        self.assertEqual(b"only this", peer.recv(100))

    def test_a_file_after_the_end_is_refused_or_counted_and_takes_no_descriptor(self):
        """Edge cases 138, 139, for files."""
        with tempfile.TemporaryFile() as file:
            transport, protocol, peer = self.connect()
            transport.write_eof()
            with self.assertRaises(RuntimeError):
                transport.write_file(file, 0, 5)
            transport, protocol, peer = self.connect()
            transport.close()
            transport.write_file(file, 0, 5)
            self.assertEqual(5, transport.dropped)


class ClosingTest(TransportCase):
    def test_close_delivers_what_is_queued_and_reads_no_more(self):
        """Edge case 133."""
        transport, protocol, peer = self.connect(buffer=1)
        transport.write(b"x" * BIG)
        transport.close()
        self.assertTrue(transport.is_closing())
        self.assertFalse(transport.is_reading())
        self.assertEqual(BIG, len(self.read_all(peer)))
        self.assert_lost(protocol)
        self.assertNotIn("data_received", protocol.calls)

    def test_close_with_nothing_queued_ends_from_the_loop(self):
        """Edge case 134: never inside the caller's stack."""
        for end in ("close", "abort"):
            with self.subTest(end):
                transport, protocol, peer = self.connect()
                getattr(transport, end)()
                self.assertEqual([], protocol.lost)
                self.reactor.turn(0)
                self.assert_lost(protocol)
                self.assertEqual(b"", peer.recv(1))

    def test_ending_twice_from_any_callback_in_any_order_is_ending_once(self):
        """Edge case 135: close and abort, twice, from each callback, with a full queue and without."""
        ways = [(first, second) for first in ("close", "abort") for second in ("close", "abort")]
        for where in ("connection_made", "data_received", "eof_received", "pause_writing", "resume_writing",
                      "connection_lost"):
            for ends in ways:
                with self.subTest(where=where, ends=ends):
                    def end(protocol, *args):
                        for name in ends:
                            getattr(protocol.transport, name)()
                    transport, protocol, peer = self.connect(**{where: end})
                    if not transport.is_closing():
                        peer.send(b"x")
                        self.settle()
                        transport.write(b"x" * BIG)
                        peer.shutdown(socket.SHUT_WR)
                    self.read_until_over(peer, protocol)
                    self.assertEqual(1, protocol.calls.count(where))
                    self.assert_lost(protocol)

    def read_until_over(self, peer, protocol):
        peer.setblocking(False)
        for _ in range(1000):
            self.reactor.turn(0)
            try:
                peer.recv(BIG)
            except OSError:
                pass
            if protocol.lost:
                return
        self.fail("connection_lost never came")

    def test_a_peer_that_never_drains_is_given_up(self):
        """Edge case 136: after thirty seconds in which it took nothing; one that takes a little is waited for."""
        transport, protocol, peer = self.connect(buffer=1)
        transport.write(b"x" * BIG)
        transport.close()
        self.settle()
        for _ in range(3):
            self.clock.advance(module.PATIENCE)
            while transport.get_write_buffer_size() == 0:
                self.fail("it should not fit")
            before = transport.get_write_buffer_size()
            while transport.get_write_buffer_size() == before:
                peer.recv(65536)
                for _ in range(3):
                    self.reactor.turn(0)
            self.assertEqual([], protocol.lost)
        for _ in range(2):
            self.clock.advance(module.PATIENCE)
            self.settle()
        self.assert_lost(protocol, TimeoutError)

    def test_an_error_while_the_queue_is_delivered_after_close_is_told(self):
        """Edge case 137."""
        transport, protocol, _ = self.script(1, BrokenPipeError(errno.EPIPE, "gone"))
        transport.write(b"hello")
        transport.close()
        self.settle()
        self.assert_lost(protocol, BrokenPipeError)

    def test_writing_too_late_is_counted_and_nothing_else(self):
        """Edge case 138: after close with a queue and without, after abort, after the loss."""
        transport, protocol, peer = self.connect(buffer=1)
        transport.write(b"x" * BIG)
        transport.close()
        transport.write(b"late")
        transport.writelines([b"la", b"te"])
        self.assertEqual(8, transport.dropped)
        self.assertEqual(BIG, len(self.read_all(peer)))
        transport.write(b"later")
        self.assertEqual(13, transport.dropped)
        with self.assertRaises(TypeError):
            transport.write("text")
        self.settle()
        self.assert_lost(protocol)

    def test_writing_after_write_eof_is_a_mistake(self):
        """Edge case 139."""
        transport, _, peer = self.connect()
        transport.write_eof()
        for write in (lambda: transport.write(b"x"), lambda: transport.writelines([b"x"])):
            with self.assertRaises(RuntimeError):
                write()
        self.assertEqual(b"", peer.recv(1))

    def test_end_of_file_follows_what_is_queued_and_we_can_still_read(self):
        """Edge case 140."""
        transport, protocol, peer = self.connect(buffer=1)
        transport.write(b"x" * BIG)
        self.assertTrue(transport.can_write_eof())
        transport.write_eof()
        transport.write_eof()
        self.assertEqual(BIG, len(self.read_all(peer)))
        peer.send(b"thank you")
        self.settle()
        self.assertEqual((b"thank you", []), (protocol.data, protocol.lost))

    def test_write_eof_after_close_does_nothing(self):
        """Edge case 140: close() delivers, then ends both directions anyway."""
        transport, protocol, sock = self.script()
        transport.close()
        transport.write_eof()
        self.settle()
        self.assertNotIn("shutdown", sock.calls)
        self.assert_lost(protocol)

    def test_a_shutdown_that_finds_the_peer_gone_is_left_to_the_reading_side(self):
        """Edge case 141: shutdown raises ENOTCONN after a reset, which the reading side reports."""
        ours, peer = self.tcp_pair()
        transport, protocol = self.adopt(ours)
        transport.pause_reading()
        reset(peer)
        self.settle()
        transport.write_eof()
        self.assertEqual([], protocol.lost)
        transport.resume_reading()
        self.until(lambda: protocol.lost)
        self.assert_lost(protocol, ConnectionResetError)

    def test_shutdown_is_called_once(self):
        """Edge case 141: macOS answers ENOTCONN to a second one; and the glass box tells each."""
        told = []
        self.reactor.observer = lambda event: told.append(event.kind)
        transport, _, sock = self.script(*errors(errno.EAGAIN), 100, resume_writing=lambda p: p.transport.write_eof())
        transport.set_write_buffer_limits(high=0)
        transport.write(b"x")
        self.settle()
        self.assertEqual((1, 1), (sock.calls.count("shutdown"), told.count("half-closed")))

    def test_the_end_of_both_directions_closes(self):
        """Edge case 142: whichever comes first, with a queue and without, though eof_received answers true."""
        for order in ("ours", "theirs"):
            for size in (1, BIG):
                with self.subTest(order=order, size=size):
                    transport, protocol, peer = self.connect(eof_received=lambda protocol: True)
                    transport.write(b"x" * size)
                    ends = [transport.write_eof, lambda: peer.shutdown(socket.SHUT_WR)]
                    for end in ends if order == "ours" else reversed(ends):
                        end()
                        self.settle()
                    self.assertEqual(size, len(self.read_all(peer)))
                    self.settle()
                    self.assert_lost(protocol)

    def test_a_connection_lost_that_raises_costs_nothing_but_a_line(self):
        """Edge case 143: the socket is closed all the same; the base class counts descriptors."""
        def fail(protocol, exc):
            raise ZeroDivisionError
        for end in ("close", "abort"):
            with self.subTest(end), self.assertLogs("reactor", logging.ERROR) as logs:
                transport, protocol, peer = self.connect(connection_lost=fail)
                getattr(transport, end)()
                self.settle()
                self.assert_lost(protocol)
                self.assertEqual(-1, transport.sock.fileno())
            self.assertEqual(1, len(logs.output))

    def test_connection_lost_may_use_the_transport_to_no_effect(self):
        """Edge case 144."""
        def use(protocol, exc):
            transport = protocol.transport
            self.assertTrue(transport.is_closing())
            self.assertFalse(transport.is_reading())
            transport.write(b"x")
            transport.write_eof()
            transport.pause_reading()
            transport.resume_reading()
            transport.close()
            transport.abort()
        transport, protocol, peer = self.connect(connection_lost=use)
        transport.close()
        self.settle()
        self.assert_lost(protocol)
        self.assertEqual(b"", peer.recv(1))
        self.assertEqual(1, transport.dropped)

    def test_abort_discards(self):
        """Edge case 145: what is queued is lost, connection_lost(None) comes next turn."""
        transport, protocol, peer = self.connect(buffer=1)
        transport.write(b"x" * BIG)
        transport.abort()
        self.assertEqual(0, transport.get_write_buffer_size())
        self.reactor.turn(0)
        self.assert_lost(protocol)
        self.assertLess(len(self.read_all(peer)), BIG)

    def test_abort_before_the_protocol_was_introduced(self):
        """Edge case 145: the grammar of the callbacks holds all the same."""
        for end in ("close", "abort"):
            ours, _ = self.pair()
            transport, protocol = self.reactor.adopt(Recorder, ours)
            getattr(transport, end)()
            self.settle()
            self.assertEqual(["connection_made", "connection_lost"], protocol.calls)

    def test_a_keyboard_interrupt_out_of_a_callback_leaves_no_connection_in_limbo(self):
        """Edge case 31: who catches it and runs on finds each connection read, or closed, as after any other call."""
        for where in ("connection_made", "data_received", "eof_received", "connection_lost"):
            with self.subTest(where):
                ours, peer = self.pair()
                interrupts = [KeyboardInterrupt]

                def interrupt(protocol, *args):
                    if interrupts:
                        raise interrupts.pop()
                _, protocol = self.reactor.adopt(lambda: Recorder(**{where: interrupt}), ours)
                peer.send(b"x")
                peer.shutdown(socket.SHUT_WR)
                with self.assertRaises(KeyboardInterrupt):
                    self.settle()
                self.settle()
                self.assertEqual(["connection_made", "data_received", "eof_received", "connection_lost"],
                                 protocol.calls)

    def test_what_another_thread_is_refused_has_not_half_happened(self):
        """Edge case 156: close and abort end the connection as always when the loop's own thread asks again."""
        for end in ("close", "abort"):
            for queued in (b"", b"x" * BIG):
                with self.subTest(end, queued=len(queued)):
                    transport, protocol, peer = self.connect(buffer=1)
                    transport.write(queued)

                    def intrude():
                        self.assertRaises(RuntimeError, getattr(transport, end))
                        refused.append(end)
                    refused = []
                    self.in_a_thread(self.reactor, intrude)
                    self.assertEqual([end], refused)
                    self.assertEqual((False, True), (transport.is_closing(), transport.is_reading()))
                    getattr(transport, end)()
                    self.read_until_over(peer, protocol)
                    self.assert_lost(protocol)

    def test_close_with_unread_input_still_delivers(self):
        """Edge case 146: closing with input unread would destroy the answer; so half-close, read, then close."""
        for make in (self.pair, self.tcp_pair):
            with self.subTest(make.__name__):
                ours, peer = make()
                transport, protocol = self.adopt(
                    ours, data_received=lambda protocol, data: protocol.transport.pause_reading())
                peer.send(b"request")
                self.until(lambda: protocol.data)
                peer.send(b"never read")
                transport.write(b"answer")
                transport.close()
                self.settle()
                self.assertEqual([], protocol.lost)
                self.assertEqual((b"answer", b""), (peer.recv(100), peer.recv(100)))
                peer.send(b"still talking")
                self.settle()
                transport.resume_reading()
                transport.close()
                peer.close()
                self.until(lambda: protocol.lost)
                self.assert_lost(protocol)
                self.assertEqual(b"request", protocol.data)

    def test_closing_again_gives_the_peer_no_more_time(self):
        """Edge cases 135, 136: twice is once for the patience too."""
        transport, protocol, _ = self.connect(buffer=1)
        transport.write(b"x" * BIG)
        for _ in range(2):
            transport.close()
            self.clock.advance(module.PATIENCE / 2)
        self.settle()
        self.assert_lost(protocol, TimeoutError)

    def test_the_peer_is_told_once_that_we_send_no_more(self):
        """Edge case 141: some systems refuse a second shutdown."""
        transport, _, peer = self.connect()
        told = []
        self.reactor.observer = lambda event: told.append(event.kind)
        peer.send(b"unread")
        transport.write_eof()
        transport.close()
        self.settle()
        self.assertEqual(1, told.count("half-closed"))

    def test_a_peer_that_never_stops_sending_is_left_after_two_seconds(self):
        """Edge case 146: lingering has an end."""
        transport, protocol, peer = self.connect()
        peer.send(b"unread")
        transport.close()
        for _ in range(10):
            self.reactor.turn(0)
            peer.send(b"more")
        self.assertEqual([], protocol.lost)
        self.clock.advance(module.LINGER)
        self.settle()
        self.assert_lost(protocol)

    def test_a_reset_while_lingering_ends_it(self):
        """Edge cases 99, 146."""
        ours, peer = self.tcp_pair()
        transport, protocol = self.adopt(ours)
        peer.send(b"unread")
        transport.close()
        self.settle()
        reset(peer)
        self.until(lambda: protocol.lost)
        self.assert_lost(protocol, ConnectionResetError)

    def test_a_reset_before_close_could_linger_is_told(self):
        """Edge cases 99, 137."""
        sock = ScriptedSocket(ConnectionResetError(errno.ECONNRESET, "reset"))
        transport, protocol = self.adopt(sock, connection_made=lambda protocol: protocol.transport.close())
        self.settle()
        self.assert_lost(protocol, ConnectionResetError)

    def test_close_in_resume_writing_with_unread_input_delivers_too(self):
        """Edge cases 118, 146: the flush that empties the queue also ends the connection, once."""
        for unread in (b"one", b"x" * (module.MODEST + 1)):
            with self.subTest(unread=len(unread)):
                transport, protocol, peer = self.connect(resume_writing=lambda protocol: protocol.transport.close())
                transport.pause_reading()
                peer.send(unread)
                transport.set_write_buffer_limits(high=0)
                size = 0
                while not transport.get_write_buffer_size():
                    transport.write(b"x" * 1000)
                    size += 1000
                for _ in range(5):
                    self.reactor.turn(0)
                received = b""
                while len(received) < size:
                    received += peer.recv(BIG)
                    for _ in range(5):
                        self.reactor.turn(0)
                self.assertEqual(b"", peer.recv(1))
                self.assertEqual([], protocol.lost, "it must wait until the peer is done")
                peer.close()
                self.settle()
                self.assert_lost(protocol)

    def test_nobody_watches_a_socket_that_is_being_closed(self):
        """Edge case 147: unregister, then close; else the number's next owner inherits a watcher."""
        transport, _, sock = self.script()
        transport.resume_reading()
        transport.write(b"queued")
        number = sock.fileno()
        closed, still_watched = sock.close, []
        sock.close = lambda: (still_watched.extend(watched(self.reactor)), closed())
        transport.abort()
        self.settle()
        self.assertTrue(still_watched)
        self.assertNotIn(number, still_watched[0] + still_watched[1])

    def test_a_number_used_again_in_the_same_turn_has_no_heir(self):
        """Edge case 147: two connections ready in one turn; the first closes the second's and opens another."""
        opened = []

        def replace(protocol, data):
            others = [one for one in (first, second) if one[1] is not protocol]
            others[0][0].abort()
            self.settle_soon()
            opened.append(self.connect())
        first, second = self.connect(data_received=replace), self.connect(data_received=replace)
        for _, _, peer in (first, second):
            peer.send(b"x")
        for _ in range(4):
            self.reactor.turn(0)
        self.assertEqual(1, len(opened))
        self.assertEqual(["connection_made"], opened[0][1].calls)
        self.assertEqual(1, (first[1].calls + second[1].calls).count("data_received"))

    def settle_soon(self):
        self.reactor._run(self.reactor._take_soon())

    def test_a_factory_that_raises_leaves_nothing_behind(self):
        """Edge case 148: an adopted socket stays its owner's; an accepted one is closed."""
        def fail():
            raise ZeroDivisionError
        ours, peer = self.pair()
        before = set(self.reactor.endpoints)
        with self.assertRaises(ZeroDivisionError):
            self.reactor.adopt(fail, ours)
        self.assertEqual(before, self.reactor.endpoints)
        listener = self.reactor.listen(fail)
        client = self.client_of(listener)
        with self.assertLogs("reactor", logging.ERROR):
            self.settle()
        self.assertEqual(b"", client.recv(1))

    @unittest.skipIf(platform.python_implementation() == "PyPy", "warns only with -X track-resources")
    def test_a_reactor_that_is_dropped_instead_of_closed_warns(self):
        """Edge case 149: a ResourceWarning for each socket, and no descriptor touched by its number."""
        reactor = Reactor(clock=self.clock, select=self.clock.select)
        ours, peer = pair()
        self.addCleanup(peer.close)
        reactor.adopt(Recorder, ours)
        with self.assertWarns(ResourceWarning):
            del reactor, ours
            gc.collect()
        self.assertEqual(b"", peer.recv(1))

    def test_why_it_is_watched_is_told(self):
        """Each reason in words: connected, so many bytes queued, to throw away what still comes."""
        reasons = []
        self.reactor.observer = lambda event: reasons.extend(
            event.facts.get("reading", []) + event.facts.get("writing", []))
        transport, protocol, peer = self.connect()
        self.reactor.turn(0)
        peer.send(b"unread")
        transport.pause_reading()
        transport.write(b"x" * BIG)
        self.reactor.turn(0)
        transport.close()
        self.assertEqual(BIG, len(self.read_all(peer)))
        for _ in range(3):
            self.reactor.turn(0)
        for expected in ("connected", "bytes are queued", "to throw away what still comes"):
            self.assertTrue([why for who, why in reasons if who == transport.name and expected in why], expected)

    def test_what_is_known_of_a_connection(self):
        ours, _ = self.tcp_pair()
        name, peername = ours.getsockname(), ours.getpeername()
        transport, _ = self.adopt(ours)
        self.assertEqual((ours, name, peername, "default"), (
            transport.get_extra_info("socket"), transport.get_extra_info("sockname"),
            transport.get_extra_info("peername"), transport.get_extra_info("cipher", "default")))
        self.assertIn("reading", repr(transport))
        transport.close()
        self.assertIn("closing", repr(transport))
        self.settle()
        self.assertIn("lost", repr(transport))
        self.assertIsNone(transport.get_extra_info("peername"))


if __name__ == "__main__":
    unittest.main()
