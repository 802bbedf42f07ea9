"""X-ray: the program must not notice, and what is wrong with it must be said; what is right must not be."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from demos.glassbox.recording import open_recording
from demos.glassbox.state import Connections
from demos.glassbox.words import what
from demos.lessons.broken.checks import CHECKS
from demos.lessons.broken.student import NotYet, Student
from demos.xray.rubric import FLOOD, MANY, POLLS, Rubric
from demos.xray.sieve import READABLE, Sieve
from reactor.trace import SENTENCES, Event

from ..case import Case
from .running import PATIENCE, POSIX, ROOT, talked

BROKEN = ROOT / "demos" / "lessons" / "broken"
SOLUTIONS = Path(__file__).resolve().parent / "lessons" / "solutions"

# A program that is its own peer: `near` is what it watches, `far` what plays with it, over TCP.
BEGINNING = """
import select, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
far = socket.create_connection(listener.getsockname())
near, _ = listener.accept()
near.setblocking(False)
"""

NOSY = """
import logging, os, socket, sys, threading, traceback, neighbour
print(len(sys.argv), sys.argv[1:], __name__, __file__, os.getcwd(), sys.path[0], repr(sys.stdin.read()))
print(__doc__, __package__, __spec__, __cached__, sorted(sys.modules["__main__"].__dict__)[:8])
a, b = socket.socketpair()
a.setblocking(False)
print(a, a.fileno(), type(a), isinstance(a, socket.socket))
try:
    a.recv(10)
except BlockingIOError:
    traceback.print_exc()
    logging.exception("what")
    print(traceback.format_exc())
thread = threading.Thread(target=lambda: a.recv(5))
thread.start()
thread.join()
b.sendall(b"line 1\\nline 2\\n")
a.setblocking(True)
file = a.makefile("rwb")
print(file.readline())
file.write(b"answer")
file.flush()
data = bytearray(10)
print(b.recv_into(data), data)
class Mine(socket.socket):
    def send(self, data):
        return super().send(data + b"!")
mine = Mine(fileno=b.detach())
print(mine.send(b"more"), file.readline(), b)
try:
    mine.send("text")
except TypeError as exc:
    print(exc)
try:
    import demos
except ImportError as exc:
    print(exc)
file.close(), a.close(), mine.close()
try:
    a.recv(1)
except OSError as exc:
    raise ValueError("and so it ends") from exc
"""


class XrayCase(Case):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(textwrap.dedent(text))
        return path

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_plainly(self, *command, stdin=b""):
        return self.ended([sys.executable, "-W", "error", *command], self.folder, stdin)

    def ended(self, command, folder, stdin):
        """The command, run to its end, without a path on which a program would find our packages."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(command, cwd=folder, input=stdin, timeout=PATIENCE, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def xray(self, *options):
        return [sys.executable, "-W", "error", "-m", "demos.xray", "--cd", self.folder, *options]

    def run_seen(self, *command, stdin=b""):
        """The program's own end, and what the x-ray wrote."""
        done = self.ended(self.xray("--trace", self.path("trace"), *command), ROOT, stdin)
        with open(self.path("trace")) as file:
            return done, file.read()

    def seen(self, text, *options, status=0):
        """What the x-ray says of a program that ends by itself."""
        done, words = self.run_seen(*options, self.write("program.py", BEGINNING + textwrap.dedent(text)))
        self.assertEqual(status, done.returncode, done.stderr.decode())
        return words

    def findings(self, text, **options):
        return re.findall(r"^  \d+\. (turn .*)$", self.seen(text, "--summary", **options), re.MULTILINE)


