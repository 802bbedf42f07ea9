"""UDP: whole datagrams, a bounded queue, and nothing that one peer can end."""
import errno
import socket
import unittest
from collections import deque

from protocols.base import DatagramProtocol
from reactor import Reactor
from reactor.datagram import BATCH, MOST_QUEUED, DatagramTransport
from reactor.testing import run_turns
from tests.case import Case, Recorder, unwatch, watched


class ScriptedDatagrams:
    """A socket that is always ready; recvfrom, send and sendto answer from one script (an exception is raised)."""

    def __init__(self, *script):
        self.script = deque(script)
        self.sent = []
        self.received = 0
        self._sock, peer = socket.socketpair()
        peer.close()

    def _next(self):
        answer = self.script.popleft() if self.script else BlockingIOError(errno.EAGAIN, "the script is over")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def recvfrom(self, size):
        self.received += 1
        return self._next()

    def sendto(self, data, addr):
        self._next()
        self.sent.append((bytes(data), addr))
        return len(data)

    def send(self, data):
        return self.sendto(data, None)

    def setblocking(self, flag):
        """Nothing ever blocks."""

    def fileno(self):
        return self._sock.fileno()

    def getsockname(self):
        return self._sock.getsockname()

    def close(self):
        self._sock.close()


ADDRESS = ("192.0.2.7", 7)
NOT_NOW = BlockingIOError(errno.EAGAIN, "not now")


