"""The command: prints, steps, filters, draws, examines and runs again; and what it says of a bad file."""
import contextlib
import errno
import io
import socket
import sys
import unittest
from functools import partial

from demos import replay
from demos.glassbox.printer import line
from demos.uppercase_server import SERVER
from protocols.base import Protocol
from protocols.echo import Echo
from protocols.uppercase import Uppercase
from reactor.testing import Faults, FaultySocket, run_turns

from .making import Recorded, long_echo, run_replay, spinning


class Shouting(Protocol):
    """As Echo, in one more write."""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._transport.write(data[:1])
        self._transport.write(data[1:])


class Command(Recorded):

    def run_replay(self, *args, keys=""):
        return run_replay(self, *args, keys=keys)


class Printing(Command):

    def test_prints_the_sentences_of_the_trace(self):
        path = self.echo_of(b"hello\n")
        status, out, err = self.run_replay(path)
        self.assertEqual((0, ""), (status, err))
        lines = out.splitlines()
        self.assertIn("#1    recv: 6 bytes 'hello\\n'", out)
        with open(path, "rb") as file:
            events = [event for turn in replay.Archive(file).turns() for event in turn]
        self.assertEqual([line(event).rstrip("\n") for event in events], lines[1:])

    def test_a_full_disk_is_not_blamed_on_the_recording(self):
        self.patch(replay, "act", lambda archive, options: (_ for _ in ()).throw(OSError(errno.ENOSPC, "it is full")))
        self.assertEqual((2, "", "replay: cannot go on: it is full\n"), self.run_replay(self.echo_of(b"hello")))

    def test_a_terminal_that_has_not_all_letters_gets_escapes(self):
        path = self.write("a.rec", [(0.0, 0, "ran", {"callback": "größe", "milliseconds": 1.0})])
        narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        with contextlib.redirect_stdout(narrow):
            self.patch(sys, "argv", ["replay", path])
            with self.assertRaises(SystemExit) as caught:
                replay.main()
        narrow.flush()
        self.assertIn(rb"ran gr\xf6\xdfe in", narrow.buffer.getvalue())
        self.assertEqual(0, caught.exception.code)

    def test_only_some_turns(self):
        path = self.write("a.rec", long_echo(50))
        out = self.run_replay(path, "--from", "10", "--to", "12")[1]
        turns = {int(row.split()[1]) for row in out.splitlines()[1:]}
        self.assertEqual({10, 11, 12}, turns)

    def test_only_one_connection(self):
        def work(reactor):
            peers = []
            for _ in range(2):
                ours, peer = self.pair()
                peers.append(peer)
                reactor.adopt(Echo, ours)
            for peer in peers:
                peer.send(b"x")
            for _ in range(3):
                reactor.turn(0)
        path = self.record(work)
        out = self.run_replay(path, "--only", "#2")[1]
        self.assertIn("#2    recv: 1 byte 'x'", out)
        self.assertNotIn("#1    recv", out)
        self.assertEqual(out, self.run_replay(path, "--only", "2")[1])

    def test_a_connection_that_is_not_there_is_said(self):
        status, out, err = self.run_replay(self.echo_of(b"x"), "--only", "#7,#8")
        self.assertEqual((0, 1, "no event is about #7, #8\n"), (status, out.count("\n"), err))

    def test_options_that_would_be_ignored_are_a_mistake(self):
        path = self.echo_of(b"x")
        for options in (["--doctor", "--only", "#1"], ["--rerun", "protocols.echo:Echo", "--from", "1"]):
            status, out, err = self.run_replay(path, *options)
            self.assertEqual((2, "", 1), (status, out, err.count("\n")), err)

    def test_a_progress_bar_on_request(self):
        path = self.write("a.rec", long_echo(500))
        err = self.run_replay(path, "--doctor", "--progress")[2]
        self.assertIn("[####################....................]  5", err)
        self.assertTrue(err.endswith("\n"))

    def test_a_bad_file_is_one_line_and_status_2(self):
        path = self.path("bad")
        for content in (b"", b"hello\n", b"[1]\n", b'{"recording":99}\n', b"\xff\xfe\n",
                        b'{"recording":1}\n{"turn":3}\n', b'{"recording":1}\nnot json\n{}\n', b'{"recording":1}'):
            with open(path, "wb") as file:
                file.write(content)
            with self.subTest(content=content):
                status, out, err = self.run_replay(path)
                self.assertEqual(2, status)
                self.assertEqual(1, err.count("\n"), err)
                self.assertTrue(err.startswith("replay: "), err)

    def test_a_missing_file_is_one_line_and_status_2(self):
        for path in (self.path("nowhere"), self.folder):
            status, _, err = self.run_replay(path)
            self.assertEqual((2, 1), (status, err.count("\n")), err)


