"""The verbs, what blocks and therefore runs in a thread, and the end of a program."""
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from functools import partial

from reactor import Reactor
from reactor.testing import run_turns
from tests.case import Case, Recorder

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def echo():
    return Recorder(data_received=lambda protocol, data: protocol.transport.write(data))


class TestVerbs(Case):

    def test_everything_at_once_from_one_select(self):
        """TCP, a Unix pair, UDP and a connector in one loop, on one thread."""
        reactor = self.open_reactor()
        listener = reactor.listen(echo)
        udp, _ = reactor.open_datagram(lambda: Recorder(
            datagram_received=lambda p, data, addr: p.transport.sendto(data, addr)))
        ours, peer = self.pair()
        reactor.adopt(echo, ours)
        outgoing = Recorder(connection_made=lambda p: p.transport.write(b"tcp"))
        reactor.connect(lambda: outgoing, "127.0.0.1", listener.port)
        remote = Recorder(connection_made=lambda p: p.transport.sendto(b"udp"))
        reactor.open_datagram(lambda: remote, remote=udp.get_extra_info("sockname"))
        peer.send(b"pair")
        threads = threading.active_count()
        run_turns(reactor, lambda: outgoing.data and remote.datagrams)
        run_turns(reactor)
        self.assertEqual((b"tcp", b"udp", b"pair"), (outgoing.data, remote.datagrams[0][0], peer.recv(10)))
        self.assertEqual(threads, threading.active_count())

    def test_adopt_makes_the_protocol_now_and_introduces_it_later(self):
        reactor = self.open_reactor()
        ours, _ = self.pair()
        ours.setblocking(True)
        transport, protocol = reactor.adopt(Recorder, ours)
        self.assertEqual([], protocol.calls)
        self.assertEqual(0.0, ours.gettimeout())
        reactor.turn(0)
        self.assertEqual(["connection_made"], protocol.calls)
        self.assertIs(transport, protocol.transport)

    def test_a_reactor_needs_no_arguments_and_closes_itself(self):
        with Reactor() as reactor:
            self.assertIs(select.select, reactor.select)
            self.assertFalse(reactor.ending)
            reactor.call_soon(reactor.stop)
            reactor.run()
        self.assertTrue(reactor.closed)

    def test_another_select_may_take_over_between_two_turns(self):
        reactor = self.open_reactor()
        asked = []

        def stand_in(reading, writing, third, timeout):
            asked.append(reading)
            return select.select(reading, writing, third, timeout)

        reactor.turn(0)
        reactor.select = stand_in
        reactor.turn(0)
        self.assertEqual([[reactor.wakeup.fileno()]], asked)


class TestCounters(Case):

    def test_they_count_what_happened(self):
        reactor = self.open_reactor()
        ours, peer = self.pair()
        transport, _ = reactor.adopt(echo, ours)
        reactor.turn()
        peer.send(b"hello")
        reactor.turn()
        counters = reactor.counters()
        self.assertEqual((2, 1, 5, 5), (counters.turns, counters.events, counters.received, counters.sent))
        self.assertEqual((1, 1), (counters.endpoints, counters.most_endpoints))
        self.assertTrue(counters.awake >= 0 and counters.asleep >= 0)
        transport.abort()
        reactor.turn()
        self.assertEqual((0, 1), (reactor.counters().endpoints, reactor.counters().most_endpoints))


