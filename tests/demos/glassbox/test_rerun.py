"""Run again what connects, sends files or has threads of its own: the same program does the same, another is caught."""
import contextlib
import errno
import itertools
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from functools import partial

from demos.glassbox import rerun as rerunning
from demos.glassbox.scripted import ScriptedReactor
from demos.http_server import SERVER as HTTP
from protocols.base import DatagramProtocol, Protocol
from protocols.echo import Echo
from reactor import reactor as verbs
from reactor.testing import run_turns

from ..running import PATIENCE, ROOT, Running, client
from .making import Recorded, rerun

BIG = 3_000_000


class Caller(Protocol):
    """Says something, hears it back, and closes; or does so of a part of a file."""

    said = b"hello\n"

    def connection_made(self, transport):
        self._transport = transport
        transport.write(self.said)

    def data_received(self, data):
        self._transport.close()


class Louder(Caller):
    said = b"HELLO\n"


class Longer(Caller):
    said = b"hello, hello\n"


class Silent(Protocol):
    pass


class Stopper(Caller):
    """Ends the program with its connection."""

    def __init__(self, reactor):
        self._reactor = reactor

    def connection_lost(self, exc):
        self._reactor.stop()


class Patient(Protocol):
    """Waits a second, or another time."""

    wait = 1.0

    def __init__(self, reactor):
        self._reactor = reactor

    def connection_made(self, transport):
        self._reactor.call_later(self.wait, transport.close)


class Impatient(Patient):
    wait = 0.5


class NeverStopper(Stopper):
    def connection_lost(self, exc):
        pass


class Proxy(Protocol):
    """Connects to the port that it is told, and passes on what that one says; or why it could not."""

    def __init__(self, reactor):
        self._reactor = reactor

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._reactor.connect(partial(Upstream, self._transport), port=int(data), on_error=self.failed)

    def failed(self, exc):
        self._transport.write(type(exc).__name__.encode())


class Upstream(Caller):
    def __init__(self, downstream):
        self._downstream = downstream

    def data_received(self, data):
        self._downstream.write(data)
        self._transport.close()


class WrongProxy(Proxy):
    def data_received(self, data):
        self._reactor.connect(partial(Upstream, self._transport), port=int(data) ^ 1, on_error=self.failed)


class Sender(Protocol):
    """Answers with a file: this one's first bytes, as many as it is asked for."""

    path = os.path.join(ROOT, "README.md")

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        with open(self.path, "rb") as file:
            self.send(file, int(data))

    def send(self, file, count):
        self._transport.write_file(file, 0, count)


class ShortSender(Sender):
    def send(self, file, count):
        super().send(file, count - 1)


class BytesSender(Sender):
    def send(self, file, count):
        self._transport.write(file.read(count))


class Twice(Sender):
    def send(self, file, count):
        super().send(file, count)
        super().send(file, count)


class BytesAfter(Sender):
    def send(self, file, count):
        super().send(file, count)
        self._transport.write(file.read(count))


class Asking(DatagramProtocol):
    """Asks its only peer."""

    def connection_made(self, transport):
        transport.sendto(b"what?")


class Again(Recorded):

    def assert_same(self, path, program="", where="the recording ends"):
        status, out, err = rerun(self, path, *([program] if program else []))
        self.assertEqual((0, ""), (status, err), out)
        self.assertRegex(out, rf"^same: [\d,]+ events up to turn [\d,]+, where {where}")

    def assert_diverges(self, path, program, sentence):
        status, out, err = rerun(self, path, program)
        self.assertEqual((1, "", 1), (status, err, out.count("\n")), out)
        self.assertRegex(out, sentence)

    def server(self, **options):
        """A listening socket, which accepts nobody by itself."""
        sock = socket.create_server(("127.0.0.1", 0), **options)
        self.addCleanup(sock.close)
        sock.settimeout(PATIENCE)
        return sock

    def free_port(self):
        """A port on which nobody listens: it is bound, for as long as the test."""
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]

    def answer(self, reactor, server, answer=b"echo"):
        """Turn until the program has called `server`, answer it, and turn until it is done."""
        turn_until(reactor, lambda: reactor.counters().sent)
        peer, _ = server.accept()
        with peer:
            peer.recv(100)
            peer.sendall(answer)
            turn_until(reactor, lambda: reactor.counters().received >= len(answer))
        run_turns(reactor)