class Stepping(Command):

    def turns_shown(self, keys, *args):
        status, out, err = self.run_replay(self.write("a.rec", long_echo(30)), "--step", *args, keys=keys)
        self.assertEqual((0, ""), (status, err))
        return [int(row.split()[1]) for row in out.splitlines() if row.endswith("'abc'") and "recv" in row], out

    def test_forwards_and_backwards(self):
        self.assertEqual([0, 1, 2, 1, 20, 19, 20], self.turns_shown("n\n\np\ng 20\np\nn\nq\nn\n")[0])

    def test_the_end_of_the_input_ends_it(self):
        self.assertEqual([0, 1], self.turns_shown("n\n")[0])

    def test_beyond_the_ends_is_said(self):
        shown, out = self.turns_shown("p\ng 99\ng 29\nn\n")
        self.assertEqual([0, 29], shown)
        self.assertEqual(1, out.count("there is no earlier turn"))
        self.assertEqual(2, out.count("there is no later turn"))

    def test_from_and_to_are_its_ends(self):
        shown, out = self.turns_shown("p\nn\nn\n", "--from", "10", "--to", "11")
        self.assertEqual([10, 11], shown)
        self.assertIn("there is no earlier turn", out)

    def test_what_it_does_not_know_shows_the_keys(self):
        self.assertEqual(3, self.turns_shown("x\ng somewhere\n")[1].count("g TURN: go to"))


class Examining(Command):

    def test_a_spinning_recording(self):
        status, out, _ = self.run_replay(self.write("a.rec", spinning(200)), "--doctor")
        self.assertEqual(1, status)
        self.assertIn("turn 99: the loop spins: #5 is watched for writing and you had nothing to write", out)
        self.assertIn("200 turns, 1 finding\n", out)

    def test_a_healthy_recording(self):
        status, out, _ = self.run_replay(self.write("a.rec", long_echo(200)), "--doctor")
        self.assertEqual((0, "200 turns, nothing wrong was found\n"), (status, out))