class UnnoticedTest(XrayCase):

    def assert_same(self, *command, stdin=b""):
        plain, (seen, words) = self.run_plainly(*command, stdin=stdin), self.run_seen(*command, stdin=stdin)
        self.assertEqual(plain.stdout.decode(), seen.stdout.decode())
        self.assertEqual(plain.stderr.decode(), seen.stderr.decode())
        self.assertEqual(plain.returncode, seen.returncode)
        return words

    def test_a_nosy_program_behaves_byte_for_byte_as_without(self):
        """Arguments, names, path, folder, stdin, descriptor numbers, reprs, tracebacks and exit status."""
        self.write("neighbour.py", "")
        self.write("nosy.py", NOSY)
        words = self.assert_same("nosy.py", "one", "--trace", "-m", stdin=b"input")
        self.assertIn("recv: not now (EAGAIN)", words)
        self.assertIn("recv: 14 bytes", words)  # by makefile
        self.assertIn("send: the kernel took all 5 bytes 'more!'", words)  # by a subclass

    def test_a_module_is_run_as_python_m_runs_it(self):
        os.mkdir(self.path("package"))
        self.write("package/__init__.py", "")
        self.write("package/other.py", "value = 7")
        self.write("package/__main__.py", """
            import sys
            from .other import value
            print(value, sys.argv, __name__, __package__, __spec__.name, sys.path[0])
            sys.exit("no more")
            """)
        self.assert_same("-m", "package", "argument")

    def test_exit_statuses_are_the_programs(self):
        self.write("exits.py", "import sys; sys.exit(int(sys.argv[1]))")
        self.assert_same("exits.py", "3")

    def test_an_error_in_the_syntax_is_told_in_pythons_words(self):
        self.write("wrong.py", "def f():\nreturn 1\n")
        self.assert_same("wrong.py")

    def test_a_program_that_is_not_there_is_one_line_and_status_2(self):
        for command in ["nowhere.py"], ["-m", "nowhere"], ["-m", "nowhere.deeper"], ["-m", "json.nowhere"]:
            with self.subTest(command=command):
                done = self.ended(self.xray("--record", self.path("record"), *command), ROOT, b"")
                self.assertEqual((2, b""), (done.returncode, done.stdout))
                self.assertRegex(done.stderr.decode(), r"\Ademos.xray: [^\n]*nowhere[^\n]*\n\Z")
                if "json.nowhere" not in command:  # which is not known before json has run
                    self.assertFalse(os.path.exists(self.path("record")), "a file for nothing")

    @unittest.skipUnless(POSIX, "signals")
    def test_ctrl_c_and_sigterm_reach_the_program_and_the_summary_is_written_first(self):
        """Edge case 155 of programs that are not ours: their end is the one that they would have had."""
        script = self.write("waits.py", """
            import select, socket, threading
            with socket.create_server(("127.0.0.1", 0)) as listener:
                threading.Timer(0.2, print, ["ready"], {"flush": True}).start()  # when select sleeps
                select.select([listener], [], [])
            """)
        for signum, last in (signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, None):
            ends = []
            for command in [sys.executable, "-W", "error", script], self.xray("--trace", self.path("trace"), script):
                process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                self.addCleanup(process.communicate)
                self.addCleanup(process.kill)
                process.stdout.readline()
                process.send_signal(signum)
                ends.append((*process.communicate(timeout=PATIENCE), process.returncode))
            self.assertEqual(*ends)
            with open(self.path("trace")) as file:
                self.assertIn("select called 1 times", file.read())
            if last:
                self.assertEqual(last, ends[0][1].decode().split()[-1])

    @unittest.skipUnless(hasattr(os, "fork"), "fork")
    def test_a_child_that_the_program_forks_writes_nothing(self):
        words = self.seen("""
            import os
            if os.fork() == 0:
                near.close()
                sys.exit()
            os.wait()
            """)
        self.assertEqual(1, words.count("x-ray of"))
        self.assertNotIn("closed: by us", words)