class TestThreads(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_real_reactor()
        self.answers = []
        self.reactor.call_later(20, self.reactor.stop)  # fails instead of hanging

    def done(self, answer):
        self.answers.append((answer, threading.current_thread()))

    def wait(self):
        self.reactor.run(lambda: self.answers)
        (answer, thread), = self.answers
        self.assertIs(threading.current_thread(), thread, "the answer comes from the loop")
        return answer

    def test_what_blocks_runs_in_a_thread(self):
        self.reactor.call_in_thread(threading.current_thread, self.done)
        thread = self.wait()
        self.assertIsNot(threading.current_thread(), thread)
        self.assertTrue(thread.daemon)

    def test_what_it_raises_is_the_answer(self):
        self.reactor.call_in_thread(lambda: 1 / 0, self.done)
        self.assertIsInstance(self.wait(), ZeroDivisionError)

    def test_the_loop_goes_on_meanwhile(self):
        """Edge case 93: a slow look-up costs the others nothing."""
        release = threading.Event()
        self.reactor.call_in_thread(release.wait, self.done)
        self.reactor.call_soon(lambda: self.reactor.call_soon(release.set))
        self.assertTrue(self.wait())

    def test_an_answer_that_comes_after_close_is_for_nobody(self):
        """Edge case 155."""
        self.patch(threading, "excepthook", lambda hook: problems.append(hook.exc_value))
        reactor, release, problems = Reactor(), threading.Event(), []
        before = set(threading.enumerate())
        reactor.call_in_thread(partial(release.wait, 10), self.done)
        worker, = set(threading.enumerate()) - before
        reactor.close()
        release.set()
        worker.join(10)
        self.assertFalse(worker.is_alive())
        self.assertEqual(([], []), (self.answers, problems))

    def test_a_literal_address_needs_no_thread(self):
        """Edge case 93."""
        self.patch(self.reactor, "call_in_thread", lambda *args: self.fail("a thread was asked for"))
        for host in ("127.0.0.1", "::1"):
            self.answers.clear()
            self.reactor.look_up(host, 7, self.done)
            self.assertEqual([], self.answers, "never from inside the call")
            self.assertEqual((host, 7), self.wait()[0][4][:2])

    def test_a_name_is_looked_up_in_a_thread(self):
        """Edge case 93."""
        asked = []

        def getaddrinfo(host, port, type=0, flags=0):
            if flags:
                raise socket.gaierror(socket.EAI_NONAME, "not a literal address")
            asked.append(threading.current_thread())
            return [(socket.AF_INET, type, 6, "", ("192.0.2.1", port))]
        self.patch(socket, "getaddrinfo", getaddrinfo)
        self.reactor.look_up("somewhere", 7, self.done)
        self.assertEqual(("192.0.2.1", 7), self.wait()[0][4])
        self.assertIsNot(threading.current_thread(), asked[0])

    def test_a_name_that_is_not_found_is_an_error_of_the_connector(self):
        """Edge case 93."""
        def getaddrinfo(*args, **kwargs):
            raise socket.gaierror(socket.EAI_NONAME, "nobody knows it")
        self.patch(socket, "getaddrinfo", getaddrinfo)
        self.reactor.connect(Recorder, "somewhere", 7, on_error=self.done)
        answer = self.wait()
        self.assertIsInstance(answer, OSError)
        self.assertIn("cannot find somewhere:7", str(answer))
        self.assertIn("nobody knows it", str(answer))

    def test_a_name_is_connected_to(self):
        """Edge case 93: from the name to the connection, through the thread and the wake-up socket."""
        listener = self.reactor.listen(Recorder)
        real = socket.getaddrinfo

        def getaddrinfo(host, port, *args, **kwargs):
            if kwargs.get("flags") and host == "somewhere":
                raise socket.gaierror(socket.EAI_NONAME, "not a literal address")
            return real("127.0.0.1", port, *args, **kwargs)
        self.patch(socket, "getaddrinfo", getaddrinfo)
        self.reactor.connect(lambda: Recorder(connection_made=self.done), "somewhere", listener.port)
        self.wait()


class TestShutDown(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()

    def test_with_nothing_open_it_stops_at_once(self):
        """Edge case 150."""
        self.reactor.shut_down()
        before = self.clock.now
        self.reactor.run()
        self.assertEqual(before, self.clock.now)

    def test_what_is_queued_is_delivered_and_all_is_closed(self):
        """Edge case 150."""
        listener = self.reactor.listen(Recorder)
        self.reactor.open_datagram(Recorder)
        ours, peer = self.pair()
        transport, protocol = self.reactor.adopt(Recorder, ours)
        self.reactor.turn(0)
        transport.write(bytes(10 ** 6))
        self.assertGreater(transport.get_write_buffer_size(), 0)
        got = []

        def read():
            try:
                while True:
                    got.append(len(peer.recv(10 ** 6)))
                    if not got[-1]:
                        return
            except socket.timeout:
                pass
        thread = threading.Thread(target=read)
        thread.start()
        self.reactor.time = time.monotonic
        self.reactor.shut_down()
        self.reactor.run()
        thread.join()
        self.assertEqual(10 ** 6, sum(got))
        self.assertEqual([None], protocol.lost)
        self.assertEqual((set(), []), (self.reactor.endpoints, listener.addresses))

    def test_who_does_not_come_to_an_end_is_aborted(self):
        """Edge case 150: whatever the clients do, it is over after the patience."""
        ours, peer = self.pair()
        transport, protocol = self.reactor.adopt(Recorder, ours)
        self.reactor.turn(0)
        transport.write(bytes(10 ** 6))
        before = self.clock.now
        self.reactor.shut_down(patience=0.5)
        self.reactor.run()
        self.assertTrue(0.4 < self.clock.now - before < 0.6)
        self.assertEqual([None], protocol.lost)
        self.assertEqual(set(), self.reactor.endpoints)

    def test_twice_is_once(self):
        """Edge case 150: Ctrl-C, pressed again, must not stop a later run()."""
        ours, _ = self.pair()
        self.reactor.adopt(Recorder, ours)
        self.reactor.turn(0)
        self.reactor.shut_down()
        self.reactor.shut_down()
        self.assertTrue(self.reactor.ending)
        self.reactor.run()
        ran = []
        self.reactor.call_later(5, ran.append, "five seconds later")
        self.reactor.run(lambda: ran)
        self.assertEqual(["five seconds later"], ran)


SERVER = """
import logging, signal, sys
from reactor import Reactor
logging.basicConfig(format="%(message)s")
class Echo:
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(data)
    def eof_received(self):
        pass
    def connection_lost(self, exc):
        pass
with Reactor() as reactor:
    reactor.add_signal_handler(signal.SIGTERM, reactor.shut_down)
    print(reactor.listen(Echo).port, flush=True)
    reactor.run()
"""


@unittest.skipIf(sys.platform == "win32", "needs kill()")
class TestProcess(Case):

    def test_sigterm_with_clients_ends_in_time_and_idle_clients_cost_no_processor(self):
        """Edge case 150, and the issue's 1 % of a core for 200 idle clients."""
        with subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
            try:
                port = int(server.stdout.readline())
                clients = [self.connected(("127.0.0.1", port)) for _ in range(200)]
                for client in clients:
                    client.send(b"hello")
                    self.assertEqual(b"hello", client.recv(10))
                used = self.processor_time(server.pid)
                if used is not None:
                    select.select(clients, [], [], 0.5)  # nobody says anything
                    self.assertLessEqual(self.processor_time(server.pid) - used, 0.02)
                start = time.monotonic()
            finally:
                server.send_signal(signal.SIGTERM)
                out, err = server.communicate(timeout=10)
        self.assertLess(time.monotonic() - start, 2)
        self.assertEqual(("", "", 0), (out, err, server.returncode))
        self.assertEqual([b""] * 200, [client.recv(10) for client in clients])

    def processor_time(self, pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    unittest.main()
