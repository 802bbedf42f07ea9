"""Accepting, refusing, resting, and the two ceilings: FD_SETSIZE and the descriptors of the process."""
import errno
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import unittest
from collections import deque

from reactor import listener as listener_module
from reactor.errors import CLIENT_LEFT, EXHAUSTED
from reactor.listener import BATCH, CEILING, FD_SETSIZE, LIMIT, PAUSE, Listener, bind, bind_unix, shown
from reactor.testing import run_turns
from tests.case import Case, Recorder

HAS_UNIX = hasattr(socket, "AF_UNIX")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class ScriptedListening:
    """A listening socket that is always readable, and whose accept answers from a script."""

    family = socket.AF_INET

    def __init__(self, *script):
        self.script = deque(script)
        self.accepts = 0
        self._sock, peer = socket.socketpair()
        peer.close()

    def accept(self):
        self.accepts += 1
        answer = self.script.popleft() if self.script else BlockingIOError(errno.EAGAIN, "the script is over")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def fileno(self):
        return self._sock.fileno()

    def getsockname(self):
        return "192.0.2.1", 80

    def close(self):
        self._sock.close()


class ListenerCase(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.protocols = []

    def factory(self, **actions):
        self.protocols.append(Recorder(**actions))
        return self.protocols[-1]

    def listen(self, factory=None, **options):
        return self.reactor.listen(factory or self.factory, **options)

    def scripted(self, *script, factory=None, **options):
        sock = ScriptedListening(*script)
        self.addCleanup(sock.close)
        return Listener(self.reactor, [sock], factory or self.factory, **options), sock

    def client_pair(self, address=("192.0.2.7", 7)):
        """What accept answers."""
        ours, peer = self.pair()
        ours.setblocking(True)
        return ours, address


class TestAccepting(ListenerCase):

    def test_a_client_is_accepted_and_served(self):
        listener = self.listen(lambda: self.factory(data_received=lambda p, data: p.transport.write(data)))
        client = self.client_of(listener)
        client.send(b"hello")
        run_turns(self.reactor)
        self.assertEqual(b"hello", client.recv(10))
        self.assertEqual(client.getsockname(), self.protocols[0].transport.get_extra_info("peername"))
        self.assertEqual(1, listener.connections)

    def test_nobody_there_after_all(self):
        """Edge case 60: another process took the client, or it left."""
        _, sock = self.scripted(BlockingIOError(errno.EAGAIN, "not now"), InterruptedError(errno.EINTR, "a signal"))
        self.assertEqual(1, self.reactor.turn(0))
        self.assertEqual(1, self.reactor.turn(0))
        self.assertEqual(2, sock.accepts)
        self.assertEqual([], self.protocols)

    def test_a_client_that_left_does_not_cost_the_next_its_turn(self):
        """Edge case 61: ECONNABORTED; asyncio drops the rest of the batch."""
        self.scripted(OSError(errno.ECONNABORTED, "gone"), self.client_pair())
        self.reactor.turn(0)
        self.assertEqual(1, len(self.protocols))

    def test_every_error_that_concerns_one_client_only_is_passed_over(self):
        """Edge case 62: the firewall's EPERM, and what the network may say."""
        self.assertIn(errno.EPERM, CLIENT_LEFT)
        _, sock = self.scripted(*[OSError(code, "gone") for code in sorted(CLIENT_LEFT)], self.client_pair())
        self.reactor.turn(0)
        self.assertEqual((1, len(CLIENT_LEFT) + 2), (len(self.protocols), sock.accepts))

    def test_a_turn_accepts_a_bounded_number(self):
        """Edge case 68."""
        _, sock = self.scripted(*[OSError(errno.ECONNABORTED, "gone")] * (BATCH + 10))
        self.reactor.turn(0)
        self.assertEqual(BATCH, sock.accepts)

    def test_accepted_sockets_do_not_block(self):
        """Edge case 69."""
        client, address = self.client_pair()
        self.scripted((client, address))
        self.reactor.turn(0)
        self.assertEqual(0.0, client.gettimeout())

    def test_a_client_that_left_before_it_was_introduced(self):
        """Edge case 70: no setsockopt or getpeername is needed at accept, so none can fail; recv reports the loss."""
        listener = self.listen()
        client = self.client_of(listener)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        run_turns(self.reactor)
        self.assertEqual(["connection_made", "connection_lost"], self.protocols[0].calls)

    def test_a_client_without_an_address(self):
        """Edge case 70: on macOS accept may answer None where the client has left."""
        for observer in (None, lambda event: None):
            with self.subTest(observer=observer):
                self.reactor.observer = observer
                listener, _ = self.scripted(self.client_pair(None))
                run_turns(self.reactor, lambda: listener.connections or self.reactor.turns > 20)
                run_turns(self.reactor, lambda: True)
                self.assertEqual(["connection_made"], self.protocols[-1].calls)
                listener.close()

    def test_a_factory_that_raises_is_logged_and_costs_one_client(self):
        """Edge cases 71 and 148: the client's socket is closed, the listener listens on."""
        answers = [ValueError("no protocol today"), Recorder()]

        def factory():
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        listener = self.listen(factory)
        first, second = self.client_of(listener), self.client_of(listener)
        with self.assertLogs("reactor", "ERROR") as logged:
            run_turns(self.reactor)
        self.assertIn("no protocol today", logged.output[0])
        self.assertEqual(b"", first.recv(10))
        self.assertEqual([], answers)
        self.assertEqual(1, listener.connections)
        second.send(b"x")
        self.assertEqual(1, self.reactor.turn(0))

    def test_a_factory_that_interrupts_leaves_no_socket_behind(self):
        """Edge case 148."""
        def factory():
            raise KeyboardInterrupt
        listener = self.listen(factory)
        client = self.client_of(listener)
        with self.assertRaises(KeyboardInterrupt):
            self.reactor.turn(0)
        self.assertEqual(b"", client.recv(10))
        self.assertEqual(0, listener.connections)

    def test_a_factory_that_returns_none_closes_politely(self):
        """Edge case 72: an end of file, no line in the log."""
        listener = self.listen(lambda: None)
        client = self.client_of(listener)
        run_turns(self.reactor)
        self.assertEqual(b"", client.recv(10))
        self.assertEqual(0, listener.connections)

    def test_a_protocol_that_raises_at_once_is_parted_from_its_client_only(self):
        """Edge case 30: connection_made runs under the policy for exceptions."""
        listener = self.listen(lambda: self.factory(connection_made=lambda protocol: 1 / 0))
        first = self.client_of(listener)
        with self.assertLogs("reactor", "ERROR"):
            run_turns(self.reactor)
        self.assertEqual(b"", first.recv(10))
        self.assertEqual(["connection_made", "connection_lost"], self.protocols[0].calls)
        self.assertEqual(0, listener.connections)


class TestExhaustion(ListenerCase):

    def test_no_descriptor_means_one_line_and_a_pause(self):
        """Edge case 63: the client stays in the backlog and the listener readable, so it must not be watched."""
        for code in sorted(EXHAUSTED):
            with self.subTest(code=errno.errorcode[code]):
                listener, sock = self.scripted(OSError(code, os.strerror(code)), OSError(code, os.strerror(code)),
                                               self.client_pair())
                with self.assertLogs("reactor", "WARNING") as logged:
                    self.reactor.turn(0)
                self.assertEqual((1, 1), (sock.accepts, len(logged.output)))
                self.assertIn(os.strerror(code), logged.output[0])
                self.assert_quiet(self.reactor)
                self.clock.advance(PAUSE)
                self.reactor.turn(0)
                self.reactor.turn(0)
                self.assertEqual(2, sock.accepts, "tried again after the pause, and said nothing")
                self.clock.advance(PAUSE)
                self.reactor.turn(0)
                self.reactor.turn(0)
                self.assertEqual(1, listener.connections)
                listener.close()

    def test_the_first_complaint_is_heard_on_a_machine_that_has_just_started(self):
        """Edge case 63: a clock that begins at nothing is not mistaken for a complaint a moment ago."""
        self.clock.now = 0.0
        self.scripted(OSError(errno.EMFILE, "too many"))
        with self.assertLogs("reactor", "WARNING"):
            self.reactor.turn(0)

    def test_who_listens_is_part_of_every_look(self):
        """Edge case 42: however busy the others are; and no longer than it listens."""
        before = set(self.reactor.working_set.urgent)
        self.assertEqual({self.reactor.wakeup.fileno()}, before)
        listener = self.listen()
        self.assertEqual({*before, listener._sockets[0].fileno()}, self.reactor.working_set.urgent)
        listener.close()
        self.assertEqual(before, self.reactor.working_set.urgent)

    def test_a_connection_that_ends_ends_the_pause(self):
        """Edge case 63: a descriptor is free again, so nobody needs to wait for the timer."""
        listener, sock = self.scripted(self.client_pair(), OSError(errno.EMFILE, "too many"), self.client_pair())
        with self.assertLogs("reactor", "WARNING"):
            self.reactor.turn(0)
        self.protocols[0].transport.abort()
        before = self.clock.now
        run_turns(self.reactor, lambda: len(self.protocols) == 2)
        self.assertEqual(before, self.clock.now)

    def test_the_complaint_comes_back_only_after_a_while(self):
        """Edge case 63: logged once, not once for each try."""
        listener, sock = self.scripted(*[OSError(errno.EMFILE, "too many")] * 90)
        end = self.clock.now + 80
        with self.assertLogs("reactor", "WARNING") as logged:
            self.reactor.run(lambda: self.clock.now > end)
        self.assertEqual(2, len(logged.output), "eighty seconds, a line a minute")
        self.assertTrue(80 <= sock.accepts <= 83, sock.accepts)

    def test_a_long_exhaustion_does_not_grow_anything(self):
        """Edge case 63: each pause must not leave one more entry among those who wait for a descriptor."""
        self.scripted(*[OSError(errno.EMFILE, "too many")] * 100)
        with self.assertLogs("reactor", "WARNING"):
            end = self.clock.now + 80
            self.reactor.run(lambda: self.clock.now > end)
        self.assertLessEqual(len(self.reactor.waiting), 1)

    def test_a_listener_closed_during_its_pause_does_not_come_back(self):
        """Edge case 65: asyncio logs a hundred errors after the close."""
        listener, sock = self.scripted(OSError(errno.EMFILE, "too many"))
        with self.assertLogs("reactor", "WARNING"):
            self.reactor.turn(0)
        listener.close()
        self.assertTrue(self.reactor.is_idle())
        self.clock.advance(10 * PAUSE)
        self.reactor.turn(0)
        self.assertEqual(1, sock.accepts)

    def test_an_unknown_error_neither_kills_nor_spins(self):
        """Edge case 67."""
        listener, sock = self.scripted(OSError(errno.EDOM, "what is this"), self.client_pair())
        with self.assertLogs("reactor", "WARNING") as logged:
            self.reactor.turn(0)
        self.assertIn("what is this", logged.output[0])
        self.assert_quiet(self.reactor)
        self.clock.advance(PAUSE)
        run_turns(self.reactor, lambda: self.protocols)


class TestLimits(ListenerCase):

    def test_at_its_limit_a_listener_stops_watching_and_resumes_when_one_leaves(self):
        """Edge case 73."""
        told = []
        self.reactor.observer = lambda event: told.append(event) if event.kind == "full" else None
        listener = self.listen(max_connections=2)
        clients = [self.client_of(listener) for _ in range(4)]
        run_turns(self.reactor)
        self.assertEqual((2, 2), (listener.connections, len(self.protocols)))
        self.assert_quiet(self.reactor)
        self.assertEqual(1, len(told), "told once, not once for each turn")
        clients[0].close()
        run_turns(self.reactor)
        self.assertEqual((2, 3), (listener.connections, len(self.protocols)))
        self.assert_quiet(self.reactor)
        for client in clients[1:3]:
            client.close()
        run_turns(self.reactor)
        self.assertEqual((1, set()), (listener.connections, self.reactor.waiting), "with room nobody waits")

    def test_two_listeners_keep_count_for_themselves(self):
        """Edge case 73."""
        narrow, wide = self.listen(max_connections=1), self.listen()
        clients = [self.client_of(listener) for listener in (narrow, narrow, wide, wide)]
        run_turns(self.reactor)
        self.assertEqual((1, 2), (narrow.connections, wide.connections))
        self.assertEqual(4, len(clients))

    def test_a_listener_stops_before_select_is_full(self):
        """Edge case 4: RESERVE numbers are left for files, look-ups and outgoing connections."""
        self.patch(listener_module, "CEILING", 0)
        listener = self.listen()
        clients = [self.client_of(listener) for _ in range(3)]
        with self.assertLogs("reactor", "WARNING") as logged:
            run_turns(self.reactor)
        self.assertEqual((1, 1), (len(self.protocols), len(logged.output)))
        clients[0].close()
        run_turns(self.reactor, lambda: len(self.protocols) == 2)
        self.assertLess(CEILING, LIMIT)

    def test_a_crowded_loop_stops_every_listener(self):
        """Edge case 4."""
        self.patch(listener_module, "CEILING", 0)
        first, second = self.listen(), self.listen()
        clients = [self.client_of(first)]
        with self.assertLogs("reactor", "WARNING"):
            run_turns(self.reactor)
        clients.append(self.client_of(second))
        run_turns(self.reactor)
        self.assertEqual((1, 0), (first.connections, second.connections))
        self.assert_quiet(self.reactor)
        clients[0].close()
        with self.assertLogs("reactor", "WARNING"):
            run_turns(self.reactor, lambda: second.connections == 1)

    def test_coming_and_going_does_not_eat_up_the_reserve(self):
        """Edge case 4: for each that leaves, one may come, not two."""
        listener = self.listen()
        clients = [self.client_of(listener) for _ in range(40)]
        self.patch(listener_module, "CEILING", max(client.fileno() for client in clients) + 5)
        self.patch(listener_module, "FD_SETSIZE", 1000)
        with self.assertLogs("reactor", "WARNING"):
            run_turns(self.reactor)
        served = listener.connections
        self.assertTrue(3 <= served <= 8, served)
        for _ in range(10):
            next(p for p in self.protocols if not p.lost).transport.abort()
            run_turns(self.reactor)
        self.assertEqual(served, listener.connections)

    def test_a_number_that_select_cannot_hold_is_closed_politely(self):
        """Edge case 66: should one come all the same."""
        self.patch(listener_module, "FD_SETSIZE", 0)
        listener = self.listen()
        client = self.client_of(listener)
        run_turns(self.reactor)
        self.assertEqual(b"", client.recv(10))
        self.assertEqual(0, listener.connections)

    def test_windows_counts_sockets_and_not_their_numbers(self):
        """Edge case 66: there numbers are handles, and select is limited in how many it is given."""
        self.patch(listener_module, "WINDOWS", True)
        self.patch(listener_module, "FD_SETSIZE", 3)
        self.patch(listener_module, "CEILING", 99)
        listener = self.listen()
        clients = [self.client_of(listener) for _ in range(3)]
        run_turns(self.reactor)
        self.assertEqual(2, listener.connections)
        self.assertEqual(b"", clients[2].recv(10))

    def test_a_system_that_has_no_limits_to_tell(self):
        """Edge case 4: Windows has no module resource; select takes 512 sockets there."""
        before = sys.modules.get("resource")
        self.addCleanup(sys.modules.update, {"resource": before} if before else {})
        sys.modules["resource"] = None
        spec = importlib.util.spec_from_file_location("reactor.listener_again", listener_module.__file__)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.assertEqual(512, module.DESCRIPTORS)
        self.assertTrue(0 < module.CEILING < module.LIMIT)

    def test_once_crowded_it_looks_for_a_free_number_before_it_accepts(self):
        """Edge case 4: also where not even that look finds a descriptor, and where only the count matters."""
        listener = self.listen()
        self.reactor.crowded = 0
        for name, value, most in (("CEILING", 0, 0), ("WINDOWS", True, 0)):
            with self.subTest(name):
                self.patch(listener_module, name, value)
                self.client_of(listener)
                run_turns(self.reactor)
                self.assertEqual(most, listener.connections)
        self.assertTrue(listener._is_full(listener._sockets[0]))
        self.patch(listener_module, "WINDOWS", False)
        self.patch(listener_module, "CEILING", 1000)
        self.patch(listener_module.os, "dup", self.no_descriptor)
        self.assertTrue(listener._is_full(listener._sockets[0]))

    def no_descriptor(self, fd):
        raise OSError(errno.EMFILE, "no descriptor")

    def test_the_numbers_make_sense(self):
        self.assertTrue(0 < CEILING < LIMIT <= FD_SETSIZE)


class TestClosing(ListenerCase):

    def test_connections_outlive_their_listener(self):
        """Edge case 80."""
        listener = self.listen(lambda: self.factory(data_received=lambda p, data: p.transport.write(data)))
        client = self.client_of(listener)
        run_turns(self.reactor)
        address = ("127.0.0.1", listener.port)
        listener.close()
        listener.close()
        self.assertEqual([], listener.addresses)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(address, 1).close()
        client.send(b"still there?")
        run_turns(self.reactor)
        self.assertEqual(b"still there?", client.recv(100))

    def test_close_inside_the_factory_stops_the_batch(self):
        """Edge case 81."""
        def factory():
            listener.close()
            return self.factory()
        listener = self.listen(factory)
        clients = [self.client_of(listener) for _ in range(3)]
        run_turns(self.reactor)
        self.assertEqual((1, 3), (len(self.protocols), len(clients)))

    def test_close_inside_connection_made_stops_the_batch(self):
        """Edge case 81."""
        listener = self.listen(lambda: self.factory(connection_made=lambda protocol: listener.close()))
        clients = [self.client_of(listener) for _ in range(3)]
        run_turns(self.reactor)
        self.assertEqual((1, 3), (len(self.protocols), len(clients)))

    def test_close_while_resting_at_the_limit(self):
        """Edge case 81: whoever leaves later does not bring it back."""
        listener = self.listen(max_connections=1)
        clients = [self.client_of(listener) for _ in range(2)]
        run_turns(self.reactor)
        listener.abort()
        clients[0].close()
        run_turns(self.reactor)
        self.assertEqual((1, 0), (len(self.protocols), listener.connections))
        self.assertEqual(set(), self.reactor.endpoints)

    def test_repr_tells_where_and_how_many(self):
        listener = self.listen()
        self.assertEqual(f"<Listener #1 on 127.0.0.1:{listener.port}, 0 connections>", repr(listener))
        self.assertEqual("the listener", listener.why(False))


class TestBinding(ListenerCase):

    def test_an_address_in_use_is_named(self):
        """Edge cases 74 and 78: SO_REUSEADDR lets a dead server's port be taken again, never a living one's."""
        listener = self.listen()
        with self.assertRaisesRegex(OSError, f"127.0.0.1:{listener.port}") as caught:
            self.listen(port=listener.port)
        self.assertEqual(errno.EADDRINUSE, caught.exception.errno)

    def test_a_port_can_be_taken_again_at_once(self):
        """Edge case 74: connections in TIME_WAIT do not keep the server from coming back."""
        listener = self.listen()
        client = self.client_of(listener)
        run_turns(self.reactor)
        port = listener.port
        listener.close()
        self.protocols[0].transport.close()  # who closes first, waits
        run_turns(self.reactor)
        client.close()
        run_turns(self.reactor)
        self.assertEqual(port, self.listen(port=port).port)

    def test_windows_does_not_reuse(self):
        """Edge case 74: there SO_REUSEADDR means that others may take the port away."""
        for windows in (False, True):
            self.patch(listener_module, "WINDOWS", windows)
            sock, = bind("127.0.0.1", 0)
            with sock:
                self.assertEqual(not windows, bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)))

    def test_port_0_tells_what_the_kernel_chose(self):
        """Edge case 75."""
        listener = self.listen()
        self.assertGreater(listener.port, 0)
        self.assertEqual([f"127.0.0.1:{listener.port}"], listener.addresses)

    def addresses(self, *addresses):
        """Make getaddrinfo answer with these."""
        found = []
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            tail = (0, 0) if family == socket.AF_INET6 else ()
            found.append((family, socket.SOCK_STREAM, 6, "", (address, 0, *tail)))
        self.patch(socket, "getaddrinfo", lambda *args, **kwargs: found)

    def test_every_address_of_a_name_is_served_on_one_port(self):
        """Edge case 76."""
        self.addresses("127.0.0.1", "127.0.0.2", "127.0.0.1")
        try:
            listener = self.listen(host="somewhere")
        except OSError as exc:
            self.skipTest(f"this machine has one loopback address: {exc}")
        self.assertEqual([f"127.0.0.1:{listener.port}", f"127.0.0.2:{listener.port}"], listener.addresses)
        for host in ("127.0.0.1", "127.0.0.2"):
            self.connected((host, listener.port))
        run_turns(self.reactor, lambda: listener.connections == 2)

    @unittest.skipUnless(socket.has_ipv6, "no IPv6")
    def test_both_families_are_served_side_by_side(self):
        """Edge case 76: IPV6_V6ONLY, so that the two do not take each other's port."""
        self.addresses("::", "0.0.0.0")  # Linux keeps ::1 to itself without being asked
        listener = self.listen(host="somewhere")
        if len(listener.addresses) == 1:
            self.skipTest("this machine has no IPv6")
        self.assertEqual([f"[::]:{listener.port}", f"0.0.0.0:{listener.port}"], listener.addresses)
        self.assertTrue(listener._sockets[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
        for host in ("::1", "127.0.0.1"):
            self.connected((host, listener.port))
        run_turns(self.reactor, lambda: listener.connections == 2)

    def test_addresses_that_are_not_ours_are_passed_over(self):
        """Edge case 76: EADDRNOTAVAIL; 192.0.2.1 is for documentation and nobody's."""
        for order in (("192.0.2.1", "127.0.0.1"), ("127.0.0.1", "192.0.2.1")):
            self.addresses(*order)
            listener = self.listen(host="somewhere")
            self.assertEqual([f"127.0.0.1:{listener.port}"], listener.addresses)

    def test_where_no_address_is_ours_the_error_names_one(self):
        """Edge case 76."""
        self.addresses("192.0.2.1")
        with self.assertRaisesRegex(OSError, "cannot listen on 192.0.2.1:0: ") as caught:
            self.listen(host="somewhere")
        self.assertEqual(errno.EADDRNOTAVAIL, caught.exception.errno)

    def test_a_name_without_addresses(self):
        """Edge case 76."""
        self.addresses()
        with self.assertRaisesRegex(OSError, "somewhere has no address"):
            self.listen(host="somewhere")

    def test_one_taken_address_closes_all(self):
        """Edge case 76: half a server helps nobody; that no descriptor is left, the base class checks."""
        taken = socket.socket()
        self.addCleanup(taken.close)
        taken.bind(("127.0.0.2", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.1", "127.0.0.2")]
        self.patch(socket, "getaddrinfo", lambda *args, **kwargs: found)
        with self.assertRaisesRegex(OSError, "127.0.0.2"):
            self.listen(host="somewhere")

    def test_a_host_that_cannot_be_one_is_an_oserror(self):
        """Edge case 78: "Raises OSError where it cannot listen" is what a program can catch."""
        for host in ("a" * 70 + ".example", "no such host"):
            with self.subTest(host=host), self.assertRaises(OSError):
                self.listen(host=host)

    def test_a_port_that_cannot_be_one_is_not_silently_another(self):
        """Edge case 78: some systems' getaddrinfo takes 70000 for 4464."""
        for port in (70000, -1):
            with self.subTest(port=port), self.assertRaises((OSError, OverflowError, ValueError)):
                self.listen(port=port)

    def test_the_backlog_is_as_long_as_the_kernel_allows(self):
        """Edge case 77: more clients than accept takes in a turn find room; the kernel cuts what is too much."""
        self.assertGreaterEqual(listener_module.BACKLOG, 1024)
        listener = self.listen()
        clients = [self.client_of(listener) for _ in range(3 * BATCH)]
        run_turns(self.reactor)
        self.assertEqual(len(clients), listener.connections)

    def test_listening_sockets_do_not_block(self):
        """Edge case 82: a client may leave between select and accept."""
        for sock in self.listen()._sockets:
            self.assertEqual(0.0, sock.gettimeout())

    def test_descriptors_are_not_inherited(self):
        """Edge case 161: the default since PEP 446, never undone."""
        listener = self.listen()
        client = self.client_of(listener)
        run_turns(self.reactor)
        self.assertFalse(listener._sockets[0].get_inheritable())
        self.assertFalse(self.protocols[0].transport.sock.get_inheritable())
        self.assertFalse(client.get_inheritable())

    def test_accepted_sockets_send_without_delay(self):
        """Edge case 131: they inherit TCP_NODELAY from the listener where the system hands it down."""
        listener = self.listen()
        self.assertTrue(listener._sockets[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_addresses_in_words(self):
        self.assertEqual("127.0.0.1:80", shown(("127.0.0.1", 80)))
        self.assertEqual("[::1]:80", shown(("::1", 80, 0, 0)))
        self.assertEqual("/tmp/x", shown("/tmp/x"))
        self.assertEqual("a local process", shown(""))


@unittest.skipUnless(HAS_UNIX, "no Unix sockets")
class TestUnixSockets(ListenerCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "socket")

    def client(self):
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.settimeout(1)
        sock.connect(self.path)
        return sock

    def test_served_and_the_path_is_removed_at_close(self):
        listener = self.listen(unix=self.path)
        client = self.client()
        run_turns(self.reactor)
        self.assertEqual((1, [self.path]), (listener.connections, listener.addresses))
        self.assertEqual("a local process", shown(self.protocols[0].transport.get_extra_info("peername")))
        client.close()
        listener.close()
        self.assertFalse(os.path.exists(self.path))

    def test_a_dead_servers_socket_is_replaced(self):
        """Edge case 79."""
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(self.path)
        listener = self.listen(unix=self.path)
        self.client()
        run_turns(self.reactor, lambda: listener.connections == 1)

    def test_a_living_servers_socket_is_not(self):
        """Edge case 79."""
        listener = self.listen(unix=self.path)
        with self.assertRaisesRegex(OSError, f"cannot listen on {self.path}: ") as caught:
            self.listen(unix=self.path)
        self.assertEqual(errno.EADDRINUSE, caught.exception.errno)
        self.client()
        run_turns(self.reactor, lambda: listener.connections >= 1)

    def test_a_file_is_never_removed(self):
        """Edge case 79: only sockets are."""
        with open(self.path, "w") as file:
            file.write("precious")
        with self.assertRaises(OSError):
            self.listen(unix=self.path)
        with open(self.path) as file:
            self.assertEqual("precious", file.read())

    def test_a_path_that_cannot_be_one_is_an_error_that_says_why(self):
        """Edge case 78: the system has no errno for a path that is too long, and the reason must not be Success."""
        for path in (self.path + "x" * 200, os.path.join(self.path, "no", "folder")):
            with self.subTest(path=path), self.assertRaises(OSError) as caught:
                bind_unix(path)
            self.assertIn("cannot listen on", str(caught.exception))
            self.assertNotIn("Success", str(caught.exception))

    def test_a_path_that_is_gone_already_is_no_error(self):
        listener = self.listen(unix=self.path)
        os.unlink(self.path)
        listener.close()

    def test_a_successors_socket_is_not_removed(self):
        """Edge case 79: another server may have replaced the path meanwhile; its clients need it."""
        listener = self.listen(unix=self.path)
        os.unlink(self.path)
        successor = self.listen(unix=self.path)
        listener.close()
        self.assertTrue(os.path.exists(self.path))
        self.client()
        run_turns(self.reactor, lambda: successor.connections == 1)

    @unittest.skipUnless(sys.platform == "linux", "only Linux has them")
    def test_a_name_that_is_no_path(self):
        """Edge case 79: Linux's abstract sockets stand in no folder, so nothing is there to remove."""
        listener = self.listen(unix=f"\0see-through-{os.getpid()}")
        self.assertEqual([f"\0see-through-{os.getpid()}"], listener.addresses)
        listener.close()


SERVER = """
import logging, resource, signal, sys
soft, hard = int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]
if sys.argv[2] == "before":
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard), hard))
from reactor import Reactor
if sys.argv[2] == "after":
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard), hard))
logging.basicConfig(format="LOG %(message)s")

class Echo:
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(data)
    def eof_received(self):
        pass
    def connection_lost(self, exc):
        pass

reactor = Reactor()
listener = reactor.listen(Echo)
reactor.add_signal_handler(signal.SIGTERM, reactor.stop)
print(listener.port, flush=True)
reactor.run()
print("turns", reactor.turns, "served", listener.connections, flush=True)
reactor.close()
"""

CLIENT = """
import resource, select, socket, sys, time
port, attempts = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(attempts + 400, hard), hard))
poll, clients = select.poll(), {}

def attempt(count):
    for _ in range(count):
        sock = socket.create_connection(("127.0.0.1", port), 5)
        sock.send(b"x")
        clients[sock.fileno()] = sock
        poll.register(sock, select.POLLIN)

def answers(enough=None, quiet=0.15, patience=2.0):
    got, end = [], time.monotonic() + patience
    while time.monotonic() < end and (enough is None or len(got) < enough):
        ready = poll.poll(quiet * 1000)
        if not ready and enough is None:
            break
        for fd, event in ready:
            assert clients[fd].recv(10) == b"x", "refused"
            poll.unregister(fd)
            got.append(fd)
    return got

attempt(attempts)
served = answers()
print(len(served), flush=True)
leaving = served[:int(sys.argv[3])]
for fd in leaving:
    clients.pop(fd).close()
attempt(len(leaving))
start = time.monotonic()
print(len(answers(len(leaving))), time.monotonic() - start, flush=True)
old = served[len(leaving):]
for fd in old:
    clients[fd].send(b"x")
    clients[fd].settimeout(2)
print(sum(clients[fd].recv(10) == b"x" for fd in old), len(old), flush=True)
"""


class TestCeilings(Case):
    """With real processes: what cannot be served waits, and what is served goes on."""

    def crowd(self, limit, when, attempts, leave):
        try:
            import resource
        except ImportError:
            self.skipTest("this system has no such limits")
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < attempts + 400:
            self.skipTest("this process may not open so many descriptors")
        with subprocess.Popen([sys.executable, "-c", SERVER, str(limit), when], cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
            try:
                port = server.stdout.readline().strip()
                client = subprocess.run([sys.executable, "-c", CLIENT, port, str(attempts), str(leave)], cwd=ROOT,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
            finally:
                server.terminate()
                told, logged = server.communicate(timeout=10)
        self.assertEqual("", client.stderr)
        served, (left, seconds), (went_on, old) = [line.split() for line in client.stdout.splitlines()]
        self.assertGreaterEqual(int(left), leave, "as many as left have come in")
        self.assertLess(float(seconds), 2)
        self.assertEqual(int(old), int(went_on), "those who were served were not disturbed")
        self.assertEqual(1, logged.count("LOG"), logged)
        turns = int(told.split()[1])
        self.assertLess(turns, 6 * attempts + 200, "the listener must not spin")
        return int(served[0])

    def test_more_clients_than_select_can_hold(self):
        """Edge case 4: 1,100 attempts, about a thousand served; when 200 leave, 200 others get in."""
        self.assertTrue(950 <= self.crowd(4000, "before", 1100, 200) < FD_SETSIZE)

    def test_few_descriptors_known_in_time(self):
        """Edge case 4: `ulimit -n 64` before the start."""
        self.assertTrue(32 <= self.crowd(64, "before", 100, 20) < 64)

    def test_few_descriptors_found_out_by_accept(self):
        """Edge case 63: the limit came later, so accept says EMFILE."""
        self.assertTrue(32 <= self.crowd(64, "after", 100, 20) < 64)


if __name__ == "__main__":
    unittest.main()