class SeenTest(XrayCase):

    def test_the_words_and_the_recording_say_each_call(self):
        words = self.seen("""
            from select import select as wait
            far.sendall(b"hello")
            print(wait([listener, near], [], [], 5) == ([near], [], []))
            near.recv(100)
            try:
                near.recv(100)
            except BlockingIOError:
                pass
            near.send(b"answer")
            far.shutdown(socket.SHUT_WR)
            wait([listener.fileno(), near.fileno()], [near], [], 5)
            near.recv(100)
            near.close()
            wait([listener], [], [], 0.001)
            """, "--record", self.path("record"))
        for sentence in ("#1    listens on 127.0.0.1:", "#1    accepted #4 from 127.0.0.1:",
                         "select waits for #1 (the listener), #4 (connected); at most 5.000 s", "#4 readable",
                         "#4    recv: 5 bytes 'hello'", "#4    recv: not now (EAGAIN)",
                         "#4    send: the kernel took all 6 bytes 'answer'", "#4 (the program asks)",
                         "#3    half-closed", "#4    recv: end of file", "#4    closed: by us"):
            self.assertIn(sentence, words)
        self.assertIn("select called 3 times", words)
        self.assertIn("nothing to find fault with was seen", words)
        with open(self.path("record"), "rb"):
            recording = open_recording(self.path("record"))
        self.addCleanup(recording._file.close)
        connections, events = Connections(), list(recording)
        for event in events:
            self.assertTrue(what(event))
            self.assertIn(event.kind, {*SENTENCES, "end"})
            connections.apply(event)
        self.assertEqual([("#4", 5, 6)], [(c.name, c.received, c.sent) for c in connections.ended if c.name == "#4"])
        turns = [event.turn for event in events]
        self.assertEqual(sorted(turns), turns)

    def test_a_program_on_asyncio_is_seen_on_select_and_pointed_to_the_option_otherwise(self):
        script = self.write("aio.py", """
            import asyncio
            async def upper(reader, writer):
                writer.write((await reader.readline()).upper())
                writer.close()
            async def main():
                server = await asyncio.start_server(upper, "127.0.0.1", 0)
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"hello\\n")
                print(await reader.read())
                writer.close()
                server.close()
            asyncio.run(main())
            """)
        plain = self.run_plainly(script)
        done, words = self.run_seen("--selectors", script)
        self.assertEqual((plain.stdout, plain.returncode), (done.stdout, done.returncode))
        self.assertRegex(words, r"select called \d+ times")
        self.assertIn("6 bytes 'HELLO\\n'", words)
        self.assertIn("nothing to find fault with was seen", words)
        if sys.platform == "linux":
            done, words = self.run_seen(script)
            self.assertIn("select was never called", words)
            self.assertRegex(words, r"\d+ waits in EpollSelector were not seen.*--selectors")

    def test_datagrams_are_seen(self):
        words = self.seen("""
            a, b = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
            a.bind(("127.0.0.1", 0))
            b.sendto(b"hello", a.getsockname())
            select.select([a], [], [], 5)
            a.recvfrom(100)
            """)
        self.assertIn("sendto: 5 bytes to 127.0.0.1:", words)
        self.assertIn("recvfrom: 5 bytes from 127.0.0.1:", words)

    def test_the_same_hostile_seed_gives_the_same_run_twice_and_another_one_another(self):
        text = BEGINNING + textwrap.dedent("""
            waiting, got = b"hello" * 100, b""
            far.setblocking(False)
            while len(got) < 500:
                readable, writable, _ = select.select([near], [far] if waiting else [], [])
                try:
                    if writable:
                        waiting = waiting[far.send(waiting):]
                    elif readable:
                        got += near.recv(1000)
                except BlockingIOError:
                    pass
            print(got == b"hello" * 100)
            """)
        script = self.write("program.py", text)

        def run(seed):
            done, words = self.run_seen("--hostile", seed, script)
            self.assertEqual((b"True\n", 0), (done.stdout, done.returncode), done.stderr)
            return re.findall(r"(?:send|recv): .*", words)
        first = run("7")
        self.assertEqual(first, run("7"))
        self.assertNotEqual(first, run("8,most=10"))
        self.assertIn("recv: not now (EAGAIN)", first)
        self.assertIn("still ours", " ".join(first))


