"""The fault sweep: every scenario, with each of its system calls going wrong in each way.

A scenario runs again and again; in the N-th run its N-th system call fails, N = 1, 2, ... until the scenario
is over before its N-th call.  However it went:  the peer gets exactly the right bytes, or a prefix of them where
the fault was fatal; connection_lost comes exactly once; no watcher and no descriptor is left.

That the sweep bites is tested as well: with an old mistake put back into the core, it must fail.
"""
import errno
import logging
import socket
import sys
import tempfile
import types
import unittest

from reactor import Reactor, connector
from reactor import transport as transport_module
from reactor.listener import Listener, bind
from reactor.outbound import OutboundQueue
from reactor.testing import FakeClock, Faults, FaultySocket, pair

from ..case import Case, Recorder, open_descriptors, reset, watched

FATAL = errno.ECONNRESET, errno.EPIPE
FAULTS = errno.EAGAIN, "one byte", errno.ENOBUFS, *FATAL
ANSWER = bytes(range(256)) * 80  # several times a small kernel buffer


class Kernel(FaultySocket):
    """A FaultySocket whose other calls can fail as well, and that knows in which call the fault struck."""

    def _strikes(self, name):
        self._faults.names = [*getattr(self._faults, "names", []), name]
        return self._faults.strikes()

    def recv(self, size):
        return self._sock.recv(1 if self._strikes("recv") else size)

    def send(self, data):
        return self._sock.send(data[:1] if self._strikes("send") else data)

    def shutdown(self, how):
        self._sock.shutdown(how)  # no system refuses it to a healthy socket, so it is done and then complains
        self._strikes("shutdown")

    def accept(self):
        self._strikes("accept")
        sock, address = self._sock.accept()
        return Kernel(sock, self._faults), address

    def connect_ex(self, address):
        try:
            self._strikes("connect_ex")
        except OSError as exc:
            return exc.errno
        return self._sock.connect_ex(address)

    def setsockopt(self, *args):
        self._strikes("setsockopt")
        self._sock.setsockopt(*args)

    def close(self):
        self._sock.close()


class Peer:
    """The other end: sends what it has, half-closes if it shall, reads until the end, then has a last word."""

    def __init__(self, sock, sends=b"", half_close=True, last_word=None, resets=False):
        sock.setblocking(False)
        self.sock, self.sends, self.half_close = sock, sends, half_close
        self.last_word, self.resets = last_word, resets
        self.received = b""
        self.over = False

    def play(self):
        if not self.over:
            try:
                self._send()
                self._receive()
            except BlockingIOError:
                pass
            except OSError:
                self.close()

    def _send(self):
        try:
            while self.sends:
                self.sends = self.sends[self.sock.send(self.sends):]
        except BlockingIOError:
            return
        if self.resets:
            self.over = True
            reset(self.sock)
        elif self.half_close:
            self.half_close = False
            self.sock.shutdown(socket.SHUT_WR)

    def _receive(self):
        data = b"" if self.over else self.sock.recv(1500)  # slower than it sends, so that queues form
        self.received += data
        if not data:
            if self.last_word and not self.over:
                self.sock.sendall(self.last_word)
            self.close()

    def close(self):
        self.over = True
        self.sock.close()


