"""--hostile SEED: all our servers in the hands of a hostile kernel, bytes exact, nothing leaked, nothing hung.

HOSTILE_SEEDS=1000 tries as many seeds on each server; the suite, a few.
"""
import argparse
import os
import signal
import tempfile
import unittest
from datetime import datetime

from demos.hostile import hostility, unleash
from protocols.address_book import OFFICES, AddressBook
from protocols.blackjack.protocol import Tables
from protocols.bulk import BulkReceiver
from protocols.clock import Clock
from protocols.echo import Echo
from protocols.hello import Hello
from protocols.http.files import FileApplication
from protocols.http.server import HttpServer
from protocols.idle import IdleLimit
from protocols.uppercase import Uppercase, UppercaseLines
from reactor.testing import HostileSocket, Hostility, converse, sweep_faults, sweep_hostility

from ..case import Case
from .running import POSIX, PROMPT, Running, connected, everything

SEEDS = int(os.environ.get("HOSTILE_SEEDS", "20"))
REQUESTS = (b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nHEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"
            b"GET /none HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=5-200\r\n\r\n")


def servers(folder):
    """Each server: its name, how it is made for a reactor, and what a client sends."""
    files = FileApplication(folder)
    noon = datetime(2026, 1, 31, 12, 0, 0)
    lines = b"".join(b"line %d \xc3\xa9\r\n" % number for number in range(15))
    return [
        ("echo", lambda reactor: Echo(), lines),
        ("echo with a limit", lambda reactor: IdleLimit(Echo(), 5, call_later=reactor.call_later, time=reactor.time),
         lines),
        ("uppercase", lambda reactor: Uppercase(), lines),
        ("uppercase lines", lambda reactor: UppercaseLines(call_later=reactor.call_later), lines + b"\r\n"),
        ("hello", lambda reactor: Hello(), lines),
        ("address book", lambda reactor: AddressBook(call_later=reactor.call_later, book=OFFICES),
         b"John\nnobody\n" * 4),
        ("clock", lambda reactor: Clock(call_later=reactor.call_later, now=lambda: noon),
         b"Date\nTime\nDate and Time\nwhat\n" * 2),
        ("blackjack", lambda reactor: Tables(call_later=reactor.call_later, seed=3)(), b"10\nh\ns\nd\n5\ns\n"),
        ("bulk", lambda reactor: BulkReceiver(call_later=reactor.call_later), b"foobar\n" * 100),
        ("http", lambda reactor: HttpServer(files, call_later=reactor.call_later, time=reactor.time,
                                            wall_time=lambda: 1.7e9), REQUESTS),
    ]


class ServersTest(Case):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        with open(os.path.join(self.folder, "a.txt"), "wb") as file:
            file.write(bytes(range(256)))

    def test_every_server_answers_every_seed_exactly(self):
        for name, make, sends in servers(self.folder):
            with self.subTest(server=name):
                self.assertTrue(converse(make, sends), "nothing to compare")
                self.assertEqual(SEEDS, sweep_hostility(make, sends, range(SEEDS)))

    def test_every_server_survives_a_fault_in_any_call(self):
        for name, make, sends in servers(self.folder):
            with self.subTest(server=name):
                self.assertGreater(sweep_faults(make, sends[:60]), 10)

    def test_every_server_ends_in_order_when_a_stream_ends_or_is_reset_at_any_byte(self):
        """Nothing raised, nothing left, connection_lost once; the answer to a prefix is the server's affair."""
        for name, make, sends in servers(self.folder):
            for seed in range(SEEDS):
                for knobs in {"ends_at": 1 + 7 * seed}, {"resets_at": 1 + 7 * seed}:
                    with self.subTest(server=name, seed=seed, **knobs):
                        converse(make, sends, lambda sock: HostileSocket(sock, Hostility(seed, **knobs)))

    def test_the_same_seed_gives_the_same_run_twice(self):
        for name, make, sends in servers(self.folder):
            runs = []
            for _ in range(2):
                events = []

                def observed(reactor):
                    reactor.observer = lambda event: events.append(
                        (event.kind, event.facts.get("size"), event.facts.get("taken")))
                    return make(reactor)
                converse(observed, sends, lambda sock: HostileSocket(sock, Hostility(7)))
                runs.append(events)
            with self.subTest(server=name):
                self.assertGreater(len(runs[0]), 5)
                self.assertEqual(*runs)


class OptionTest(Case):

    def test_a_seed_and_its_knobs(self):
        plain, knobs = hostility("7"), hostility("-3,most=5,not_now=0.5,ends_at=10,resets_at=20")
        self.assertEqual((7, 100, 0.2, None, None),
                         (plain.seed, plain.most, plain.not_now, plain.ends_at, plain.resets_at))
        self.assertEqual((-3, 5, 0.5, 10, 20), (knobs.seed, knobs.most, knobs.not_now, knobs.ends_at, knobs.resets_at))

    def test_what_is_no_seed_is_refused_in_one_line(self):
        for text in "", "x", "7,", "7,most", "7,most=x", "7,colour=1", "7,most=1=2":
            with self.assertRaises(argparse.ArgumentTypeError):
                hostility(text)

    def test_nobody_is_patched_without_the_option(self):
        self.assertIsNone(unleash(None))

    @unittest.skipUnless(POSIX, "signals")
    def test_a_server_under_hostile_serves_a_file_and_a_browser_would_not_notice(self):
        """sendfile, which asks for a descriptor and no socket, is cut as well."""
        content = os.urandom(60_000)
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "large.bin"), "wb") as file:
                file.write(content)
            record = os.path.join(folder, "record")
            with Running("http_server", "--port", "0", "--hostile", "7", "--quiet", "--record", record, "--directory",
                         folder) as server, connected(server.port) as client:
                client.sendall(b"GET /large.bin HTTP/1.0\r\n\r\n")
                head, _, body = everything(client).partition(b"\r\n\r\n")
                status, _, errors, seconds = server.end(signal.SIGINT)
            with open(record) as file:
                events = file.read()
        self.assertIn(b" 200 ", head)
        self.assertEqual(content, body)
        self.assertEqual((0, ""), (status, errors))
        self.assertLess(seconds, PROMPT)
        self.assertGreater(events.count('"partly sent"'), 300)


if __name__ == "__main__":
    unittest.main()