class FindingsTest(XrayCase):
    """Each of the classic faults is named; `assert_found` wants exactly one finding."""

    def assert_found(self, pattern, text, **options):
        findings = self.findings(text, **options)
        self.assertEqual(1, len(findings), findings)
        self.assertRegex(findings[0], pattern)

    def test_end_of_file_ignored_spins(self):
        ignored, spins = self.findings("""
            far.close()
            for _ in range(100):
                select.select([near], [], [])
                near.recv(100)
            """)
        self.assertRegex(ignored, "^turn 0: #4 said end of file, recv answered b'', and was watched on")
        self.assertRegex(spins, "^turn 1: 50 turns .* the loop spins. #4 is at its end of file")

    def test_watched_for_writing_with_nothing_to_write(self):
        self.assert_found("^turn 0: #4 was watched for writing with nothing to write", """
            for _ in range(10):
                select.select([near], [near], [])
            """)

    def test_a_short_send_ignored(self):
        self.assert_found(r"^turn 0: send of #4 took a part and left [\d,]+ bytes, which were never offered again", """
            select.select([], [near], [])
            print(near.send(bytes(50000000)) < 50000000)
            near.close()
            """)

    def test_eagain_taken_for_an_error(self):
        self.assert_found("^turn 0: #4 was closed right after send said EAGAIN, and the bytes .* are lost", """
            select.select([], [near], [])
            try:
                while True:
                    near.send(bytes(1000000))
            except OSError:
                near.close()
            """)

    @unittest.skipUnless(hasattr(socket, "MSG_DONTWAIT"), "cannot be seen without waiting")
    def test_a_close_that_resets_because_of_unread_input(self):
        self.assert_found("^turn 0: #4 was answered, and closed while it still had input to be read", """
            far.sendall(b"question and more")
            select.select([near], [], [])
            near.recv(8)
            near.send(b"answer")
            near.close()
            """)

    def test_a_blocking_call_that_sleeps(self):
        self.assert_found(r"^turn 0: recv of #4 slept 0\.\d s outside select: nobody else", """
            import threading
            near.setblocking(True)
            threading.Timer(0.6, far.sendall, [b"late"]).start()
            select.select([], [near], [])
            near.recv(100)
            """)

    def test_a_socket_that_was_closed_and_is_still_listed(self):
        findings = self.findings("""
            select.select([listener], [near], [])
            near.close()
            select.select([listener, near], [], [])
            """, status=1)
        self.assertRegex(findings[0], "^turn 1: #4 was closed in turn 0 and is still given to select")
        self.assertRegex(findings[1], r"^turn 1: select refused its question: ValueError")

    def test_what_ended_the_program(self):
        self.assert_found("^turn 0: UnicodeDecodeError ended the program: .*Decode whole messages", """
            far.sendall("é".encode()[:1])
            select.select([near], [], [])
            near.recv(100).decode()
            """, status=1)
        self.assert_found("^turn 0: BlockingIOError ended the program: EAGAIN is an answer", """
            select.select([], [near], [])
            near.recv(100)
            """, status=1)

    def test_a_loop_that_does_all_this_well_is_not_accused(self):
        """Half-close, a rest that is sent later, a refusal and time-outs of zero are no faults."""
        self.assertEqual([], self.findings("""
            rest, got = bytes(range(256)) * 4000, 0
            far.shutdown(socket.SHUT_WR)
            far.setblocking(False)
            reading = [near]
            while got < 256 * 4000:
                select.select([], [], [], 0)
                readable, writable, _ = select.select(reading + [far], [near] if rest else [], [])
                if near in readable and not near.recv(100):
                    reading.remove(near)
                if writable:
                    rest = rest[near.send(rest[:100000]):]
                if far in readable:
                    got += len(far.recv(1000000))
            near.close()
            """))


@unittest.skipUnless(POSIX, "signals")
class OurServersTest(XrayCase):

    def test_none_of_our_servers_is_accused(self):
        for name, question in (("echo_server", b"hello\n"), ("web_hello_server", b"GET / HTTP/1.0\r\n\r\n")):
            with self.subTest(server=name):
                command = self.xray("--summary", "--trace", self.path("trace"), "--hostile", "3", "--cd", str(ROOT))
                with subprocess.Popen([*command, "-m", f"demos.{name}", "--port", "0"], cwd=ROOT,
                                      stdout=subprocess.PIPE) as process:
                    try:
                        port = int(process.stdout.readline().rpartition(b":")[2])
                        self.assertTrue(talked(port, question))
                        process.send_signal(signal.SIGINT)
                        self.assertEqual(0, process.wait(PATIENCE))
                    finally:
                        process.kill()
                with open(self.path("trace")) as file:
                    self.assertIn("nothing to find fault with was seen", file.read())


