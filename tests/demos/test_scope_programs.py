"""The page of a program: its option, its address, and that the program ends whatever is held."""
import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from demos import scope_option
from demos.glassbox.recording import open_recording
from reactor import Reactor
from tests.case import Case
from tests.demos.glassbox.making import Recorded
from tests.demos.running import PATIENCE, POSIX, PROMPT, ROOT, Running, connected, program

PAGE = "the page is at "


class Page:
    """What a browser does, of a program that runs."""

    def __init__(self, url):
        self.host, _, self.path = url[len("http://"):].partition("/")

    @contextlib.contextmanager
    def looking(self):
        """While inside, a browser looks."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        connection.request("GET", f"/{self.path}events")
        response = connection.getresponse()
        try:
            yield response
        finally:
            response.close()
            connection.close()

    def do(self, **wanted):
        """The status of the answer."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("POST", f"/{self.path}control", json.dumps(wanted), {"Content-Type": "application/json"})
            with connection.getresponse() as response:
                return response.status


def refused(*arguments):
    """The exit status of a program that cannot start, and what it says on stderr."""
    done = subprocess.run(program(*arguments), cwd=ROOT, capture_output=True, timeout=PATIENCE)
    return done.returncode, done.stderr.decode()


class TestOption(Case):

    def echo(self, *arguments):
        server = Running("echo_server", "--port", 0, "--scope", 0, *arguments, lines=2)
        self.addCleanup(server.__exit__)
        self.assertEqual(PAGE, server.lines[1][:len(PAGE)])
        return server, Page(server.lines[1][len(PAGE):])

    def test_the_address_of_the_page_is_printed_behind_the_ready_line(self):
        server, page = self.echo()
        self.assertRegex(server.lines[1], PAGE + r"http://127\.0\.0\.1:\d+/[\w-]{22}/$")
        with page.looking() as response:
            self.assertEqual((200, b"retry: 500\n"), (response.status, response.readline()))
        status, out, err, _ = server.end()
        self.assertEqual((0, "echo stops: SIGINT\n", ""), (status, out, err))

    def test_a_program_that_is_not_asked_for_a_page_does_not_import_it(self):
        """It would need twice the time to start, and most of them are started for a moment."""
        done = subprocess.run([sys.executable, "-c", "import demos.console, sys; print(*sys.modules)"],
                              cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8", timeout=PATIENCE)
        self.assertIn("demos.scope_option", done.stdout.split())
        self.assertNotIn("demos.scope", done.stdout.split())

    def test_each_program_has_a_token_of_its_own(self):
        self.assertNotEqual(self.echo()[1].path, self.echo()[1].path)

    def test_a_port_that_is_taken_is_said(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            status, err = refused("echo_server", "--port", "0", "--scope", str(port))
        self.assertEqual(2, status)
        self.assertRegex(err, rf"^echo_server: there can be no page, .* 127\.0\.0\.1:{port}: .*: try --scope 0\n$")

    def test_a_default_port_that_is_taken_is_replaced_and_that_is_said(self):
        said = []
        with socket.create_server(("127.0.0.1", 0)) as taken, Reactor() as reactor:
            self.patch(scope_option, "PORT", taken.getsockname()[1])
            options = type("Options", (), {"scope": scope_option.DEFAULT})
            with scope_option.scope(reactor, "test", options, None, said.append) as made:
                self.assertNotIn(f":{scope_option.PORT}/", made.url)
        self.assertEqual([f"test: port {scope_option.PORT} is taken, the page has a free one instead"], said)

    @unittest.skipUnless(POSIX, "workers need POSIX")
    def test_several_processes_have_no_page(self):
        self.assertEqual((2, "echo_server: a page shows the loop of one process: leave --workers or --scope out\n"),
                         refused("echo_server", "--port", "0", "--workers", "2", "--scope"))

    def test_no_port_is_refused_in_one_line(self):
        status, err = refused("echo_server", "--scope", "x")
        self.assertEqual((2, 1), (status, err.count("\n")))

    def test_trace_doctor_and_record_see_all_of_it_beside_the_page(self):
        folder = Recorded("run")
        folder.setUp()
        self.addCleanup(folder.doCleanups)
        path = folder.path("a.rec")
        server, page = self.echo("--trace", "--doctor", "--record", path)
        with page.looking() as response:
            response.readline()
            for text in (b"one\n", b"two\n"):
                with connected(server.port) as client:
                    client.sendall(text)
                    self.assertEqual(text, client.recv(10))
        with connected(server.port) as client:
            client.sendall(b"three\n")
            client.recv(10)
        status, _, err, _ = server.end()
        self.assertEqual(0, status)
        self.assertNotIn(page.path.strip("/"), err)
        for text in ("one", "two", "three"):
            self.assertIn(f"recv: {len(text) + 1} bytes '{text}\\n'", err)
        with open_recording(path) as recording:
            events = list(recording)
        self.assertEqual(["one\\n", "two\\n", "three\\n"], [e.facts["head"] for e in events if e.kind == "received"])
        turns = [event.turn for event in events]
        self.assertEqual(sorted(turns), turns)

    def test_a_hostile_kernel_is_hostile_to_the_program_and_not_to_its_page(self):
        server, page = self.echo("--hostile", "7,resets_at=10")
        with page.looking() as response:
            self.assertGreater(sum(len(response.readline()) for _ in range(20)), 500)
        with connected(server.port) as client, self.assertRaises((ConnectionResetError, BrokenPipeError)):
            for _ in range(100):
                client.sendall(b"0123456789")
                client.recv(100)

    def ended_while_held(self, signum):
        server, page = self.echo()
        with page.looking() as response, connected(server.port) as client:
            client.sendall(b"x")
            client.recv(1)
            self.assertEqual(200, page.do(do="pause"))
            client.sendall(b"held")
            response.readline()
            return server.end(signum)

    def test_the_program_ends_at_once_though_it_is_held(self):
        signals = signal.SIGINT, signal.SIGTERM
        with ThreadPoolExecutor() as pool:
            for signum, (status, out, err, seconds) in zip(signals, pool.map(self.ended_while_held, signals)):
                with self.subTest(signum=signum):
                    self.assertEqual((0, f"echo stops: {signum.name}\n", ""), (status, out, err))
                    self.assertLess(seconds, PROMPT)

    def test_it_ends_in_slow_motion_and_in_the_middle_of_a_recording(self):
        server, page = self.echo()
        with page.looking():
            self.assertEqual([200, 200], [page.do(do="record", on=True), page.do(do="speed", factor=0.001)])
            status, _, err, seconds = server.end()
        self.assertEqual((0, ""), (status, err))
        self.assertLess(seconds, PROMPT)


class TestEverything(unittest.TestCase):
    """python3 -m demos."""

    def test_the_page_is_in_the_table_and_nowhere_else(self):
        with Running("") as demos:
            lines = []
            while not lines or not lines[-1].startswith("page "):
                lines.append(demos.process.stdout.readline().decode())
            row = lines[-1].split()
            self.assertRegex(row[2], r"^http://127\.0\.0\.1:\d+/[\w-]{22}/$")
            token = row[2].split("/")[3]
            index = next(line.split()[1] for line in lines if line.startswith("index ") and "http" in line)
            host, _, port = index.rpartition(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)
            with contextlib.closing(connection):
                connection.request("GET", "/")
                self.assertNotIn(token.encode(), connection.getresponse().read())
            with Page(row[2]).looking() as response:
                self.assertEqual(200, response.status)
            self.assertEqual(0, demos.end()[0])

    def test_it_can_be_left_out(self):
        with Running("", "--no-scope") as demos:
            time.sleep(0.1)
            status, out, _, _ = demos.end()
            self.assertEqual(0, status)
            self.assertNotIn("\npage ", out)


if __name__ == "__main__":
    unittest.main()