def turn_until(reactor, condition):
    """Turn, for some thousand turns at most, until it is so."""
    for _ in range(5000):
        if condition():
            return
        reactor.turn(0)  # on the clock that jumps a thread would come too late
        time.sleep(0.0002)
    raise AssertionError("it never came")


class Clients(Again):

    def call(self, factory=Caller, **where):
        """A recording of one client that calls a server."""
        server = self.server()

        def work(reactor):
            reactor.connect(factory, port=server.getsockname()[1], **where)
            self.answer(reactor, server)
        return self.record(work)

    def test_a_client_does_the_same(self):
        self.assert_same(self.call(), f"{__name__}:Caller")

    def test_a_client_that_says_something_else(self):
        path = self.call()
        self.assert_diverges(path, f"{__name__}:Louder", r"^turn 1: recorded a send of b'hello\\n' at byte 0 on #2, "
                             r"the program offered b'HELLO\\n'\n$")
        self.assert_diverges(path, f"{__name__}:Longer",
                             r"^turn 1: recorded a send of 6 on #2, the program offered 13\n$")
        self.assert_diverges(path, f"{__name__}:Silent", r"^turn 1: recorded: #2 send: the kernel took all 6 bytes")

    def test_a_stall_behind_a_look_at_the_clock_is_no_other_delay(self):
        def work(reactor):
            ours, _ = self.pair()
            start, looks = reactor.time(), itertools.count()
            reactor.time = lambda: start + 0.3 * next(looks)
            reactor.adopt(partial(Patient, reactor), ours)
            run_turns(reactor)
        path = self.record(work)
        self.assert_same(path, f"{__name__}:Patient")
        self.assert_diverges(path, f"{__name__}:Impatient", r"^turn 0: recorded a timer in 0\.7")

    def test_memory_grows_with_what_is_open_and_not_with_what_was(self):
        def work(reactor):
            for _ in range(20):
                ours, peer = self.pair()
                reactor.adopt(Caller, ours)
                peer.close()
                run_turns(reactor)
        made = []
        self.patch(rerunning, "ScriptedReactor", lambda script: made.append(ScriptedReactor(script)) or made[0])
        self.assert_same(self.record(work), f"{__name__}:Caller")
        self.assertEqual({}, made[0]._sockets)

    def test_what_the_transport_does_on_the_way_out_does_not_hide_where_it_began(self):
        """A reply at end of file differs, and the transport closes after it whatever comes out of the protocol."""
        class Reply(Protocol):
            text = b"one"

            def connection_made(self, transport):
                self._transport = transport

            def eof_received(self):
                self._transport.write(self.text)

        def work(reactor):
            ours, peer = self.pair()
            reactor.adopt(Reply, ours)
            peer.shutdown(socket.SHUT_WR)
            run_turns(reactor)
        path = self.record(work)
        self.patch(sys.modules[__name__], "Silent", Reply)
        self.patch(Reply, "text", b"two")
        self.assert_diverges(path, f"{__name__}:Silent", r"^turn \d: recorded a send of b'one' at byte 0 on #1, "
                             r"the program offered b'two'\n$")

    @unittest.skipUnless(hasattr(socket, "AF_UNIX"), "there are no Unix sockets here")
    def test_a_client_of_a_unix_socket(self):
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(self.path("s"))
        server.listen(1)
        server.settimeout(PATIENCE)

        def work(reactor):
            reactor.connect(Caller, unix=self.path("s"))
            self.answer(reactor, server)
        self.assert_same(self.record(work), f"{__name__}:Caller")

    def look_up(self, answer):
        """Let names be looked up by `answer(host, port)`, in a thread as always."""
        def addresses_of(host, port, flags=0, **kind):
            if flags:
                raise OSError("a name")
            return answer(host, port)
        self.patch(verbs, "addresses_of", addresses_of)

    def test_a_name_that_a_thread_looks_up_and_whose_first_address_refuses(self):
        server, closed = self.server(), self.free_port()
        self.look_up(lambda host, port: [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", number))
                                         for number in (closed, server.getsockname()[1])])

        def work(reactor):
            reactor.connect(Caller, "server.example", 80)
            self.answer(reactor, server)
        path = self.record(work)
        self.look_up(lambda host, port: self.fail("a re-run looks nothing up"))
        with open(path, encoding="ascii") as file:
            self.assertEqual(2, file.read().count('"event":"connecting"'))
        self.assert_same(path, f"{__name__}:Caller")

    def test_a_name_that_is_not_found(self):
        def answer(host, port):
            raise socket.gaierror(-2, "Name or service not known")
        self.look_up(answer)
        errors = []

        def work(reactor):
            reactor.connect(Caller, "nowhere.example", 80, on_error=errors.append)
            turn_until(reactor, lambda: errors)
        with self.assertLogs("reactor"):  # a factory has no on_error
            self.assert_same(self.record(work), f"{__name__}:Caller")

    def test_a_look_up_that_never_answers(self):
        forever = threading.Event()
        self.addCleanup(forever.set)
        self.look_up(lambda host, port: forever.wait(PATIENCE))
        errors = []

        def work(reactor):
            reactor.connect(Caller, "slow.example", 80, timeout=3, on_error=errors.append)
            while not errors:
                reactor.turn()
        with self.assertLogs("reactor", "ERROR") as logged:
            self.assert_same(self.record(work), f"{__name__}:Caller")
        self.assertIn("within", logged.output[0])

    def test_a_server_that_is_not_there(self):
        closed, errors = self.free_port(), []

        def work(reactor):
            reactor.connect(Caller, port=closed, on_error=errors.append)
            turn_until(reactor, lambda: errors)
        with self.assertLogs("reactor", "ERROR") as logged:
            self.assert_same(self.record(work), f"{__name__}:Caller")
        self.assertIn(str(errors[0]), logged.output[0])

    def test_an_attempt_that_is_given_up(self):
        errors = []

        def work(reactor):
            connector = reactor.connect(Caller, port=self.free_port(), on_error=errors.append)
            reactor.turn(0)
            connector.cancel()
            turn_until(reactor, lambda: errors)
        with self.assertLogs("reactor", "ERROR") as logged:
            self.assert_same(self.record(work), f"{__name__}:Caller")
        self.assertIn("gave up", logged.output[0])

    def test_a_server_that_connects_to_another(self):
        server = self.server()
        path = self.record(lambda reactor: self.through(reactor, server.getsockname()[1], server))
        self.assert_same(path, f"{__name__}:Proxy")
        self.assert_diverges(path, f"{__name__}:WrongProxy",
                             r"^turn \d: recorded: #2 is connected to 127\.0\.0\.1:\d+ and goes on as #3; the program: "
                             r"#2 is connected to 127\.0\.0\.1:\d+ and goes on as #3\n$")

    def test_a_server_whose_other_server_refuses(self):
        """The protocol gets the very exception: what it says about it is the same."""
        path = self.record(lambda reactor: self.through(reactor, self.free_port()))
        self.assert_same(path, f"{__name__}:Proxy")

    def through(self, reactor, port, server=None):
        """Play the client of a Proxy, and where there is one the server behind it."""
        ours, peer = self.pair()
        reactor.adopt(lambda: Proxy(reactor), ours)
        peer.send(b"%d" % port)
        if server is not None:
            self.answer(reactor, server)
        turn_until(reactor, lambda: reactor.counters().sent >= 4)
        run_turns(reactor)

    def test_a_program_that_ends_by_itself(self):
        server = self.server()

        def work(reactor):
            reactor.adopt(Echo, self.pair()[0])
            reactor.connect(lambda: Stopper(reactor), port=server.getsockname()[1])
            peers = []

            def serve():
                peers.append(server.accept()[0])
                peers[0].sendall(peers[0].recv(100))
            thread = threading.Thread(target=serve)
            thread.start()
            while thread.is_alive():
                reactor.turn(0)
            reactor.run()
            peers[0].close()
            reactor.close()
        path = self.record(work)
        self.assert_same(path, f"{__name__}:stopper_or_echo")
        self.assert_diverges(path, f"{__name__}:never_stopper_or_echo", "^turn .*; the program did nothing there\n$")

    def test_datagrams_to_the_only_peer_there_is(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", 0))

            def work(reactor):
                reactor.open_datagram(Asking, remote=peer.getsockname())
                reactor.turn(0)
            self.assert_same(self.record(work), f"{__name__}:Asking")

    def test_a_datagram_to_another_peer_is_a_divergence(self):
        def work(reactor):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
                peer.bind(("127.0.0.1", 0))
                transport, _ = reactor.open_datagram(DatagramProtocol, local=("127.0.0.1", 0))
                transport.sendto(b"what?", peer.getsockname())
                reactor.turn(0)
        path = self.record(work)
        self.assert_diverges(path, f"{__name__}:ToNobody", "; the program")

    def test_what_sends_behind_the_transports_back_cannot_be_run_again(self):
        """As bulk_sender does: of its many sends the recording has the sum, and then EAGAIN."""
        path = self.write("a.rec", [
            (0.0, 0, "adopted", {"who": "#1"}),
            (0.0, 0, "turn", {"timeout": 0, "why": "callbacks wait", "writing": [], "reading": [["the loop", "x"]]}),
            (0.0, 0, "ready", {"readable": [], "writable": [], "slept": 0.0}),
            (0.0, 0, "partly sent", {"who": "#1", "offered": 6, "taken": 3, "left": 3, "head": "hello\\n"}),
            (0.0, 0, "blocked", {"who": "#1", "call": "send"})])
        status, out, err = rerun(self, path, f"{__name__}:Caller")
        self.assertEqual((2, "", 1), (status, out, err.count("\n")), err)
        self.assertIn("sends more than once in one go", err)

    def test_ctrl_c_ends_it(self):
        nothing = {"timeout": None, "why": "nothing is due", "writing": [], "reading": [["the loop", "x"]]}
        path = self.write("a.rec", [
            (0.0, 0, "adopted", {"who": "#1"}), (0.0, 0, "turn", {**nothing}),
            (0.0, 0, "ready", {"readable": [], "writable": [], "slept": 0.0}),
            (0.0, 1, "turn", {**nothing, "reading": [["the loop", "x"], ["#1", "connected"]]}),
            (0.0, 1, "lost", {"who": "#1", "why": "by us"}), (0.0, 1, "closed", {"who": "#1", "why": "by us"})])
        self.assert_same(path, "protocols.echo:Echo", "the program was interrupted, as by Ctrl-C")


def stopper_or_echo(reactor):
    """What was adopted is an Echo, what was connected a Stopper."""
    return adopted_or_connected(reactor, Stopper)


def never_stopper_or_echo(reactor):
    """The same, of one that does not stop."""
    return adopted_or_connected(reactor, NeverStopper)


def adopted_or_connected(reactor, connected):
    return connected(reactor) if any(type(one).__name__ == "ScriptedConnector" for one in reactor.endpoints) else Echo()


class ToNobody(DatagramProtocol):
    def connection_made(self, transport):
        transport.sendto(b"what?", ("127.0.0.1", 9))


class Files(Again):

    def fetched(self, sender, count, buffer=4096):
        """A recording of one file that was asked for by a slow reader."""
        def work(reactor):
            ours, peer = self.pair(buffer)
            reactor.adopt(sender, ours)
            peer.send(b"%d" % count)
            peer.setblocking(False)

            def read():
                with contextlib.suppress(BlockingIOError):
                    peer.recv(100_000)
                return reactor.counters().sent >= count

            turn_until(reactor, read)
            run_turns(reactor)
        return self.record(work)

    def big(self, size=BIG):
        """Let the file be a big one."""
        with tempfile.NamedTemporaryFile(dir=self.folder, delete=False) as file:
            file.write(os.urandom(size))
        self.patch(Sender, "path", file.name)

    def test_a_file_in_many_parts(self):
        self.big()
        path = self.fetched(Sender, BIG)
        with open(path, encoding="ascii") as file:
            self.assertGreater(file.read().count('"partly sent"'), 5)
        self.assert_same(path, f"{__name__}:Sender")

    def test_a_file_of_another_size(self):
        path = self.fetched(Sender, 300)
        self.assert_diverges(path, f"{__name__}:ShortSender",
                             r"^turn 1: recorded: #1 queued 300 bytes, 300 in all; the program: #1 queued 299 bytes")

    def test_bytes_in_place_of_a_file_and_a_file_in_place_of_bytes(self):
        self.assert_diverges(self.fetched(Sender, 300), f"{__name__}:BytesSender",
                             r"^turn 1: recorded: #1 queued 300 bytes, 300 in all; the program sent 300 bytes on #1\n$")
        self.assert_diverges(self.fetched(BytesSender, 300), f"{__name__}:Sender",
                             r"^turn 1: recorded: #1 send: the kernel took all 300 bytes '.*; the program: #1 queued")

    def test_the_same_where_both_wait_in_the_queue(self):
        """A file behind a file, in place of which bytes would be sent, and the other way round."""
        self.assert_diverges(self.fetched(Twice, 300), f"{__name__}:BytesAfter",
                             r"^turn \d: recorded a send of a file on #1, the program offered b'")
        self.assert_diverges(self.fetched(BytesAfter, 300), f"{__name__}:Twice",
                             r"^turn \d: recorded a send of '.*' on #1, the program offered a file\n$")

    def test_a_file_that_became_shorter(self):
        self.big(100)

        def work(reactor):
            ours, peer = self.pair()
            reactor.adopt(Sender, ours)
            peer.send(b"200")
            run_turns(reactor)
        path = self.record(work)
        with open(path, encoding="ascii") as file:
            self.assertIn(f'"errno":{errno.EIO}', file.read())
        self.assert_same(path, f"{__name__}:Sender")

    def test_the_http_server_sends_files_again(self):
        with open(self.path("film"), "wb") as film:
            film.write(os.urandom(BIG))
        arguments = ["--directory", self.folder, "--port", "0", "--quiet", "--header", "Date: today"]

        def work(reactor):
            HTTP.listen(reactor, HTTP.options(arguments))
            listener, = reactor.endpoints
            client = self.client_of(listener)
            client.sendall(b"GET /film HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.0\r\n\r\n")
            client.setblocking(False)
            got = [b""]

            def read():
                with contextlib.suppress(BlockingIOError):
                    got.append(client.recv(1_000_000))
                return b"404 Not Found" in got[-1]

            turn_until(reactor, read)
            run_turns(reactor)
        path = self.record(work, program="http_server", arguments=arguments)
        self.assert_same(path)
        with open(self.path("film"), "ab") as film:
            film.write(b"more")
        status, out, _ = rerun(self, path)
        self.assertEqual(1, status)
        self.assertRegex(out, r"^turn \d: recorded a send of b'.*' at byte \d+ on #2, the program offered b'")


class Programs(Again):
    """The clients of demos/, with the standard input that they had."""

    def rerun_client(self, path, stdin):
        ended = subprocess.run([sys.executable, "-W", "error", "-m", "demos.replay", path, "--rerun"], cwd=ROOT,
                               input=stdin, timeout=PATIENCE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return ended.returncode, ended.stdout.decode(), ended.stderr.decode()

    def recorded_client(self, server, name, *arguments, stdin):
        path = self.path("client.rec")
        with Running(server, "--port", 0) as running:
            ended = client(name, "localhost", running.port, *arguments, "--record", path, "--record-bytes", stdin=stdin)
        self.assertEqual(0, ended.returncode, ended.stderr)
        return path

    def test_the_echo_client_says_the_same_for_the_same_input(self):
        path = self.recorded_client("echo_server", "echo_client", stdin=b"one\ntwo\n")
        with open(path, "rb") as file:
            before = file.read()
        status, out, err = self.rerun_client(path, b"one\ntwo\n")
        self.assertRegex(out, r"^one\ntwo\nsame: \d+ events up to turn \d+, where the recording ends\n$")
        self.assertEqual((0, ""), (status, err))
        status, out, err = self.rerun_client(path, b"one\nTWO\n")
        self.assertRegex(out, r"^one\nturn \d: recorded a send of b'two\\n' at byte 0 on #2, the program offered b'TWO")
        self.assertEqual((1, ""), (status, err))
        status, out, err = self.rerun_client(path, b"")
        self.assertRegex(out, r"^turn \d: recorded: #2 send: .* 'one\\n'; the program: #2 ends at once: by us\n$")
        with open(path, "rb") as file:
            self.assertEqual(before, file.read(), "the recording was written over")

    def test_a_client_that_connects_for_each_question(self):
        path = self.recorded_client("address_book_server", "address_book_client", stdin=b"John\nJohn\n")
        status, out, err = self.rerun_client(path, b"John\nJohn\n")
        self.assertEqual((0, ""), (status, err), out)
        self.assertRegex(out, r"^C45\nC45\nsame: ")

    def test_a_program_that_writes_files_is_not_started_by_a_recording(self):
        path = self.record(lambda reactor: None, program="http_fetch",
                           arguments=["-o", self.path("anything"), "http://127.0.0.1:1/"])
        status, out, err = rerun(self, path)
        self.assertEqual((2, "replay: http_fetch cannot be started again: say which protocol, as MODULE:FACTORY\n"),
                         (status, err))


if __name__ == "__main__":
    unittest.main()
