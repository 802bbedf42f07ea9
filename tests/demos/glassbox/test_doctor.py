"""Each malady provoked by a small program, and none found in healthy traffic."""
import contextlib
import io
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from collections import Counter
from functools import partial

from demos import (address_book_server, blackjack_server, bulk_receiver, clock_server, echo_server, hello_server,
                   http_server, uppercase_server, web_hello_server)
from demos.glassbox.doctor import IDLE, Doctor, attended
from demos.glassbox.recording import open_recording
from demos.glassbox.watchdog import Watchdog
from demos.lineclient import Exchange
from protocols.base import Protocol
from protocols.bulk import BulkReceiver
from protocols.echo import Echo
from protocols.idle import IdleLimit
from protocols.uppercase import UppercaseDatagrams, UppercaseLines
from reactor.testing import run_turns
from reactor.trace import Event
from tests.case import Case, reset

from ..running import ROOT
from .making import Recorded

try:
    import resource
except ImportError:  # Windows
    resource = None


def lowest_free_descriptor():
    """The number that the next socket gets."""
    number = os.dup(0)
    os.close(number)
    return number


class Patient(Case):
    """A reactor with a doctor."""

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.said = []
        self.doctor = Doctor(self.said.append, descriptors=100000)
        self.reactor.observer = self.doctor

    def turns(self, count):
        for _ in range(count):
            self.reactor.turn(0)

    def the_finding(self, malady):
        """The one finding there is; it was said, and has a missing line."""
        self.assertEqual([malady], [finding.malady for finding in self.doctor.findings], self.said)
        finding, = self.doctor.findings
        self.assertEqual([str(finding)], self.said)
        self.assertIn("\n    missing: ", str(finding))
        self.assertTrue(str(finding).startswith(f"turn {finding.turn}: "))
        return finding