# What the x-ray says of each exercise, and does not say of its solution.
SAID = {
    "always_writable": "#2 was watched for writing with nothing to write",
    "end_of_file_ignored": "#2 said end of file, recv answered b'', and was watched on",
    "short_send_ignored": "send of #2 took a part and left [0-9,]+ bytes, which were never offered again",
    "eagain_as_error": "#2 was closed right after send said EAGAIN",
    "sendall_nonblocking": "sendall of #2 met EAGAIN",
    "decode_each_recv": "UnicodeDecodeError ended the program: .* a character was cut in two",
    "closed_but_listed": "#2 was closed in turn [0-9]+ and is still given to select",
    "closed_twice":
        "KeyError ended the program: #[0-9]+ was ready for reading and for writing .* and closed in between",
    "close_with_unread_input": "#3 was answered, and closed while it still had input to be read",
    "blocking_lookup": r"1\.[0-9] s passed between select's answer and the next question: everybody waited",
    "unbounded_queue": "bytes were read from #2 while it took nothing",
}
# What bytes mean is not seen; that there were both kinds of line end is.
LINE_ENDS = "lines received: 1 ended with LF (nc), 1 with CRLF"


class SeenStudent(Student):
    """An exercise's server under the x-ray.  One that does not start is no finding: AssertionError, with its words."""

    patience = 60.0  # six start at a time, beside whatever else this machine does

    def __init__(self, path, summary):
        self.summary = summary
        try:
            super().__init__(path)
        except NotYet as exc:
            raise AssertionError(f"{path}: {exc}; it printed {self.said}") from None

    def command(self, path):
        return [sys.executable, "-u", "-m", "demos.xray", "--summary", "--trace", self.summary, str(path), "0"]

    def left_alone(self):
        time.sleep(0.2)

    def end(self):
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.patience)
        super().end()


@unittest.skipUnless(POSIX, "signals")
class ExercisesTest(XrayCase):

    def summary(self, path):
        """What the x-ray says of a server that is played with as its exercise does."""
        name = self.path("_".join(path.parts[-2:]))
        with contextlib.suppress(NotYet), SeenStudent(path, name) as server:
            for _ in CHECKS[path.stem](server):
                pass
        with open(name) as file:
            return file.read()

    def test_a_server_that_does_not_start_is_told_with_its_words(self):
        """Not as a file that is not there."""
        with self.assertRaisesRegex(AssertionError, "the server has ended; .*no server here"):
            self.summary(Path(self.write("always_writable.py", "raise SystemExit('no server here')")))

    def test_each_fault_is_named_and_none_of_its_solution(self):
        self.assertEqual({*CHECKS}, {*SAID, "lf_only"})
        paths = [folder / f"{name}.py" for name in CHECKS for folder in (BROKEN, SOLUTIONS)]
        with ThreadPoolExecutor(6) as pool:
            summaries = dict(zip(paths, pool.map(self.summary, paths)))
        for path, summary in summaries.items():
            with self.subTest(path=path, summary=summary):
                if path.stem == "lf_only":
                    self.assertIn(LINE_ENDS if path.parent == BROKEN else "lines received: 1 ended with LF", summary)
                if path.parent == SOLUTIONS or path.stem == "lf_only":
                    self.assertIn("nothing to find fault with was seen", summary)
                else:
                    self.assertRegex(summary, rf"  \d\. turn \d+: .*{SAID[path.stem]}")


