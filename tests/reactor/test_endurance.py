"""What must hold however much, however many and however rude: whole servers over TCP, driven turn by turn."""
import random
import socket
import subprocess
import sys
import time
import unittest

from protocols.echo import Echo
from protocols.uppercase import UppercaseLines
from reactor.listener import DESCRIPTORS
from reactor.testing import pair

from ..case import Case, Recorder, reset, watched

try:
    import tracemalloc
except ImportError:  # PyPy
    tracemalloc = None

MIB = 1024 * 1024
CLIENTS = """
import socket, sys
clients = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) for _ in range(500)]
own = [b"I am number %d " % number * 50 for number in range(500)]
files = [client.makefile("rb") for client in clients]
for client, data in zip(clients, own):
    client.sendall(data[:100])
begun = [file.read(100) for file in files]  # so all are being served before the first one ends
for client, data in zip(clients, own):
    client.sendall(data[100:])
    client.shutdown(socket.SHUT_WR)
for client, file, first, data in zip(clients, files, begun, own):
    with client, file:
        assert first + file.read() == data
print("all right")
"""


class EnduranceCase(Case):
    def setUp(self):
        super().setUp()
        self.reactor = self.open_real_reactor()

    def serve(self, factory, buffer=None, max_connections=None):
        def made():
            protocol = factory()
            if buffer is not None:
                self.reactor.call_soon(shrink, protocol)
            return protocol

        def shrink(protocol):
            small(protocol._transport.get_extra_info("socket"), buffer)
        return self.reactor.listen(made, max_connections=max_connections)

    def client(self, listener, buffer=None):
        sock = self.client_of(listener, timeout=5.0)
        if buffer is not None:
            small(sock, buffer)
        sock.setblocking(False)
        return sock

    def until(self, condition, seconds=5.0):
        deadline = time.monotonic() + seconds
        while not condition():
            self.reactor.turn(0.01)
            self.assertLess(time.monotonic(), deadline, "it does not happen")

    def exchange(self, sock, data, half_close=False):
        """Send `data` to an echo, and give what comes back: as much, or until end of file."""
        received, sent = bytearray(), 0

        def done():
            nonlocal sent
            try:
                while sent < len(data):
                    sent += sock.send(data[sent:])
                    if sent == len(data) and half_close:
                        sock.shutdown(socket.SHUT_WR)
            except BlockingIOError:
                pass
            try:
                while True:
                    piece = sock.recv(65536)
                    if not piece:
                        return True
                    received.extend(piece)
            except BlockingIOError:
                return not half_close and len(received) == len(data)
        self.until(done)
        return bytes(received)

    def assert_serves(self, listener):
        """Others are still served."""
        self.assertEqual(b"fine?", self.exchange(self.client(listener), b"fine?", half_close=True))


def small(sock, buffer):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)


def take(sock, size=65536):
    """What is there; None where nothing is."""
    try:
        return sock.recv(size)
    except BlockingIOError:
        return None


class ByteExactTest(EnduranceCase):
    def test_64_mib_in_sends_of_random_size_come_back_identical(self):
        """Edge cases 110, 126, 128: small buffers on both sides, so that nearly every send is a partial one."""
        seed = 64
        rng = random.Random(seed)
        listener = self.serve(Echo, buffer=32 * 1024)
        client = self.client(listener, buffer=32 * 1024)
        expected = memoryview(rng.randbytes(64 * MIB))
        sent = received = 0
        while received < len(expected):
            try:
                for _ in range(4):
                    if sent < len(expected):
                        sent += client.send(expected[sent:sent + rng.randrange(1, 128 * 1024)])
            except BlockingIOError:
                pass
            self.reactor.turn(0)
            data = take(client, rng.randrange(1, 256 * 1024))
            if data:
                same = data == expected[received:received + len(data)]
                self.assertTrue(same, "seed %d: other bytes from %d on" % (seed, received))
                received += len(data)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(b"", self.exchange(client, b"", half_close=True))

    def test_500_clients_at_once_each_get_their_own_bytes(self):
        """They live in a process of their own, since select holds no more than 1024 descriptors of one."""
        if DESCRIPTORS < 600:
            self.skipTest("too few descriptors allowed")
        listener = self.serve(Echo)
        program = [sys.executable, "-c", CLIENTS, str(listener.port)]
        with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            most = 0
            while process.poll() is None:
                self.reactor.turn(0.01)
                most = max(most, listener.connections)
            self.assertEqual((b"all right", 500), (process.stdout.read().strip(), most))

    def test_a_client_that_half_closes_gets_everything_then_end_of_file(self):
        """Edge cases 97, 133, 140."""
        listener = self.serve(Echo)
        data = random.Random(1).randbytes(3 * MIB)
        self.assertTrue(self.exchange(self.client(listener), data, half_close=True) == data)

    def test_a_large_answer_arrives_whole_although_input_is_unread(self):
        """Edge case 146: 3.9 MB, closed with the request unread, to a client that reads only at the end."""
        answer = random.Random(39).randbytes(3900000)

        def speak(protocol):
            protocol.transport.pause_reading()
            self.reactor.call_later(0.01, finish, protocol.transport)

        def finish(transport):
            transport.write(answer)
            transport.close()
        listener = self.reactor.listen(lambda: Recorder(connection_made=speak))
        client = self.client(listener)
        client.send(b"a request that nobody reads" * 1000)
        received = bytearray()

        def all_read():
            data = take(client)
            received.extend(data or b"")
            return data == b""
        self.until(all_read)
        self.assertTrue(received == answer)