class Run:
    """One run of one scenario under one fault."""

    def __init__(self, case, fault, nth):
        self.case = case
        self.faults = Faults(nth, fault)
        self.clock = FakeClock()
        self.reactor = Reactor(clock=self.clock, select=self.clock.select)
        self.reactor._mend = lambda exc: case.fail("a closed socket was still watched: %s" % self)
        self.idle_watch = watched(self.reactor)
        self.protocols = []
        self.errors = []  # of attempts to connect
        self.peer = None
        self.sockets = []

    @property
    def fatal(self):
        return (self.faults.fired and self.faults.fault in FATAL
                and self.faults.names[self.faults.nth - 1] in ("recv", "send"))

    def make(self, **actions):
        self.protocols.append(Recorder(**actions))
        return self.protocols[-1]

    def adopt(self, sends=b"", buffer=1, tcp=False, half_close=True, last_word=None, resets=False, **actions):
        if tcp:
            with socket.create_server(("127.0.0.1", 0)) as server:
                peer = socket.create_connection(server.getsockname())
                ours, _ = server.accept()
        else:
            ours, peer = pair(buffer)
        self.sockets += [ours, peer]
        self.peer = Peer(peer, sends, half_close, last_word, resets)
        self.reactor.adopt(lambda: self.make(**actions), Kernel(ours, self.faults))

    def play(self):
        """Turn until both ends are done."""
        for _ in range(3000):
            if not self.reactor.turn(0):
                self.clock.advance(0.05)
            self.peer.play()
            if self.errors or self.peer.over and self.protocols and all(p.lost for p in self.protocols):
                return
        self.case.fail("it never ends: %s" % self)

    def check(self, answer, heard):
        self.play()
        self.reactor.turn(0)
        self.case.assertLessEqual(len(self.errors) + len(self.protocols), 1, self)
        for protocol in self.protocols:
            self.case.assertEqual(1, len(protocol.lost), self)
            self.case.assertEqual(["connection_made"], protocol.calls[:1], self)
            self.case.assertEqual("connection_lost", protocol.calls[-1], self)
            self.prefix(protocol.data, heard)
            if self.fatal:
                self.case.assertEqual(self.faults.fault, getattr(protocol.lost[0], "errno", None), self)
        if not self.errors:
            self.prefix(self.peer.received, answer)
        self.reactor.turn(0)

    def prefix(self, got, expected):
        whole = not (self.fatal or self.peer.resets)
        self.case.assertTrue(got == expected if whole else expected.startswith(got),
                             "%d bytes instead of %d: %s" % (len(got), len(expected), self))

    def close(self):
        self.reactor.close()
        for sock in self.sockets:
            sock.close()

    def __str__(self):
        names = {p: (p.calls, p.lost) for p in self.protocols}
        return "fault %s in call %d of %s, %s" % (
            errno.errorcode.get(self.faults.fault, self.faults.fault), self.faults.nth,
            getattr(self.faults, "names", []), [*names.values(), self.errors])


def write(protocol, data):
    protocol.transport.write(data)


ECHO = {"data_received": write, "pause_writing": lambda protocol: protocol.transport.pause_reading(),
        "resume_writing": lambda protocol: protocol.transport.resume_reading()}


def echo_small(run):
    run.adopt(b"hello", **ECHO)
    run.check(b"hello", b"hello")


def echo_large(run):
    run.adopt(ANSWER, **ECHO)
    run.check(ANSWER, ANSWER)


def echo_tightly(run):
    """With marks of zero, so that reading pauses whenever anything is queued."""
    run.adopt(ANSWER, connection_made=lambda protocol: protocol.transport.set_write_buffer_limits(0), **ECHO)
    run.check(ANSWER, ANSWER)


def we_half_close_first(run):
    def speak(protocol):
        protocol.transport.write(ANSWER)
        protocol.transport.write_eof()
    run.adopt(half_close=False, last_word=b"thanks", connection_made=speak)
    run.check(ANSWER, b"thanks")


def they_half_close_first(run):
    def answer(protocol):
        protocol.transport.write(ANSWER)
        run.reactor.call_soon(protocol.transport.close)
        return True
    run.adopt(b"question", eof_received=answer)
    run.check(ANSWER, b"question")


def both_half_close(run):
    def answer(protocol):
        protocol.transport.write(ANSWER)
        protocol.transport.write_eof()
        return True
    run.adopt(b"question", eof_received=answer)
    run.check(ANSWER, b"question")


def close_with_queue(run):
    def speak(protocol):
        protocol.transport.write(ANSWER)
        protocol.transport.close()
    run.adopt(half_close=False, connection_made=speak)
    run.check(ANSWER, b"")


def close_with_unread_input(run):
    def speak(protocol):
        protocol.transport.write(ANSWER)
        protocol.transport.close()
    run.adopt(b"nobody reads this", half_close=False, connection_made=speak)
    run.check(ANSWER, b"")