class Maladies(Patient):

    def test_a_writer_watched_with_nothing_to_write(self):
        ours, _ = self.pair()
        watcher = self.reactor.add_writer(ours, partial(int))
        self.turns(3000)
        finding = self.the_finding("spinning")
        self.assertIn(f"fd {ours.fileno()}", finding.sentence)
        self.assertIn("watched for writing and you had nothing to write", finding.sentence)
        self.assertIn("watcher.cancel()", finding.missing)
        self.assertEqual(999, finding.turn)
        watcher.cancel()

    def test_a_reader_that_does_not_read(self):
        ours, peer = self.pair()
        peer.send(b"unread")
        watcher = self.reactor.add_reader(ours, partial(int))
        self.turns(1001)
        self.assertIn("did nothing about it", self.the_finding("spinning").sentence)
        watcher.cancel()

    def test_a_users_reader_whose_callback_makes_things_happen_is_healthy(self):
        ours, peer = self.pair()
        transport_end, far = self.pair()
        transport, _ = self.reactor.adopt(Protocol, transport_end)
        peer.send(b"unread")
        watcher = self.reactor.add_reader(ours, lambda: transport.write(b"x"))
        for _ in range(2000):
            self.reactor.turn(0)
            far.recv(100) if self.reactor.turns > 2 else None
        self.assertEqual([], self.said)
        watcher.cancel()

    def test_end_of_file_read_again_and_again(self):
        """The stream of a program whose reads are told of, as a tool that watches any select program does."""
        for turn in range(150):
            self.doctor(Event(1.0, turn, "turn", {"reading": [("#4", "client")], "writing": [], "timeout": None,
                                                  "why": "nothing is due"}))
            self.doctor(Event(1.0, turn, "ready", {"readable": ["#4"], "writable": [], "slept": 0.0}))
            self.doctor(Event(1.0, turn, "ended", {"who": "#4"}))
        finding = self.the_finding("spinning")
        self.assertIn("recv said end of file on #4 and the socket is still watched", finding.sentence)
        self.assertEqual(99, finding.turn)

    def test_a_factory_that_refuses_its_clients_does_not_spin(self):
        listener = self.reactor.listen(lambda: None)
        for _ in range(150):
            self.client_of(listener).close()
            self.reactor.turn(0)
        self.assertEqual([], self.said)

    def test_a_named_socket_always_wanted_writable(self):
        for turn in range(150):
            self.doctor(Event(1.0, turn, "turn", {"reading": [], "writing": [("#5", "client")], "timeout": None,
                                                  "why": "nothing is due"}))
            self.doctor(Event(1.0, turn, "ready", {"readable": [], "writable": ["#5"], "slept": 0.0}))
        self.assertIn("#5 is watched for writing and you had nothing to write",
                      self.the_finding("spinning").sentence)

    def test_a_send_of_nothing_is_no_progress(self):
        for turn in range(150):
            self.doctor(Event(1.0, turn, "turn", {"reading": [], "writing": [("#5", "client")], "timeout": None,
                                                  "why": "nothing is due"}))
            self.doctor(Event(1.0, turn, "ready", {"readable": [], "writable": ["#5"], "slept": 0.0}))
            self.doctor(Event(1.0, turn, "sent", {"who": "#5", "offered": 0, "taken": 0, "left": 0, "head": ""}))
        self.assertIn("#5 is watched for writing and you had nothing to write",
                      self.the_finding("spinning").sentence)

    def test_a_turn_that_is_not_there_breaks_the_streak(self):
        for turn in range(0, 600, 2):
            self.doctor(Event(1.0, turn, "ready", {"readable": [], "writable": ["#5"], "slept": 0.0}))
        self.assertEqual([], self.said)

    def test_a_callback_that_schedules_itself_for_ever(self):
        def again():
            self.reactor.call_soon(again)

        again()
        for _ in range(1500):
            self.reactor.turn()
        finding = self.the_finding("never sleeping")
        self.assertIn("again", finding.sentence)
        self.assertIn("call_later", finding.missing)

    def test_a_timer_without_delay_that_sets_itself_for_ever(self):
        def tick():
            self.reactor.call_later(0, tick)

        tick()
        for _ in range(1500):
            self.reactor.turn()
        self.the_finding("never sleeping")

    def test_work_that_is_done_a_part_in_each_turn_is_healthy(self):
        """It is what the doctor itself recommends in place of one slow callback."""
        def work():
            self.clock.advance(0.005)
            self.reactor.call_soon(work)

        work()
        for _ in range(3000):
            self.reactor.turn()
        self.assertEqual([], self.said)

    def test_a_slow_callback_is_named_once(self):
        def look_up():
            self.clock.advance(0.2)

        for _ in range(3):
            self.reactor.call_soon(look_up)
            self.reactor.turn(0)
        finding = self.the_finding("slow")
        self.assertIn("look_up took 200 ms", finding.sentence)
        self.assertEqual(0, finding.turn)

    def test_fifty_milliseconds_are_not_slow(self):
        self.reactor.call_soon(self.clock.advance, 0.0499)
        self.reactor.turn(0)
        self.assertEqual([], self.said)

    def test_a_queue_that_only_grows(self):
        class Deaf(Protocol):
            __slots__ = ("_transport",)

            def connection_made(self, transport):
                self._transport = transport

            def data_received(self, data):
                self._transport.write(bytes(30000))

        ours, peer = self.pair(4096)
        self.reactor.adopt(Deaf, ours)
        for _ in range(30):
            peer.send(b"more")
            self.reactor.turn(0)
        finding = self.the_finding("growing")
        self.assertIn("the queue of #1 only grows", finding.sentence)
        self.assertIn("pause_writing", finding.missing)

    def test_a_queue_that_is_written_to_while_paused_but_drains_does_not_grow(self):
        self.doctor(Event(1.0, 0, "writing paused", {"who": "#1", "depth": 70000}))
        for turn in range(1, 100):
            self.doctor(Event(1.0, turn, "queued", {"who": "#1", "size": 500, "depth": 70000 + 1000 * (turn % 50)}))
        self.assertEqual([], self.said)

    def test_a_large_answer_in_one_piece_is_no_growing_queue(self):
        ours, _ = self.pair(4096)
        transport, _ = self.reactor.adopt(Protocol, ours)
        self.turns(2)
        transport.write(bytes(5_000_000))
        self.turns(20)
        self.assertEqual([], self.said)

    def test_a_reader_paused_for_ever(self):
        class Forgetful(Protocol):
            __slots__ = ()

            def connection_made(self, transport):
                transport.pause_reading()

        ours, _ = self.pair()
        self.reactor.adopt(Forgetful, ours)
        self.turns(2)
        self.clock.advance(59)
        self.reactor.turn(0)
        self.assertEqual([], self.said)
        self.clock.advance(2)
        self.reactor.turn(0)
        finding = self.the_finding("paused")
        self.assertIn("#1 paused its reading 61 seconds ago", finding.sentence)
        self.assertIn("resume_reading()", finding.missing)

    def test_a_reader_paused_while_its_peer_takes_nothing_waits_for_good_reason(self):
        ours, peer = self.pair(4096)
        self.reactor.adopt(Echo, ours)
        peer.setblocking(False)
        for _ in range(200):
            try:
                peer.send(bytes(4096))
            except BlockingIOError:
                pass
            self.reactor.turn(0)
        self.clock.advance(120)
        self.turns(2)
        self.assertEqual([], self.said)

    def test_a_reader_that_rests_until_a_timer_of_its_own_is_not_paused_for_ever(self):
        """As bulk_receiver --slow does."""
        ours, peer = self.pair()
        self.reactor.adopt(lambda: BulkReceiver(call_later=self.reactor.call_later, rate=10.0), ours)
        peer.send(bytes(3000))
        for _ in range(50):
            self.reactor.turn(5)
        self.assertEqual([], self.said)
        for _ in range(50):
            self.reactor.turn(5)
        self.assertEqual([], self.said)

    def test_a_timer_that_was_cancelled_resumes_nobody(self):
        class Forgetful(Protocol):
            def connection_made(self, transport):
                transport.pause_reading()
                later(100, transport.resume_reading).cancel()
                later(200, int)

        later = self.reactor.call_later
        ours, _ = self.pair()
        self.reactor.adopt(Forgetful, ours)
        for _ in range(100):
            self.reactor.turn(5)
        self.the_finding("paused")

    def test_a_connection_idle_beyond_its_limit(self):
        doctor = self.reactor.observer = Doctor(self.said.append, idle=10.0)
        ours, _ = self.pair()
        self.reactor.adopt(Protocol, ours)
        self.turns(1)
        self.clock.advance(13)
        self.turns(1)
        self.assertEqual([], self.said)
        self.clock.advance(3)
        self.turns(1)
        finding, = doctor.findings
        self.assertEqual("idle", finding.malady)
        self.assertIn("#1", finding.sentence)
        self.assertIn("--idle", finding.missing)

    def test_idle_connections_of_one_listener_are_one_finding(self):
        listener = self.reactor.listen(Protocol)
        for _ in range(5):
            self.client_of(listener)
        run_turns(self.reactor)
        self.clock.advance(2 * IDLE)
        self.turns(3)
        self.the_finding("idle")

    def test_an_idle_limit_keeps_the_doctor_quiet(self):
        self.doctor = self.reactor.observer = Doctor(self.said.append, idle=10.0)
        ours, _ = self.pair()
        self.reactor.adopt(lambda: IdleLimit(Echo(), 10.0, call_later=self.reactor.call_later,
                                             time=self.reactor.time), ours)
        for _ in range(20):
            self.reactor.turn(2.0)
        self.assertEqual(set(), self.reactor.endpoints)
        self.assertEqual([], self.said)

    def test_descriptors_near_the_limit(self):
        for fd in (10, 89, 90, 95):
            self.reactor.observer = self.doctor = Doctor(self.said.append, descriptors=100)
            self.doctor(Event(0.0, 7, "accepted", {"who": "#1", "connection": "#9", "peer": "", "fd": fd}))
            self.assertEqual(fd >= 90, bool(self.said), fd)
            self.said.clear()

    def test_descriptors_of_a_server_near_its_limit(self):
        near = (lowest_free_descriptor() + 20) * 10 // 9
        self.doctor = self.reactor.observer = Doctor(self.said.append, descriptors=near)
        listener = self.reactor.listen(Protocol)
        clients = 0
        while not self.said:
            clients += 1
            self.client_of(listener)
            run_turns(self.reactor)
            self.assertLess(clients, 20)
        self.assertGreater(clients, 5)
        self.assertRegex(self.the_finding("descriptors").sentence, r"^descriptor \d+ is in use")

    @unittest.skipIf(resource is None, "the limit cannot be changed here")
    def test_a_server_that_has_reached_its_limit(self):
        listener = self.reactor.listen(Protocol)
        self.client_of(listener)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with self.assertLogs("reactor", "WARNING"):
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free_descriptor(), hard))
            try:
                self.reactor.turn(0)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertIn("#1 accepts no more, with 0 connections: [Errno 24]", self.the_finding("descriptors").sentence)

    def test_a_listener_that_can_accept_no_more(self):
        facts = {"who": "#1", "connections": 40, "why": "[Errno 24] Too many open files"}
        self.doctor(Event(0.0, 7, "full", facts))
        self.assertIn("Too many open files", self.the_finding("descriptors").sentence)

    def test_a_limit_that_was_asked_for_is_no_finding(self):
        self.doctor(Event(0.0, 7, "full", {"who": "#1", "connections": 40, "why": "its limit"}))
        self.assertEqual([], self.said)


