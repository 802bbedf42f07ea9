"""Connecting without blocking: each way in which it may end, once."""
import errno
import os
import socket
import tempfile
import unittest

from reactor import connector as connector_module
from reactor.connector import Connector
from reactor.errors import CONNECTING
from reactor.testing import run_turns
from tests.case import Case, Recorder, watched

HAS_UNIX = hasattr(socket, "AF_UNIX")


class FakeConnecting:
    """Stands in for the module socket: its sockets answer connect_ex, and later SO_ERROR, from a script.

    Each pair of the script is one socket: (answer of connect_ex, answer of SO_ERROR).
    """

    def __init__(self, case, *script):
        self.script = list(script)
        self.made = []
        self.case = case

    def __getattr__(self, name):
        return getattr(socket, name)

    def socket(self, family, kind, proto):
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        sock, _ = self.case.pair()
        self.made.append(FakeSocket(sock, *answer))
        return self.made[-1]


class FakeSocket:

    def __init__(self, sock, first, later):
        self.sock = sock
        self.first = first
        self.later = [later]
        self.asked = []

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def connect_ex(self, address):
        self.asked.append(address)
        return self.first

    def getsockopt(self, level, option):
        return self.later.pop(0)  # reading SO_ERROR clears it: a second reading would not know


def found(*hosts):
    """What getaddrinfo would answer."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 7)) for host in hosts]


class ConnectorCase(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.errors = []
        self.protocol = Recorder()

    def factory(self):
        return self.protocol

    def connect(self, *args, factory=None, **options):
        return self.reactor.connect(factory or self.factory, *args, on_error=self.errors.append, **options)

    def scripted(self, *script):
        fake = FakeConnecting(self, *script)
        self.patch(connector_module, "socket", fake)
        return fake

    def connector(self, *hosts, timeout=10.0):
        connector = Connector(self.reactor, self.factory, "somewhere:7", timeout, self.errors.append)
        connector.found(found(*hosts or ["192.0.2.1"]))
        return connector

    def assert_failed(self, kind, code=None):
        """on_error was called once, nothing else ever is, and nothing is left."""
        run_turns(self.reactor)
        self.assertEqual(1, len(self.errors))
        self.assertIsInstance(self.errors[0], kind)
        self.assertEqual(code, self.errors[0].errno)
        self.assertEqual([], self.protocol.calls)
        self.assertTrue(self.reactor.is_idle())
        self.assertEqual([], watched(self.reactor)[1])


class TestConnecting(ConnectorCase):

    def test_connects_and_introduces_the_protocol(self):
        listener = self.reactor.listen(lambda: Recorder(data_received=lambda p, data: p.transport.write(data)))
        self.connect("127.0.0.1", listener.port)
        self.assertEqual([], self.protocol.calls, "never from inside connect()")
        run_turns(self.reactor, lambda: self.protocol.calls)
        self.protocol.transport.write(b"hello")
        run_turns(self.reactor, lambda: self.protocol.data == b"hello")
        self.assertEqual(("127.0.0.1", listener.port), self.protocol.transport.get_extra_info("peername"))
        self.assertEqual([], self.errors)

    def test_while_in_progress_only_writability_is_waited_for(self):
        """Edge cases 19, 83 and 87: a fresh or failed socket is readable too, which tells nothing."""
        for code in sorted(CONNECTING):
            with self.subTest(code=errno.errorcode[code]):
                fake = self.scripted((code, 0))
                connector = self.connector()
                fd = fake.made[0].fileno()
                self.assertNotIn(fd, watched(self.reactor)[0])
                self.assertIn(fd, watched(self.reactor)[1])
                self.assertEqual("connect pending", connector.why(True))
                connector.cancel()
                run_turns(self.reactor)

    def test_a_connection_made_at_once_takes_the_same_path(self):
        """Edge case 84: the callbacks come from the loop all the same."""
        self.scripted((0, 0))
        self.connector()
        self.assertEqual([], self.protocol.calls)
        run_turns(self.reactor, lambda: self.protocol.calls)

    def test_an_immediate_refusal_is_told_later(self):
        """Edge case 85: some BSDs refuse inside connect()."""
        self.scripted((errno.ECONNREFUSED, None))
        self.connector()
        self.assertEqual([], self.errors)
        self.assert_failed(ConnectionRefusedError, errno.ECONNREFUSED)

    def test_a_late_refusal_is_read_once(self):
        """Edge case 86: the fake has one SO_ERROR to give, as the kernel has."""
        self.scripted((errno.EINPROGRESS, errno.ECONNREFUSED))
        self.connector()
        self.assert_failed(ConnectionRefusedError, errno.ECONNREFUSED)
        self.assertIn("192.0.2.1:7", str(self.errors[0]))

    def test_a_real_refusal(self):
        """Edge cases 86 and 87."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            self.connect("127.0.0.1", port)
            run_turns(self.reactor, lambda: self.errors)
        self.assert_failed(ConnectionRefusedError, errno.ECONNREFUSED)
        self.assertIn(f"cannot connect to 127.0.0.1:{port}", str(self.errors[0]))

    def test_the_next_address_is_tried(self):
        """Edge case 89: immediately refused, refused later, not even a socket, and then one that answers."""
        fake = self.scripted((errno.EHOSTUNREACH, None), (errno.EINPROGRESS, errno.ECONNREFUSED),
                             OSError(errno.EAFNOSUPPORT, "no such family"), (errno.EINPROGRESS, 0))
        self.connector("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
        run_turns(self.reactor, lambda: self.protocol.calls)
        self.assertEqual([[("192.0.2.1", 7)], [("192.0.2.2", 7)], [("192.0.2.4", 7)]],
                         [sock.asked for sock in fake.made])
        self.assertEqual([-1, -1], [sock.fileno() for sock in fake.made[:2]])
        self.assertEqual([], self.errors)

    def test_where_all_addresses_fail_the_last_error_is_told(self):
        """Edge case 89."""
        self.scripted((errno.EHOSTUNREACH, None), (errno.EINPROGRESS, errno.ECONNREFUSED))
        self.connector("192.0.2.1", "192.0.2.2")
        self.assert_failed(ConnectionRefusedError, errno.ECONNREFUSED)
        self.assertIn("192.0.2.2", str(self.errors[0]))

    def test_an_address_named_twice_is_tried_once(self):
        """Edge case 89."""
        fake = self.scripted((errno.ECONNREFUSED, None))
        self.connector("192.0.2.1", "192.0.2.1")
        self.assert_failed(ConnectionRefusedError, errno.ECONNREFUSED)
        self.assertEqual(1, len(fake.made))

    def test_no_address_at_all(self):
        """Edge case 89."""
        connector = Connector(self.reactor, self.factory, "somewhere:7", 10.0, self.errors.append)
        connector.found([])
        self.assert_failed(OSError)

    def test_a_descriptor_that_select_cannot_hold_is_an_error_and_no_crash(self):
        """Edge case 2."""
        fake = self.scripted((errno.EINPROGRESS, 0))

        def refuse(*args):
            raise ValueError("select cannot watch descriptor 1024")
        self.patch(self.reactor, "add_writer", refuse)
        self.connector()
        self.assert_failed(OSError)
        self.assertIn("1024", str(self.errors[0]))
        self.assertEqual(-1, fake.made[0].fileno())

    def test_a_factory_that_raises_is_logged_and_the_socket_closed(self):
        """Edge case 148."""
        listener = self.reactor.listen(Recorder)
        self.connect("127.0.0.1", listener.port, factory=lambda: 1 / 0)
        with self.assertLogs("reactor", "ERROR") as logged:
            run_turns(self.reactor, lambda: not self.reactor.endpoints - {listener})
        self.assertIn("ZeroDivisionError", logged.output[0])

    def test_a_protocol_that_raises_at_once_loses_its_connection(self):
        """Edge case 30: blamed is the connection, which on_error is not told of any more."""
        listener = self.reactor.listen(Recorder)
        self.protocol = Recorder(connection_made=lambda protocol: 1 / 0)
        self.connect("127.0.0.1", listener.port)
        with self.assertLogs("reactor", "ERROR"):
            run_turns(self.reactor, lambda: self.protocol.lost)
        self.assertIsInstance(self.protocol.lost[0], ZeroDivisionError)
        self.assertEqual([], self.errors)

    def test_without_on_error_the_error_is_logged(self):
        self.scripted((errno.ECONNREFUSED, None))
        connector = Connector(self.reactor, self.factory, "somewhere:7", 10.0)
        connector.found(found("192.0.2.1"))
        with self.assertLogs("reactor", "ERROR") as logged:
            run_turns(self.reactor)
        self.assertEqual(1, len(logged.output))
        self.assertIn("cannot connect to 192.0.2.1:7", logged.output[0])

    def test_outgoing_connections_send_without_delay(self):
        """Edge case 131."""
        listener = self.reactor.listen(Recorder)
        self.connect("127.0.0.1", listener.port)
        run_turns(self.reactor, lambda: self.protocol.calls)
        self.assertTrue(self.protocol.transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_a_peer_that_left_before_it_could_be_told_so_is_no_error(self):
        """Edge case 70: then setsockopt fails on some systems; recv has the last word."""
        def refuse(*args):
            raise OSError(errno.EINVAL, "the peer has left")
        fake = self.scripted((errno.EINPROGRESS, 0))
        self.connector()
        fake.made[0].family, fake.made[0].setsockopt = socket.AF_INET, refuse
        run_turns(self.reactor, lambda: self.protocol.calls or self.errors)
        self.assertEqual((["connection_made"], []), (self.protocol.calls, self.errors))

    def test_repr_tells_where(self):
        self.assertEqual("<Connector #1 to 192.0.2.1:7>", repr(self.connect("192.0.2.1", 7)))


class TestGivingUp(ConnectorCase):

    def test_a_timeout_is_told_once(self):
        """Edge case 90."""
        self.patch(self.reactor, "look_up", lambda *args: None)
        self.connect("192.0.2.1", 7, timeout=3)
        before = self.clock.now
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(3, self.clock.now - before)
        self.assertIn("no connection to 192.0.2.1:7 within 3 seconds", str(self.errors[0]))
        self.assert_failed(TimeoutError)

    def test_the_timer_is_cancelled_on_every_way_out(self):
        """Edge case 90: is_idle() means that no timer is left."""
        scripts = [[(errno.EINPROGRESS, 0)], [(errno.EINPROGRESS, errno.ECONNREFUSED)], [(errno.ECONNREFUSED, None)]]
        for script in scripts:
            self.scripted(*script)
            self.connector()
            run_turns(self.reactor)
            self.assertIsNone(self.reactor._timers.first())
        self.connector_of_nothing().cancel()
        run_turns(self.reactor)
        self.assertIsNone(self.reactor._timers.first())

    def connector_of_nothing(self):
        self.scripted((errno.EINPROGRESS, 0))
        return self.connector()

    def test_cancel_while_connecting(self):
        """Edge case 91: on_error once, with ConnectionAbortedError, and from the loop."""
        connector = self.connector_of_nothing()
        connector.cancel()
        connector.cancel()
        connector.close()
        connector.abort()
        self.assertEqual([], self.errors)
        self.assert_failed(ConnectionAbortedError)

    def test_cancel_after_the_end_does_nothing(self):
        """Edge case 91."""
        connector = self.connector_of_nothing()
        run_turns(self.reactor, lambda: self.protocol.calls)
        connector.cancel()
        run_turns(self.reactor)
        self.assertEqual(([], ["connection_made"]), (self.errors, self.protocol.calls))

    def test_cancel_while_the_name_is_looked_up(self):
        """Edge case 91: the answer that comes later is for nobody."""
        answers = []
        self.patch(self.reactor, "look_up", lambda host, port, done: answers.append(done))
        self.connect("somewhere", 7).cancel()
        answers[0](found("192.0.2.1"))
        self.assert_failed(ConnectionAbortedError)

    def test_cancel_inside_on_error_does_nothing(self):
        """Edge case 91."""
        self.scripted((errno.ECONNREFUSED, None))
        connector = Connector(self.reactor, self.factory, "somewhere:7", 10.0,
                              lambda exc: (self.errors.append(exc), connector.cancel()))
        connector.found(found("192.0.2.1"))
        self.assert_failed(ConnectionRefusedError, errno.ECONNREFUSED)

    def test_a_timeout_that_is_no_number_leaves_nothing_behind(self):
        """Edge case 45: refused at the call, and close() of the reactor still works."""
        for timeout in (None, float("nan"), "soon"):
            with self.subTest(timeout=timeout):
                with self.assertRaises((TypeError, ValueError)):
                    self.connect("127.0.0.1", 9, timeout=timeout)
                self.assertEqual(set(), self.reactor.endpoints)
                self.reactor.endpoints.clear()

    def test_a_host_that_cannot_be_one_leaves_nothing_behind(self):
        """Edge case 93: whatever the look-up says, it is told once, at the call or to on_error."""
        self.reactor = self.open_real_reactor()  # the look-up happens in a thread, which no fake clock waits for
        for host in ("a" * 70 + ".example", "no such host", "a\0b", None):
            with self.subTest(host=host):
                self.errors.clear()
                try:
                    self.connect(host, 9)
                except Exception as exc:
                    self.errors.append(exc)
                if not self.errors:
                    self.reactor.run(lambda: self.errors)
                run_turns(self.reactor)
                self.assertEqual(1, len(self.errors))
                self.assertEqual(set(), self.reactor.endpoints)

    def test_a_port_that_cannot_be_one_is_not_silently_another(self):
        """Edge case 93: some systems' getaddrinfo takes 70000 for 4464."""
        asked = []
        fake = self.scripted((errno.ECONNREFUSED, None))
        self.patch(self.reactor, "call_in_thread", lambda function, done: asked.append(function))
        try:
            self.connect("127.0.0.1", 70000)
        except (OSError, OverflowError, ValueError):
            pass
        run_turns(self.reactor)
        self.assertEqual([], [address for sock in fake.made for address in sock.asked])


class TestWithoutTransport(ConnectorCase):

    def test_there_is_no_transport_before_the_connection(self):
        """Edge case 92: so nothing can be written too early; a connector has no write()."""
        self.assertFalse(hasattr(self.connector_of(), "write"))

    def connector_of(self):
        self.scripted((errno.EINPROGRESS, 0))
        return self.connector()


@unittest.skipUnless(HAS_UNIX, "no Unix sockets")
class TestUnix(ConnectorCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "socket")

    def test_connects(self):
        """Edge case 84: a Unix socket connects at once."""
        self.reactor.listen(Recorder, unix=self.path)
        self.connect(unix=self.path)
        run_turns(self.reactor, lambda: self.protocol.calls)

    def test_nobody_there(self):
        self.connect(unix=self.path)
        run_turns(self.reactor)
        self.assertIn(f"cannot connect to {self.path}", str(self.errors[0]))
        self.assert_failed(FileNotFoundError, errno.ENOENT)

    def test_a_path_that_is_too_long(self):
        self.connect(unix=self.path + "x" * 200)
        self.assert_failed(OSError)

    def test_a_full_backlog_is_no_connection(self):
        """Edge case 83: Linux says EAGAIN to a Unix connect(), and SO_ERROR is 0 although nothing connects."""
        with socket.socket(socket.AF_UNIX) as busy:
            busy.bind(self.path)
            busy.listen(0)
            waiting = []
            for _ in range(5):
                sock = socket.socket(socket.AF_UNIX)
                self.addCleanup(sock.close)
                sock.setblocking(False)
                waiting.append(sock.connect_ex(self.path))
            if errno.EAGAIN not in waiting:
                self.skipTest("this system's backlog is never full")
            self.connect(unix=self.path)
            for _ in range(5):
                self.reactor.turn(0)
            self.assertEqual([], self.protocol.calls, "connection_made without a connection")


if __name__ == "__main__":
    unittest.main()