def pause_and_resume(run):
    def hold(protocol, data):
        protocol.transport.pause_reading()
        protocol.transport.write(data)
        run.reactor.call_later(1, protocol.transport.resume_reading)
    run.adopt(ANSWER[:2000], data_received=hold)
    run.check(ANSWER[:2000], ANSWER[:2000])


def many_small_writes(run):
    def speak(protocol):
        for start in range(0, len(ANSWER), 40):
            protocol.transport.write(ANSWER[start:start + 40])
        protocol.transport.writelines([b"the ", b"", b"end"])
        protocol.transport.close()
    run.adopt(half_close=False, connection_made=speak)
    run.check(ANSWER + b"the end", b"")


def peer_resets(run):
    run.adopt(b"hello", tcp=True, resets=True, data_received=write)
    run.check(b"hello", b"hello")


def connecting(run):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def made(*args):
            run.sockets.append(socket.socket(*args))
            return Kernel(run.sockets[-1], run.faults)
        run.case.patch(connector, "socket", types.SimpleNamespace(**{**vars(socket), "socket": made}))
        run.peer = types.SimpleNamespace(play=lambda: None, over=False, resets=False)
        run.reactor.connect(lambda: run.make(connection_made=lambda protocol: write(protocol, b"hello"),
                                             **ECHO), *server.getsockname(), on_error=run.errors.append)
        for _ in range(100):
            run.reactor.turn(0)
            if run.protocols or run.errors:
                break
        if run.protocols:
            server.setblocking(False)
            try:
                client, _ = server.accept()
            except BlockingIOError:
                run.case.fail("connection_made, although nobody is connected: %s" % run)
            run.sockets.append(client)
            run.peer = Peer(client, b"world")
    run.check(b"helloworld", b"world")


def accepting(run):
    server, = bind("127.0.0.1", 0)
    address = server.getsockname()
    listener = Listener(run.reactor, [Kernel(server, run.faults)], lambda: run.make(**ECHO))
    sock = socket.create_connection(address)
    run.sockets += [server, sock]
    run.peer = Peer(sock, b"hello")
    run.check(b"hello", b"hello")
    listener.close()


SCENARIOS = (echo_small, echo_large, echo_tightly, we_half_close_first, they_half_close_first, both_half_close,
             close_with_queue, close_with_unread_input, pause_and_resume, many_small_writes, peer_resets,
             connecting, accepting)


class SweepCase(Case):
    def run_once(self, scenario, fault, nth):
        before = open_descriptors()
        run = Run(self, fault, nth)
        try:
            scenario(run)
            self.assertEqual(run.idle_watch, watched(run.reactor), "still watched: %s" % run)
            self.assertEqual(set(), run.reactor.endpoints, run)
            run.reactor.close()
            for sock in run.sockets[1::2] if len(run.sockets) == 2 else run.sockets[-1:]:
                sock.close()
            left = [sock for sock in run.sockets if sock.fileno() >= 0]
            self.assertEqual([], left, "the core left a socket open: %s" % run)
            self.assertEqual(before, open_descriptors(), run)
        finally:
            run.close()
        return run

    def sweep(self, scenario, fault):
        """How many runs it took until the fault fired no more."""
        nth = 1
        while self.run_once(scenario, fault, nth).faults.fired:
            nth += 1
        self.assertGreater(nth, 1, "no system call was ever reached")
        return nth

    def no_log(self):
        """Some faults are logged, which is right; that no other is, the other tests show."""
        logger = logging.getLogger("reactor")
        self.addCleanup(setattr, logger, "disabled", logger.disabled)
        logger.disabled = True

    def sweep_all(self, scenarios=SCENARIOS, faults=FAULTS):
        for scenario in scenarios:
            for fault in faults:
                with self.subTest(scenario=scenario.__name__, fault=errno.errorcode.get(fault, fault)):
                    self.sweep(scenario, fault)