class Programs(Recorded):
    """Small programs that call select themselves, as the x-ray records them."""

    def findings(self, text):
        script, recording = self.path("program.py"), self.path("run.rec")
        with open(script, "w", encoding="utf-8") as file:
            file.write("import select, socket\nours, peer = socket.socketpair()\n" + text)
        subprocess.run([sys.executable, "-m", "demos.xray", "--summary", "--record", recording, script], cwd=ROOT,
                       timeout=10, check=True, stderr=subprocess.PIPE)
        doctor = Doctor()
        with open_recording(recording) as events:
            for event in events:
                doctor(event)
        finding, = doctor.findings
        return finding

    def test_end_of_file_and_still_watched(self):
        finding = self.findings("peer.close()\nfor _ in range(150):\n    select.select([ours], [], [])\n"
                                "    ours.recv(9)\n")
        self.assertRegex(finding.sentence,
                         r"^the loop spins: recv said end of file on #\d and the socket is still watched")

    def test_watched_for_writing_with_nothing_to_write(self):
        finding = self.findings("for _ in range(150):\n    select.select([], [ours], [])\n")
        self.assertRegex(finding.sentence, r"^the loop spins: #\d is watched for writing and you had nothing to write")

    def test_ready_for_reading_and_never_read(self):
        finding = self.findings("peer.send(b'x')\nfor _ in range(150):\n    select.select([ours], [], [])\n")
        self.assertRegex(finding.sentence, r"^the loop spins: #\d is ready for reading and nobody reads it")