class RudenessTest(EnduranceCase):
    @unittest.skipIf(tracemalloc is None, "this Python cannot count its memory")
    def test_a_client_that_never_reads_costs_no_memory_and_no_time(self):
        """Edge cases 127, 128: less than 1 MiB, and the round trips of others stay under 50 ms."""
        listener = self.serve(Echo)
        rude, polite = self.client(listener), self.client(listener)
        self.exchange(polite, b"warm up")
        payload, trips, stuck, sent = b"x" * MIB, [], 0, 0
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        while stuck < 30:
            try:
                sent += rude.send(payload)
                stuck = 0
            except BlockingIOError:
                stuck += 1
            start = time.perf_counter()
            self.assertEqual(b"ping", self.exchange(polite, b"ping"))
            trips.append(time.perf_counter() - start)
        peak = tracemalloc.get_traced_memory()[1]
        self.assertLess(peak - before, MIB, "after %d bytes" % sent)
        self.assertLess(sorted(trips)[len(trips) * 9 // 10], 0.05)  # a busy machine may spoil a few
        self.assertGreater(sent, MIB)

    @unittest.skipIf(tracemalloc is None, "this Python cannot count its memory")
    def test_a_client_that_reads_far_too_slowly_costs_no_memory_however_much_it_sends(self):
        """Edge cases 127, 128: 16 MiB through an echo whose client takes a little at a time."""
        listener = self.serve(Echo, buffer=32 * 1024)
        client = self.client(listener, buffer=32 * 1024)
        payload, sent = b"x" * MIB, 0
        self.reactor.turn(0)
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        before = tracemalloc.get_traced_memory()[0]
        while sent < 16 * MIB:
            try:
                sent += client.send(payload)
            except BlockingIOError:
                pass
            self.reactor.turn(0)
            take(client, 16 * 1024)
        self.assertLess(tracemalloc.get_traced_memory()[1] - before, MIB)

    @unittest.skipIf(tracemalloc is None, "this Python cannot count its memory")
    def test_a_line_that_never_ends_ends_the_connection_and_costs_no_memory(self):
        """Edge case 108: a protocol's buffer has a limit, and the transport reads on only to throw away."""
        listener = self.reactor.listen(lambda: UppercaseLines(call_later=self.reactor.call_later))
        client, sent, ended = self.client(listener), 0, False
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        while not ended and sent < 64 * MIB:
            try:
                sent += client.send(b"x" * 65536)
                self.reactor.turn(0)
                ended = take(client) == b""
            except BlockingIOError:
                self.reactor.turn(0)
            except ConnectionError:
                ended = True
        self.assertTrue(ended, "%d bytes and still no end" % sent)
        self.assertLess(tracemalloc.get_traced_memory()[1], MIB)
        client.close()
        self.until(lambda: listener.connections == 0)

    def test_one_slow_and_one_dead_listener_do_not_hold_up_a_broadcast(self):
        """Edge case 170: each has a queue of its own, and the loop over the peers survives their leaving."""
        peers = []

        def leave(protocol, *args):
            peers.remove(protocol)

        def join(protocol):
            peers.append(protocol)
        listener = self.reactor.listen(lambda: Recorder(connection_made=join, connection_lost=leave,
                                                        pause_writing=lambda p: p.transport.abort()))
        fast, slow, dead = [self.client(listener) for _ in range(3)]
        self.until(lambda: len(peers) == 3)
        reset(dead)
        received, expected = b"", b""
        for number in range(400):
            news = b"%08d" % number * 4096
            expected += news
            for protocol in list(peers):
                protocol.transport.write(news)
            while len(received) < len(expected):
                self.reactor.turn(0)
                received += take(fast, 65536) or b""
        self.assertTrue(received == expected)
        self.assertEqual(1, len(peers), "the slow one, whose queue grew above the mark, is still there")

    def test_a_stuck_connection_does_not_spin(self):
        """Edge case 130: a paused reader and a full writer leave select asleep."""
        listener = self.serve(Echo, buffer=16 * 1024)
        client = self.client(listener, buffer=16 * 1024)
        quiet = 0
        while quiet < 20:
            try:
                client.send(b"x" * MIB)
            except BlockingIOError:
                pass
            quiet = 0 if self.reactor.turn(0) else quiet + 1
        self.assertEqual(0, self.reactor.turn(0.02))

    def test_a_reset_at_any_moment_hurts_nobody_else(self):
        """Edge cases 99, 100, 113."""
        rng = random.Random(99)
        listener = self.serve(Echo)
        for turns in range(40):
            client = self.client(listener)
            try:
                client.send(b"x" * rng.randrange(1, 200000))
            except BlockingIOError:
                pass
            for _ in range(turns % 8):
                self.reactor.turn(0)
            reset(client)
        self.until(lambda: listener.connections == 0)
        self.assert_serves(listener)

    def test_a_protocol_that_raises_from_any_callback_hurts_nobody_else(self):
        """Edge cases 107, 143."""
        def fail(protocol, *args):
            raise ZeroDivisionError(1)
        for where in ("connection_made", "data_received", "eof_received", "connection_lost", "pause_writing",
                      "resume_writing"):
            with self.subTest(where=where):
                actions = {"data_received": lambda protocol, data: protocol.transport.write(data * 1000), where: fail}
                bad = self.reactor.listen(lambda: Recorder(**actions))
                good = self.serve(Echo)
                client = self.client(bad)
                with self.assertLogs("reactor", "ERROR") as logs:
                    try:
                        self.exchange(client, b"x" * 10000, half_close=True)
                    except ConnectionError:
                        pass
                    self.until(lambda: bad.connections == 0)
                self.assertEqual(1, len(logs.output), logs.output)
                self.assert_serves(good)
                bad.close()
                good.close()

    def test_urgent_data_is_no_reason_to_spin_or_to_stop(self):
        """A byte out of band, alone and between others."""
        listener = self.serve(Echo)
        client = self.client(listener)
        self.exchange(client, b"hello")
        client.send(b"!", socket.MSG_OOB)
        for _ in range(5):
            self.reactor.turn(0)
        self.assertEqual(0, self.reactor.turn(0.02))
        self.assertEqual(b"world", self.exchange(client, b"world"))
        self.assert_serves(listener)

    def test_closing_and_aborting_at_random_moments_ends_each_connection_once(self):
        """Edge case 135: a storm of random acts from every callback, on both ends of many connections."""
        for seed in range(60):
            rng = random.Random(seed)
            self.storm(rng, "seed %d" % seed)

    def storm(self, rng, which):
        protocols = []

        def act(protocol, *args):
            transport = protocol.transport
            what = rng.choice(("close", "abort", "write", "write", "big", "write_eof", "pause", "resume", "nothing"))
            try:
                if what == "write":
                    transport.write(b"x" * rng.randrange(3000))
                elif what == "big":
                    transport.writelines([b"y" * rng.randrange(200000)] * 2)
                elif what in ("pause", "resume"):
                    getattr(transport, what + "_reading")()
                elif what != "nothing":
                    getattr(transport, what)()
            except RuntimeError as exc:
                self.assertIn("after write_eof", str(exc))
            return rng.random() < 0.5

        def factory():
            protocols.append(Recorder(**{name: act for name in (
                "connection_made", "data_received", "eof_received", "pause_writing", "resume_writing",
                "connection_lost")}))
            return protocols[-1]
        for _ in range(4):
            for sock in pair(1):
                self.reactor.adopt(factory, sock)
        self.reactor.turn(0)
        for _ in range(60):
            self.reactor.turn(0)
            act(rng.choice(protocols))
        for protocol in protocols:
            protocol.transport.abort()
        self.until(lambda: all(protocol.lost for protocol in protocols))
        self.reactor.turn(0)
        for protocol in protocols:
            self.assertEqual(1, len(protocol.lost), which)
            self.assertEqual((1, 1), (protocol.calls.count("connection_made"), protocol.calls.count("connection_lost")))
            self.assertLessEqual(protocol.calls.count("eof_received"), 1, which)
            self.assertEqual("connection_lost", protocol.calls[-1], which)
            pauses, resumes = protocol.calls.count("pause_writing"), protocol.calls.count("resume_writing")
            self.assertIn(pauses - resumes, (0, 1), which)
            self.assertFalse(isinstance(protocol.lost[0], (RuntimeError, AssertionError)), (which, protocol.lost))
        self.assertEqual(([self.reactor.wakeup._ear.fileno()], []), watched(self.reactor), which)


if __name__ == "__main__":
    unittest.main()