class FaultSweepTest(SweepCase):
    def test_established_connections_survive_what_is_not_fatal_and_end_once_by_what_is(self):
        """Edge cases 95, 99, 110 to 113, 133 to 141: nothing is logged either, for a peer's fault is not ours."""
        self.sweep_all([scenario for scenario in SCENARIOS if scenario not in (connecting, accepting)])

    def test_connecting_ends_in_a_connection_or_in_one_error(self):
        """Edge cases 83, 86, 131: EAGAIN from connect is no connection; TCP_NODELAY may fail."""
        self.no_log()
        self.sweep_all([connecting])

    def test_accepting_goes_on_after_every_fault(self):
        """Edge cases 60 to 63, 67: the client waits in the backlog and is served in the end."""
        self.no_log()
        self.sweep_all([accepting])

    @unittest.skipUnless(sys.platform == "linux", "elsewhere a full backlog refuses")
    def test_a_unix_listener_with_a_full_backlog_is_no_connection(self):
        """Edge cases 83, 86: there connect answers EAGAIN, nothing is in progress, and SO_ERROR is 0."""
        self.no_log()
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server:
            server.bind(folder + "/full")
            server.listen(0)
            reactor, clients, made, failed = self.open_reactor(), [], [], []
            for _ in range(10):
                clients.append(socket.socket(socket.AF_UNIX))
                self.addCleanup(clients[-1].close)
                clients[-1].setblocking(False)
                clients[-1].connect_ex(folder + "/full")
            reactor.connect(lambda: made.append(Recorder()) or made[-1], unix=folder + "/full", on_error=failed.append)
            for _ in range(20):
                reactor.turn(0)
                self.clock.advance(1)
            self.assertEqual([], made, "connection_made, although nobody is connected")
            self.assertEqual(1, len(failed))


class MutationTest(SweepCase):
    """The sweep is worth something only if it fails for a core that is wrong."""

    def assert_found(self, scenario, fault):
        self.no_log()
        with self.assertRaises(AssertionError):
            self.sweep(scenario, fault)

    def test_a_chunk_popped_before_it_is_sent_is_found(self):
        """What EAGAIN then drops is gone: a mistake that asyncio's transport made."""
        took = OutboundQueue.took
        self.patch(OutboundQueue, "took", lambda queue, count: took(queue, count or len(queue.head())))
        self.assert_found(echo_large, errno.EAGAIN)
        self.assert_found(close_with_queue, errno.ENOBUFS)

    def test_a_partial_send_taken_for_a_whole_one_is_found(self):
        """The mistake of the most-copied tutorial on select."""
        took = OutboundQueue.took
        self.patch(OutboundQueue, "took", lambda queue, count: took(queue, len(queue.head())))
        self.assert_found(many_small_writes, "one byte")

    def test_an_answer_taken_for_an_error_is_found(self):
        self.patch(transport_module, "NOT_NOW", frozenset(transport_module.NOT_NOW) - {errno.ENOBUFS})
        self.assert_found(echo_small, errno.ENOBUFS)

    def test_an_error_taken_for_an_answer_is_found(self):
        self.patch(transport_module, "NOT_NOW", frozenset(transport_module.NOT_NOW) | {errno.EPIPE})
        self.assert_found(echo_small, errno.EPIPE)

    def test_a_forgotten_watcher_is_found(self):
        self.patch(transport_module.StreamTransport, "_unwatch_writing", lambda transport: None)
        self.assert_found(close_with_queue, errno.EPIPE)

    def test_a_second_connection_lost_is_found(self):
        def fail(transport, exc):
            lost = transport._protocol.connection_lost
            transport._let_go()
            transport.loop.call_soon(transport._end, exc)
            transport.loop.call_soon(lost, exc)
        self.patch(transport_module.StreamTransport, "fail", fail)
        self.assert_found(echo_small, errno.ECONNRESET)

    def test_a_socket_that_stays_open_is_found(self):
        self.patch(Kernel, "close", lambda sock: None)
        self.assert_found(echo_small, errno.EAGAIN)


if __name__ == "__main__":
    unittest.main()