class Healthy(Patient):

    def test_nothing_is_found_in_an_hour_of_mixed_traffic(self):
        """Echo with slow readers, lines, datagrams, half-closes, resets and idle clients, an hour of them."""
        seed = random.randrange(1 << 30)
        with self.subTest(seed=seed):
            Traffic(self, random.Random(seed)).run(3600.0)
            self.assertEqual([], self.said)
            self.assertGreater(self.reactor.turns, 3000)

    def test_nothing_is_found_in_an_hour_of_every_demo(self):
        """All servers on one loop, and clients who talk, fall silent, read slowly, half-close and reset."""
        seed = random.randrange(1 << 30)
        with self.subTest(seed=seed), contextlib.redirect_stdout(io.StringIO()) as out, \
                tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "film"), "wb") as film:
                film.write(bytes(2_000_000))
            town = Town(self, random.Random(seed), folder)
            self.doctor = self.reactor.observer = Doctor(self.said.append, idle=town.IDLE, descriptors=100000)
            town.run(3600.0)
            self.assertEqual([], self.said)
            self.assertIn("sha256", out.getvalue())
            for name, count in town.visits.items():
                self.assertGreater(count, 5, name)
            self.reactor.close()


class Town:
    """Every server of demos/ and clients that come and go, on real TCP."""

    IDLE = 60.0
    SERVERS = {  # what a client may say, in pieces
        echo_server: [b"hello\n", bytes(300_000)],
        uppercase_server: [b"hello", b" you\n"],
        hello_server: [],
        blackjack_server: [b"hit\n", b"stand\n", b"help\n", b"nonsense\n"],
        address_book_server: [b"John\n", b"nobody\n"],
        clock_server: [b"Time\n", b"Date\n"],
        bulk_receiver: [b"foobar\n" * 5000, b"foobar\n" * 50000],
        http_server: [b"GET /film HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /"],
        web_hello_server: [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    }
    ARGUMENTS = {bulk_receiver: ["--slow", "2000"], http_server: ["--quiet", "--directory"]}

    def __init__(self, test, chance, folder):
        self.test, self.chance, self.reactor, self.clock = test, chance, test.reactor, test.clock
        self.ports, self.visits = {}, Counter()
        for module in self.SERVERS:
            arguments = [*self.ARGUMENTS.get(module, []), *([folder] if module is http_server else [])]
            options = module.SERVER.options(["--port", "0", "--idle", str(self.IDLE), *arguments])
            self.ports[module] = int(module.SERVER.listen(self.reactor, options).rpartition(":")[2])
        self.peers = []

    def run(self, seconds):
        end = self.clock() + seconds
        while self.clock() < end:
            self.chance.choice([self.come, self.talk, self.talk, self.read, self.read, self.go, self.call])()
            self.reactor.turn(self.chance.choice([0, 0, 0.2, 2.0]))
        for _, peer in self.peers:
            peer.close()

    def come(self):
        if len(self.peers) < 15:
            module = self.chance.choice(list(self.ports))
            self.visits[module.SERVER.name] += 1
            peer = socket.create_connection(("127.0.0.1", self.ports[module]), 1.0)
            self.test.addCleanup(peer.close)
            peer.setblocking(False)
            self.peers.append((module, peer))

    def talk(self):
        for module, peer in self.some():
            if self.SERVERS[module]:
                self.attempt(peer.send, self.chance.choice(self.SERVERS[module]))

    def read(self):
        for _, peer in self.some():
            self.attempt(peer.recv, self.chance.choice([1, 1000, 1_000_000]))

    def go(self):
        for module, peer in self.some():
            how = self.chance.random()
            if how < 0.3:
                self.attempt(peer.shutdown, socket.SHUT_WR)
            elif how < 0.5:
                self.peers.remove((module, peer))
                reset(peer) if how < 0.4 else peer.close()

    def call(self):
        """A client on the loop itself."""
        if self.chance.random() < 0.1:
            self.visits["called"] += 1
            lines = b"foobar\n" * self.chance.choice([1, 1000, 100_000])
            self.reactor.connect(lambda: Exchange(lines, len, longest=1 << 20), port=self.ports[echo_server])

    def some(self):
        return [self.chance.choice(self.peers)] if self.peers else []

    def attempt(self, call, *args):
        with contextlib.suppress(OSError):
            call(*args)


class Traffic:
    """Clients that come and go."""

    def __init__(self, test, chance):
        self.test, self.chance, self.reactor, self.clock = test, chance, test.reactor, test.clock
        self.peers = []
        self.limited = lambda make: lambda: IdleLimit(make(), 60.0, call_later=self.reactor.call_later,
                                                      time=self.reactor.time)
        self.datagrams, _ = self.reactor.open_datagram(UppercaseDatagrams, local=("127.0.0.1", 0))
        self.lone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.lone.setblocking(False)
        test.addCleanup(self.lone.close)

    def run(self, seconds):
        end = self.clock() + seconds
        while self.clock() < end:
            self.chance.choice([self.come, self.talk, self.talk, self.talk, self.slowly, self.go, self.datagram])()
            self.reactor.turn(self.chance.choice([0, 0, 0.5, 3.0]))
        for peer in self.peers:
            peer.close()

    def come(self):
        if len(self.peers) < 12:
            ours, peer = self.test.pair(4096)
            peer.setblocking(False)
            lines = partial(UppercaseLines, call_later=self.reactor.call_later)
            self.reactor.adopt(self.limited(self.chance.choice([Echo, lines])), ours)
            self.peers.append(peer)

    def some_peer(self):
        return self.chance.choice(self.peers) if self.peers else self.lone

    def talk(self):
        peer = self.some_peer()
        if peer is not self.lone:
            self.attempt(peer.send, b"line\r\n" * self.chance.choice([1, 10, 2000]))

    def slowly(self):
        peer = self.some_peer()
        if peer is not self.lone:
            self.attempt(peer.recv, self.chance.choice([1, 100, 100000]))

    def go(self):
        peer = self.some_peer()
        if peer is not self.lone and self.chance.random() < 0.3:
            if self.chance.random() < 0.5:
                self.attempt(peer.shutdown, socket.SHUT_WR)
            else:
                self.peers.remove(peer)
                peer.close()

    def datagram(self):
        self.attempt(self.lone.sendto, b"hello", self.datagrams.get_extra_info("sockname"))
        self.attempt(self.lone.recv, 100)

    def attempt(self, call, *args):
        try:
            return call(*args)
        except OSError:
            return None


class TheWatchdog(Case):

    def test_a_stuck_turn_is_said_once_with_the_place(self):
        said, barked = [], threading.Event()
        reactor = self.open_real_reactor()

        def bark(text):
            said.append(text)
            barked.set()

        def stuck_here():
            barked.wait(10)
            barked.wait(0.1)

        with Watchdog(bark, patience=0.04) as watchdog:
            reactor.observer = watchdog
            reactor.call_soon(stuck_here)
            reactor.turn(0)
        self.assertEqual(1, len(said), said)
        self.assertIn("turn 0 has not ended", said[0])
        self.assertIn("in stuck_here\n", said[0])
        self.assertNotIn("loop.py", said[0])

    def test_sleeping_in_select_is_no_incident(self):
        said = []
        watchdog = Watchdog(said.append, patience=0.5)
        watchdog(Event(0.0, 3, "ready", {}))
        watchdog(Event(0.0, 4, "turn", {}))
        watchdog.look(float("inf"))
        self.assertEqual([], said)

    def test_each_incident_is_said_once(self):
        said = []
        watchdog = Watchdog(said.append, patience=0.5)
        for turn in (3, 3, 4):
            watchdog(Event(0.0, turn, "ready", {}))
            watchdog.look(sys.float_info.max)
        self.assertEqual(2, len(said))

    def test_what_only_time_tells_is_looked_for_while_the_loop_sleeps(self):
        looked = threading.Event()
        with Watchdog(print, patience=0.01, also=looked.set):
            self.assertTrue(looked.wait(10))

    def test_the_doctor_may_be_asked_from_another_thread(self):
        said = []
        doctor = Doctor(said.append, idle=10.0)
        doctor(Event(0.0, 3, "adopted", {"who": "#1"}))
        asked = threading.Thread(target=doctor.look, args=(20.0,))
        asked.start()
        asked.join()
        self.assertIn("turn 3: nothing has moved on #1 for 20 seconds", said[0])

    def test_attended_gives_both_in_one_observer(self):
        said = []
        reactor = self.open_reactor()
        with attended(said.append, reactor.time, idle=1.0) as observer:
            reactor.observer = observer
            reactor.call_soon(self.clock.advance, 0.3)
            reactor.turn(0)
        self.assertIn("took 300 ms", said[0])


if __name__ == "__main__":
    unittest.main()