class Again(Command):

    def rerun(self, path, program="protocols.echo:Echo"):
        return self.run_replay(path, "--rerun", program)

    def test_the_same_program_does_the_same(self):
        status, out, err = self.rerun(self.echo_of(b"one\n", b"two\n", bytes(1000)))
        self.assertEqual((0, ""), (status, err))
        self.assertRegex(out, r"^same: \d+ events up to turn 3, where the recording ends\n$")

    def test_other_bytes_are_a_divergence(self):
        status, out, _ = self.rerun(self.echo_of(b"123\n", b"two\n"), "protocols.uppercase:Uppercase")
        self.assertEqual(1, status)
        self.assertEqual("turn 2: recorded a send of b'two\\n' at byte 0 on #1, the program offered b'TWO\\n'\n", out)

    def test_another_size_is_a_divergence(self):
        status, out, _ = self.rerun(self.echo_of(b"hello\n"), f"{__name__}:Shouting")
        self.assertEqual(1, status)
        self.assertEqual("turn 1: recorded a send of 6 on #1, the program offered 1\n", out)

    def test_silence_where_something_was_sent_is_a_divergence(self):
        status, out, _ = self.rerun(self.echo_of(b"hello\n"), "protocols.base:Protocol")
        self.assertEqual(1, status)
        self.assertTrue(out.startswith("turn 1: recorded: #1 send: the kernel took all 6 bytes"), out)

    def test_partial_sends_pauses_and_the_end_are_fed_again(self):
        def work(reactor):
            ours, peer = self.pair(4096)
            reactor.adopt(Echo, ours)
            peer.setblocking(False)
            for step in range(400):
                try:
                    if step % 3:
                        peer.send(b"x" * 5000)
                    elif step > 200:
                        peer.recv(3000)
                except BlockingIOError:
                    pass
                reactor.turn(0)
            peer.close()
            for _ in range(10):
                reactor.turn(0)
        path = self.record(work)
        with open(path, "rb") as file:
            kinds = {event.kind for turn in replay.Archive(file).turns() for event in turn}
        self.assertLessEqual({"partly sent", "reading paused", "writing resumed", "error", "closed"}, kinds)
        status, out, err = self.rerun(path)
        self.assertEqual((0, ""), (status, err), out)

    def test_every_fault_of_every_call_is_fed_again(self):
        for fault in (errno.EAGAIN, errno.ECONNRESET, errno.EPIPE, "one byte"):
            for nth in range(1, 9):
                faults = Faults(nth, fault)
                path = self.record(partial(self.short_echo, faults))
                with self.subTest(fault=fault, nth=nth):
                    status, out, err = self.rerun(path)
                    self.assertEqual((0, ""), (status, err), out)
            self.assertTrue(faults.calls)

    def short_echo(self, faults, reactor):
        ours, peer = self.pair()
        reactor.adopt(Echo, FaultySocket(ours, faults))
        for piece in (b"one", b"two"):
            with contextlib.suppress(OSError):  # the fault ended the connection
                peer.send(piece)
            run_turns(reactor)
        with contextlib.suppress(OSError):
            peer.shutdown(socket.SHUT_WR)
        run_turns(reactor)

    def test_a_recording_without_payloads_cannot_be_run_again(self):
        status, _, err = self.rerun(self.echo_of(b"hello\n", payloads=False))
        self.assertEqual(2, status)
        self.assertIn("--record-bytes", err)

    def test_a_program_that_is_not_there(self):
        path = self.echo_of(b"hello\n")
        for program in ("", "nowhere", "nowhere:Nothing", "protocols.echo:Nothing", "sys:path"):
            status, _, err = self.run_replay(path, "--rerun", *([program] if program else []))
            self.assertEqual((2, 1), (status, err.count("\n")), err)

    def test_a_server_of_the_demos_with_its_arguments(self):
        arguments = ["--idle", "5", "--port", "0"]

        def work(reactor):
            SERVER.listen(reactor, SERVER.options(arguments))
            listener, = reactor.endpoints
            clients = [self.client_of(listener) for _ in range(3)]
            for turn in range(10):
                clients[turn % 3].send(b"hello %d" % turn)
                reactor.turn(0.1)
            clients[0].close()
            for _ in range(30):
                reactor.turn(0.5)
        path = self.record(work, program="uppercase_server", arguments=arguments)
        status, out, err = self.run_replay(path, "--rerun")
        self.assertEqual((0, ""), (status, err), out)
        self.assertIn("same: ", out)
        with open(path, encoding="ascii") as file:
            self.assertEqual(3, file.read().count('"event":"closed"'))  # one by its client, two by the limit

    def two_servers(self, reactor):
        for factory in (Echo, Uppercase):
            listener = reactor.listen(factory)
            self.client_of(listener).send(b"hello")
        for _ in range(5):
            reactor.turn(0.1)

    def test_one_listener_of_several_with_its_connections(self):
        path = self.record(self.two_servers)
        for only, program in (("1", "protocols.echo:Echo"), ("#2", "protocols.uppercase:Uppercase")):
            status, out, err = self.run_replay(path, "--only", only, "--rerun", program)
            self.assertEqual((0, ""), (status, err), out)
            self.assertIn("same: ", out)

    def test_one_listener_diverges_under_the_names_of_the_recording(self):
        status, out, _ = self.run_replay(self.record(self.two_servers), "--only", "2", "--rerun", "protocols.echo:Echo")
        self.assertEqual(1, status)
        self.assertRegex(out, r"^turn \d: recorded a send of b'HELLO' at byte 0 on #4, the program offered b'hello'\n$")

    def test_one_listener_that_was_there_when_the_recording_began(self):
        path = self.found("#2", self.record(self.two_servers))
        status, out, err = self.run_replay(path, "--only", "2", "--rerun", "protocols.uppercase:Uppercase")
        self.assertEqual((0, ""), (status, err), out)
        self.assertIn("same: ", out)

    def found(self, who, path):
        """The same recording, as if `who` had been listening when it began."""
        with open(path, encoding="ascii") as file:
            text = file.read().replace(f'"event":"listening","who":"{who}","address"',
                                       f'"event":"found","who":"{who}","sort":"listener","peer"')
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def test_datagrams(self):
        arguments = ["--udp", "--port", "0"]

        def work(reactor):
            SERVER.listen(reactor, SERVER.options(arguments))
            transport, = reactor.endpoints
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                for text in (b"one", b"", b"three"):
                    client.sendto(text, transport.get_extra_info("sockname"))
                    reactor.turn(0)
        path = self.record(work, program="uppercase_server", arguments=arguments)
        status, out, err = self.run_replay(path, "--rerun")
        self.assertEqual((0, ""), (status, err), out)

    def test_what_another_thread_brought_ends_it(self):
        def work(reactor):
            reactor.turn(0)
            reactor.call_soon_threadsafe(int)
            reactor.turn(0)
        status, out, _ = self.rerun(self.record(work))
        self.assertEqual(0, status)
        self.assertIn("a signal or another thread wakes the loop", out)

    def test_a_changed_delay_is_a_divergence(self):
        path = self.record(lambda reactor: self.wait(reactor, 0.5))
        status, out, _ = self.rerun(path, f"{__name__}:Waiting")
        self.assertEqual(1, status)
        self.assertEqual("turn 0: recorded a timer in 0.500 s, the program set one in 3.000 s\n", out)

    def wait(self, reactor, delay):
        ours, _ = self.pair()
        reactor.adopt(lambda: Waiting(reactor.call_later, delay), ours)
        reactor.turn(1)
        reactor.turn(1)


class Waiting(Protocol):
    """Sets one timer."""

    def __init__(self, call_later, delay=3.0):
        self._call_later, self._delay = call_later, delay

    def connection_made(self, transport):
        self._call_later(self._delay, transport.write, b"late")


if __name__ == "__main__":
    unittest.main()