class DatagramCase(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()

    def scripted(self, *script, **actions):
        """A transport on a scripted socket, introduced but not watched for reading."""
        sock = ScriptedDatagrams(*script)
        self.addCleanup(sock.close)
        protocol = Recorder(**actions)
        transport = DatagramTransport(self.reactor, sock, protocol)
        self.reactor.call_soon(transport.begin)
        return transport, protocol, sock

    def udp(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(1)
        return sock


class TestRealSockets(DatagramCase):

    def echo(self):
        return Recorder(datagram_received=lambda p, data, addr: p.transport.sendto(data, addr))

    def test_datagrams_keep_their_borders(self):
        transport, protocol = self.reactor.open_datagram(self.echo)
        client = self.udp()
        address = transport.get_extra_info("sockname")
        for size in (1, 0, 1000, 60000):
            client.sendto(b"x" * size, address)
            run_turns(self.reactor)
            self.assertEqual(b"x" * size, client.recvfrom(65536)[0])
        self.assertEqual([1, 0, 1000, 60000], [len(data) for data, _ in protocol.datagrams])
        self.assertEqual(client.getsockname(), protocol.datagrams[0][1])

    def test_two_of_ours_talk_and_nothing_spins(self):
        server, _ = self.reactor.open_datagram(self.echo, local=("127.0.0.1", 0))
        client, protocol = self.reactor.open_datagram(Recorder, remote=server.get_extra_info("sockname"))
        client.sendto(b"hello")
        run_turns(self.reactor)
        self.assertEqual([(b"hello", server.get_extra_info("sockname"))], protocol.datagrams)
        self.assert_quiet(self.reactor)
        self.assertEqual([], watched(self.reactor)[1])

    def test_bound_and_connected(self):
        server, _ = self.reactor.open_datagram(self.echo)
        client, protocol = self.reactor.open_datagram(Recorder, ("127.0.0.1", 0), server.get_extra_info("sockname"))
        client.sendto(b"hello")
        run_turns(self.reactor, lambda: protocol.datagrams)

    def test_nobody_there_is_told_and_the_socket_goes_on(self):
        """Edge case 20: a refusal comes back as an error of recvfrom or of the next send, not as an end."""
        gone = self.udp()
        address = gone.getsockname()
        gone.close()
        transport, protocol = self.reactor.open_datagram(Recorder, remote=address)
        transport.sendto(b"anybody?")
        run_turns(self.reactor)
        transport.sendto(b"anybody at all?")
        run_turns(self.reactor)
        self.assertTrue(all(isinstance(exc, ConnectionRefusedError) for exc in protocol.errors), protocol.errors)
        self.assertFalse(transport.is_closing())
        self.assertEqual([], protocol.lost)

    def test_a_datagram_that_is_too_large_is_told(self):
        transport, protocol = self.reactor.open_datagram(Recorder)
        transport.sendto(bytes(70000), ("127.0.0.1", 9))
        self.assertEqual([], protocol.errors, "from the loop, not from inside sendto()")
        run_turns(self.reactor)
        self.assertEqual([errno.EMSGSIZE], [exc.errno for exc in protocol.errors])

    def test_an_address_that_cannot_be_bound(self):
        """Edge case 78: an OSError at the call, and nothing is left open."""
        taken = self.udp()
        with self.assertRaises(OSError):
            self.reactor.open_datagram(Recorder, taken.getsockname())
        with self.assertRaises(OSError):
            self.reactor.open_datagram(Recorder, ("192.0.2.1", 0))
        self.assertTrue(self.reactor.is_idle())

    def test_a_factory_that_raises_leaves_nothing_open(self):
        """Edge case 148."""
        with self.assertRaises(ZeroDivisionError):
            self.reactor.open_datagram(lambda: 1 / 0)
        self.assertEqual(set(), self.reactor.endpoints)


class TestReceiving(DatagramCase):

    def test_a_turn_receives_a_bounded_number(self):
        """Edge case 129: a flood leaves time for the others."""
        transport, protocol, sock = self.scripted(*[(b"x", ADDRESS)] * (BATCH + 5))
        self.reactor.turn(0)
        self.reactor.turn(0)
        self.assertEqual(BATCH, len(protocol.datagrams))
        self.reactor.turn(0)
        self.assertEqual(BATCH + 5, len(protocol.datagrams))

    def test_nothing_there_after_all(self):
        """Edge case 20."""
        transport, protocol, sock = self.scripted(NOT_NOW)
        self.reactor.turn(0)
        self.reactor.turn(0)
        self.assertEqual((["connection_made"], 1), (protocol.calls, sock.received))

    def test_an_error_is_told_and_the_socket_goes_on(self):
        transport, protocol, sock = self.scripted(OSError(errno.ECONNREFUSED, "refused"), (b"x", ADDRESS))
        for _ in range(3):
            self.reactor.turn(0)
        self.assertEqual(["connection_made", "error_received", "datagram_received"], protocol.calls)

    def test_close_inside_datagram_received_stops_the_batch(self):
        """Edge case 103."""
        transport, protocol, sock = self.scripted(
            (b"x", ADDRESS), (b"y", ADDRESS), datagram_received=lambda p, data, addr: p.transport.close())
        run_turns(self.reactor)
        self.assertEqual(["connection_made", "datagram_received", "connection_lost"], protocol.calls)
        self.assertEqual([None], protocol.lost)

    def test_close_inside_connection_made(self):
        """Edge case 103."""
        transport, protocol, sock = self.scripted(connection_made=lambda p: p.transport.close())
        run_turns(self.reactor)
        self.assertEqual(["connection_made", "connection_lost"], protocol.calls)
        self.assertEqual(0, sock.received)

    def test_a_protocol_that_raises_for_one_peer_goes_on_for_the_others(self):
        """Edge case 107, for UDP: all peers share the socket, so one bad datagram must not end it."""
        def raise_once(protocol, data, addr):
            if data == b"bad":
                raise ValueError("on purpose")
        transport, protocol, sock = self.scripted((b"bad", ADDRESS), (b"good", ADDRESS), datagram_received=raise_once)
        with self.assertLogs("reactor", "ERROR") as logged:
            for _ in range(4):
                self.reactor.turn(0)
        self.assertEqual([b"bad", b"good"], [data for data, _ in protocol.datagrams])
        self.assertEqual(1, len(logged.output))
        self.assertEqual([], protocol.lost)

    def test_a_protocol_that_raises_in_error_received_goes_on(self):
        """Edge case 107, for UDP."""
        transport, protocol, sock = self.scripted(
            OSError(errno.ECONNREFUSED, "refused"), (b"good", ADDRESS), error_received=lambda *args: 1 / 0)
        with self.assertLogs("reactor", "ERROR"):
            for _ in range(4):
                self.reactor.turn(0)
        self.assertEqual([b"good"], [data for data, _ in protocol.datagrams])


class TestSending(DatagramCase):

    def opened(self, *script, **actions):
        """A transport that does not read, so that the whole script is for sending."""
        transport, protocol, sock = self.scripted(**actions)
        self.reactor.turn(0)
        unwatch(self.reactor, sock)
        sock.script.extend(script)
        return transport, protocol, sock

    def test_sent_at_once_where_the_kernel_takes_it(self):
        """Edge case 115."""
        transport, protocol, sock = self.opened(1, 1)
        transport.sendto(b"a", ADDRESS)
        transport.sendto(b"b")
        self.assertEqual([(b"a", ADDRESS), (b"b", None)], sock.sent)
        self.assertEqual([], watched(self.reactor)[1])

    def test_not_now_queues_and_the_order_is_kept(self):
        """Edge cases 111 and 116."""
        transport, protocol, sock = self.opened(NOT_NOW, NOT_NOW, 1, 1, NOT_NOW, 1)
        for data in (b"a", b"b", b"c"):
            transport.sendto(data, ADDRESS)
        self.assertEqual("because 3 datagrams are queued", transport.why(True))
        self.assertEqual("the datagram socket", transport.why(False))
        self.assertIn("DatagramTransport #1", repr(transport))
        self.assertEqual([], sock.sent)
        run_turns(self.reactor)
        self.assertEqual([b"a", b"b", b"c"], [data for data, _ in sock.sent])
        self.assertEqual([], watched(self.reactor)[1])

    def test_mutable_data_is_copied(self):
        """Edge case 123."""
        transport, protocol, sock = self.opened(NOT_NOW, 1)
        data = bytearray(b"before")
        transport.sendto(data, ADDRESS)
        data[:] = b"after!"
        run_turns(self.reactor)
        self.assertEqual([(b"before", ADDRESS)], sock.sent)

    def test_a_full_queue_drops_and_counts(self):
        """Edge case 127: a datagram may be lost, memory may not."""
        told = []
        self.reactor.observer = lambda event: told.append(str(event)) if event.kind == "dropped" else None
        transport, protocol, sock = self.opened(NOT_NOW)
        for _ in range(10):
            transport.sendto(bytes(MOST_QUEUED // 4), ADDRESS)
        self.assertEqual(6, transport.dropped)
        self.assertEqual(6, len(told))
        self.reactor.observer = None
        transport.sendto(bytes(MOST_QUEUED // 4), ADDRESS)
        self.assertEqual(7, transport.dropped)

    def test_what_has_left_makes_room(self):
        """Edge case 127: only what still waits is counted."""
        transport, _, sock = self.opened()
        for _ in range(6):
            sock.script.extend([NOT_NOW, 1])
            transport.sendto(bytes(MOST_QUEUED // 4), ADDRESS)
            run_turns(self.reactor)
        self.assertEqual((6, 0), (len(sock.sent), transport.dropped))

    def test_empty_datagrams_do_not_fill_the_memory(self):
        """Edge case 127: each costs memory although it has no bytes, so their number must have a bound as well."""
        transport, protocol, sock = self.opened(NOT_NOW)
        for _ in range(MOST_QUEUED):
            transport.sendto(b"", ADDRESS)
            if transport.dropped:
                return
        self.fail(f"{MOST_QUEUED} datagrams are queued, and none was dropped")

    def test_what_the_network_refuses_is_told_and_the_next_is_sent(self):
        """Edge case 113, for UDP: no error ends the socket."""
        transport, protocol, sock = self.opened(NOT_NOW, OSError(errno.EHOSTUNREACH, "no route"), 1)
        transport.sendto(b"a", ADDRESS)
        transport.sendto(b"b", ADDRESS)
        run_turns(self.reactor)
        self.assertEqual(([errno.EHOSTUNREACH], [(b"b", ADDRESS)]), ([e.errno for e in protocol.errors], sock.sent))

    def test_no_error_is_told_after_the_end(self):
        transport, protocol, sock = self.opened(OSError(errno.EHOSTUNREACH, "no route"))
        transport.sendto(b"a", ADDRESS)
        transport.abort()
        run_turns(self.reactor)
        self.assertEqual(["connection_made", "connection_lost"], protocol.calls)

    def test_anything_but_bytes_is_refused(self):
        """Edge case 122."""
        transport, protocol, sock = self.opened()
        for data in ("text", 7, None):
            with self.subTest(data=data), self.assertRaises(TypeError):
                transport.sendto(data, ADDRESS)
        self.assertEqual([], sock.sent)


class TestEnding(DatagramCase):

    opened = TestSending.opened

    def test_close_sends_what_is_queued_first(self):
        """Edge case 133."""
        transport, protocol, sock = self.opened(NOT_NOW, NOT_NOW, 1, 1)
        transport.sendto(b"a", ADDRESS)
        transport.sendto(b"b", ADDRESS)
        transport.close()
        transport.close()
        self.assertTrue(transport.is_closing())
        transport.sendto(b"too late", ADDRESS)
        run_turns(self.reactor)
        self.assertEqual([b"a", b"b"], [data for data, _ in sock.sent])
        self.assertEqual([None], protocol.lost)
        self.assertEqual(set(), self.reactor.endpoints)

    def test_abort_discards_what_is_queued(self):
        """Edge cases 135 and 145."""
        transport, protocol, sock = self.opened(NOT_NOW, 1)
        transport.sendto(b"a", ADDRESS)
        transport.close()
        transport.abort()
        transport.abort()
        run_turns(self.reactor)
        self.assertEqual(([], [None]), (sock.sent, protocol.lost))

    def test_connection_lost_that_raises_still_closes(self):
        """Edge case 143."""
        transport, protocol, sock = self.opened(connection_lost=lambda *args: 1 / 0)
        transport.close()
        with self.assertLogs("reactor", "ERROR"):
            run_turns(self.reactor)
        self.assertEqual((-1, set()), (sock.fileno(), self.reactor.endpoints))

    def test_facts(self):
        transport, protocol = self.reactor.open_datagram(Recorder)
        sock = transport.sock
        self.assertEqual(sock.getsockname(), transport.get_extra_info("sockname"))
        self.assertIs(sock, transport.get_extra_info("socket"))
        self.assertEqual("none", transport.get_extra_info("cipher", "none"))

    def test_facts_after_the_end(self):
        """Edge case 144: asking late gives the default, it does not raise."""
        transport, protocol = self.reactor.open_datagram(Recorder)
        transport.abort()
        run_turns(self.reactor)
        self.assertEqual("gone", transport.get_extra_info("sockname", "gone"))
        self.assertIs(transport.sock, transport.get_extra_info("socket"))


class Names(Case):
    def test_what_can_be_no_name_or_port_is_an_oserror(self):
        for where in (("no..host", 9), ("127.0.0.1", 70000)):
            for side in ("local", "remote"):
                with self.subTest(where=where, side=side), Reactor() as reactor, self.assertRaises(OSError):
                    reactor.open_datagram(DatagramProtocol, **{side: where})
        with Reactor() as reactor, self.assertRaises(OSError):
            reactor.open_datagram(DatagramProtocol, local=("127.0.0.1", 0), remote=("127.0.0.1", 70000))


if __name__ == "__main__":
    unittest.main()