class RubricTest(Case):
    """The summary, from events that are made up."""

    def setUp(self):
        super().setUp()
        self.rubric, self.turn = Rubric(), -1

    def play(self, reading=(), writing=(), readable=(), writable=(), slept=1.0, then=()):
        self.turn += 1
        self.rubric.asked([], None)
        self.rubric.slept(slept, self.turn)
        self.tell("turn", reading=[(name, "connected") for name in reading], timeout=None, why="",
                  writing=[(name, "the program asks") for name in writing])
        self.tell("ready", readable=list(readable), writable=list(writable), slept=slept)
        for kind, facts in then:
            self.tell(kind, **facts)

    def tell(self, kind, **facts):
        self.rubric(Event(float(self.turn), self.turn, kind, facts))

    def found(self):
        self.rubric.close()
        return sorted({what for what, _ in self.rubric.findings})

    def sent(self, data, taken):
        left = len(data) - taken
        return "partly sent" if left else "sent", dict(who="#1", offered=len(data), taken=taken, left=left, data=data)

    def test_a_rest_offered_in_slices_is_no_fault(self):
        data = bytes(range(256)) * 100
        self.play(then=[self.sent(data, 1000), self.sent(data[1000:3000], 2000), self.sent(data[3000:], 22600)])
        self.play(then=[("closed", dict(who="#1", why="by us"))])
        self.assertEqual([], self.found())

    def test_a_rest_left_behind_by_another_send_is(self):
        self.play(then=[self.sent(b"hello", 2), self.sent(b"world", 5)])
        self.assertEqual(["short send ignored"], self.found())

    def test_a_rest_that_still_waits_at_the_end_is_no_fault(self):
        self.play(writing=["#1"], then=[self.sent(b"hello", 2)])
        self.play(writing=["#1"])
        self.assertEqual([], self.found())

    def test_a_rest_lost_by_a_reset_is_no_fault(self):
        self.play(then=[self.sent(b"hello", 2), ("error", dict(who="#1", call="send", errno=104, why="reset")),
                        ("closed", dict(who="#1", why="by us"))])
        self.assertEqual([], self.found())

    def test_a_busy_loop_whose_answers_are_alike_does_not_spin(self):
        for _ in range(MANY * 3):
            self.play(["#1"], readable=["#1"], slept=0, then=[("received", dict(who="#1", size=9, data=b"x"))])
        self.assertEqual([], self.found())

    def test_a_client_that_nobody_accepts_spins(self):
        for _ in range(MANY * 3):
            self.play(["#1"], readable=["#1"], slept=0)
        self.assertEqual(["spinning"], self.found())

    def test_only_long_polling_is_polling(self):
        for _ in range(POLLS - 1):
            self.play(slept=0)
        self.play()
        self.assertEqual([], self.found())
        for _ in range(POLLS):
            self.play(slept=0)
        self.assertEqual(["polling"], self.found())

    def test_to_send_nothing_is_to_do_nothing(self):
        for _ in range(2):
            self.play([], ["#1"], writable=["#1"], then=[self.sent(b"", 0)])
        self.assertEqual(["nothing to write"], self.found())

    def test_who_is_read_although_it_takes_nothing_has_an_unbounded_queue(self):
        flood = [("received", dict(who="#1", size=FLOOD // 4, data=b"x"))]
        for _ in range(6):
            self.play(["#1"], ["#1"], readable=["#1"], then=[*flood, self.sent(b"x", 1)])
        for _ in range(6):
            self.play(["#1"], readable=["#1"], then=flood)
        self.assertEqual([], self.found())
        for _ in range(6):
            self.play(["#1"], ["#1"], readable=["#1"], then=flood)
        self.assertEqual(["unbounded queue"], self.found())

    def test_a_program_ended_by_what_it_removed_between_two_lists(self):
        self.play(["#1"], ["#1"], ["#1"], ["#1"], then=[("closed", dict(who="#1", why="by us"))])
        self.rubric.ended_with(KeyError("#1"))
        self.assertIn("#1 was ready for reading and for writing", str(self.rubric.findings))

    def test_the_words_of_the_rubric(self):
        self.play(slept=9.8)
        for _ in range(3):
            self.play(["#1"], ["#1"], writable=["#1"], slept=0)
        summary = self.rubric.summary("sws.py")
        self.assertIn("select called 4 times, longest sleep 9.8 s (turn 0), time-outs: none", summary)
        self.assertIn("never watched for writing with nothing to write: no (turn 1)", summary)
        self.assertIn("watching ended at end of file: yes", summary)


class SieveTest(Case):

    def test_turns_alike_are_thinned_out_and_what_differs_is_always_there(self):
        passed = []
        sieve = Sieve(passed.append, READABLE)

        def turn(number, size):
            sieve(Event(0.0, number, "turn", dict(reading=[], writing=[])))
            sieve(Event(0.0, number, "received", dict(who="#1", size=size)))
        for number in range(1005):
            turn(number, 1)
        turn(1005, 2)
        turn(1006, 1)
        sieve.close()
        turns = [event.turn for event in passed if event.kind == "received"]
        self.assertEqual([*range(READABLE + 1), 100, 1000, 1005, 1006], turns)
        self.assertEqual(sorted(event.turn for event in passed), [event.turn for event in passed])


if __name__ == "__main__":
    unittest.main()
