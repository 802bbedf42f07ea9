import argparse
import io
import logging
import os
import tempfile
import unittest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from demos.glassbox.observe import add_options, observed, together
from demos.glassbox.recording import open_recording
from protocols.echo import Echo
from reactor import Reactor
from reactor.testing import pair, run_turns

from ..running import Running, client, connected
from .grammar import hold
from .traffic import Traffic


def parsed(*arguments):
    """The parser and what it makes of the arguments."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    add_options(parser)
    return parser, parser.parse_args(arguments)


class Observed(unittest.TestCase):
    def setUp(self):
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "run")

    def run_traffic(self, seed, *arguments):
        """Every callback with its argument, and every byte that the peers read."""
        traffic = Traffic(seed, tcp=False)
        parser, options = parsed(*arguments)
        with mock.patch("sys.stderr", io.StringIO()), observed(traffic.reactor, options, parser):
            traffic.begin()
            for _ in range(150):
                traffic.step()
            traffic.close()
            self.assertEqual(bool(arguments), traffic.reactor.observer is not None)
        return [protocol.calls for protocol in traffic.protocols], traffic.bytes

    def test_tracing_changes_neither_callbacks_nor_bytes(self):
        for seed in range(10):
            alone = self.run_traffic(seed)
            self.assertGreater(len(alone[1]), 10, f"seed {seed}")
            for arguments in (["--trace"], ["--trace=brief"], ["--record", self.path, "--record-bytes"],
                              ["--trace", "--record", self.path, "--doctor"]):
                self.assertEqual(alone, self.run_traffic(seed, *arguments), f"seed {seed}, {arguments}")

    def test_the_word_after_trace_is_not_taken_for_its_value(self):
        options = parsed("--trace", "folder")[1]
        self.assertEqual(("full", "folder"), (options.trace, options.folder))
        self.assertEqual("brief", parsed("--trace=brief")[1].trace)
        self.assertIsNone(parsed()[1].trace)

    def test_mistakes_are_told_through_the_parser(self):
        with Reactor() as reactor, mock.patch("sys.stderr", io.StringIO()) as stderr:
            for wrong in (["--record", "/nowhere/at/all"], ["--record-bytes"]):
                parser, options = parsed(*wrong)
                with self.assertRaises(SystemExit):
                    with observed(reactor, options, parser):
                        self.fail("it cannot have begun")
            self.assertIn("cannot record to /nowhere/at/all: No such file", stderr.getvalue())
            for wrong in ("0", "-1", "a", "1e9", "9999999"):
                with self.assertRaises(SystemExit):
                    parsed("--record-limit", wrong)

    def test_an_observer_that_raises_is_taken_off_and_the_others_go_on(self):
        told, broken = [], mock.Mock(side_effect=ZeroDivisionError)
        with Reactor() as reactor:
            reactor.observer = together([broken, told.append])
            ours, peer = pair()
            reactor.adopt(Echo, ours)
            peer.close()
            run_turns(reactor)
        self.assertEqual(1, broken.call_count)
        self.assertEqual("closed", [event.kind for event in told if "who" in event.facts][-1])


class Demos(Observed):
    def test_what_real_servers_record_keeps_to_the_grammar(self):
        conversations = {"echo_server": b"hello\n", "uppercase_server": b"hello\n", "hello_server": b"",
                         "blackjack_server": b"hit\r\nstand\r\n"}
        for program, said in conversations.items():
            with self.subTest(program=program):
                with Running(program, "--port", 0, "--record", self.path, "--record-bytes", "--idle", 5) as server:
                    with connected(server.port) as sock:
                        sock.sendall(said)
                        sock.recv(100)
                    server.end()
                with open(self.path, encoding="ascii") as file:
                    for number, line in enumerate(file):
                        hold(line, number)
                with open_recording(self.path) as recording:
                    kinds = [event.kind for event in recording]
                    self.assertEqual(program, recording.header["program"])
                self.assertLess({"listening", "turn", "ready", "accepted", "sent", "closed"}, set(kinds))
                self.assertEqual("end", kinds[-1])

    def test_clients_are_traced_and_recorded_to_their_end(self):
        with Running("echo_server", "--port", 0) as server:
            options = "--trace=brief", "--record", self.path
            ended = client("echo_client", "127.0.0.1", server.port, *options, stdin=b"hello\n")
        self.assertEqual((0, b"hello\n"), (ended.returncode, ended.stdout))
        self.assertRegex(ended.stderr.decode(), r"#\d+ recv 6")
        with open_recording(self.path) as recording:
            self.assertEqual(["closed", "end"], [event.kind for event in recording if event.kind in ("closed", "end")])

    def recorded(self, number, server, client_command, stdin):
        """The events of what a client records, each line held to the grammar; with --trace it said them too."""
        path = os.path.join(self.folder, str(number))
        with Running(*server, "--port", "0") as running:
            command = [word.format(port=running.port) for word in client_command]
            ended = client(*command, "--record", path, "--record-bytes", "--trace", stdin=stdin)
        self.assertEqual(0, ended.returncode, ended.stderr)
        with open(path, encoding="ascii") as file:
            for number, line in enumerate(file):
                hold(line, number)
        with open_recording(path) as recording:
            events = list(recording)
        self.assertEqual("end", events[-1].kind)
        self.assertIn(b"select waits for", ended.stderr)
        return Counter(event.kind for event in events)

    def test_every_client_can_be_recorded_and_traced_from_its_first_connection_to_its_last(self):
        cases = [
            (("echo_server",), ("echo_client", "127.0.0.1", "{port}"), b"a\nb\n", {"connected": 1, "received": 2}),
            (("uppercase_server",), ("uppercase_client", "127.0.0.1", "{port}"), b"a\n\n", {"connected": 1}),
            (("uppercase_server", "--udp"), ("uppercase_client", "--udp", "127.0.0.1", "{port}"), b"a\nb\n\n",
             {"opened": 1, "datagram received": 2}),
            (("address_book_server",), ("address_book_client", "127.0.0.1", "{port}"), b"John\nJohn\n",
             {"connected": 2, "closed": 2}),
            (("clock_server",), ("clock_client", "127.0.0.1", "{port}"), b"Time\nDate\n-1\n",
             {"connected": 2, "closed": 2}),
            (("bulk_receiver",), ("bulk_sender", "--bytes", "200000", "127.0.0.1", "{port}"), b"",
             {"connected": 1, "half-closed": 1, "closed": 1}),
            (("echo_server",), ("talk", "127.0.0.1", "{port}"), b"hello\n", {"connected": 1, "half-closed": 1}),
            (("web_hello_server",), ("http_fetch", "http://127.0.0.1:{port}/"), b"", {"connected": 1, "closed": 1}),
            (("echo_server",), ("lookup", "127.0.0.1"), b"", {"timer set": 1}),
        ]
        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(self.recorded, number, *case[:3]) for number, case in enumerate(cases)]
        for (server, command, stdin, wanted), future in zip(cases, futures):
            with self.subTest(client=command[0]):
                kinds = future.result()
                self.assertEqual(wanted, {kind: kinds[kind] for kind in wanted})


if __name__ == "__main__":
    unittest.main()
