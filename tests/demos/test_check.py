"""The checker: each fault is named, nobody else is accused, and nothing that the checked program does gets away."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from demos.checker import http_checks  # noqa: F401, imported for what it enters into CHECKS
from demos.checker.checks import CHECKS, EVERY, Check
from demos.checker.dialects import Lines, Page, Stream
from demos.checker.faults import FAULTS, sign_of
from demos.checker.http import Http, Site
from demos.checker.program import Program, free_port
from demos.checker.report import reproduce, started
from demos.checker.runner import FINDING, NOT_CHECKED, PASSED, first, play
from demos.checker.stage import Finding, NotChecked, Stage, Target

from .running import POSIX, ROOT, Running

HERE = Path(__file__).resolve().parent
BROKEN = ROOT / "demos" / "lessons" / "broken"
SOLUTIONS = HERE / "lessons" / "solutions"
PYTHON = sys.executable
PARALLEL = 6
# Each play starts processes and waits for them, up to a minute in all.  CHECK_ALL=1 plays everything;
# otherwise some of each kind stand for the others.  CHECK_TIMES=100 plays each so often, and CHECK_LOAD=1 has a process
# that spins beside it on every processor: what a check says must not depend on either.
ALL = bool(os.environ.get("CHECK_ALL"))
TIMES = int(os.environ.get("CHECK_TIMES", "1"))
LOAD = bool(os.environ.get("CHECK_LOAD"))
SOME = ("end_of_file_ignored", "closed_twice", "decode_each_recv", "wrong_answer", "interrupt_unhandled",
        "address_in_use", "path_traversal", "missing_file", "bad_request")
# A server that ignores the end of file lets each client wait for five seconds: by hand another one that spins will do.
TYPED = ("always_writable", *SOME[1:])
AGAIN = 2  # how often what a busy machine may have spoiled is typed anew
PATIENCE = 30.0  # seconds for a typed command
A_WHILE = 2.0  # seconds in which who looks up one after the other answers one or two more, and who does not all four

# The exercises: profile, what is asked, and the check that finds it.
EXERCISES = {
    "always_writable": ("uppercase", "", "idle-cpu"), "end_of_file_ignored": ("uppercase", "", "connect-and-leave"),
    "short_send_ignored": ("page", "", "answers"), "eagain_as_error": ("page", "", "answers"),
    "sendall_nonblocking": ("page", "", "answers"), "decode_each_recv": ("uppercase", "", "character-in-two"),
    "lf_only": ("lines", "john", "other-newline"), "closed_but_listed": ("uppercase", "", "connect-and-leave"),
    "closed_twice": ("echo", "", "ask-and-leave"), "close_with_unread_input": ("page", "", "upload"),
    "blocking_lookup": ("lines", "find john", "together"), "unbounded_queue": ("echo", "", "unread-answers"),
}
# faulty_server.py and faulty_http_server.py: the check that finds each of their faults.
CAPITALS = {"one_client_at_a_time": "silent", "blocking_send": "others-while-slow", "busy_loop": "idle-cpu",
            "one_recv_is_one_request": "split", "half_close_is_the_end": "half-close",
            "reset_unhandled": "reset-in-request", "address_in_use": "restart", "interrupt_unhandled": "ctrl-c",
            "wrong_answer": "answers", "short_send_ignored": "slow-reader"}
HTTP = {"text_mode": "binary", "path_traversal": "outside", "missing_file": "missing", "bad_request": "bad-request",
        "kept_open": "closes", "not_kept_alive": "keep-alive", "crlf_only": "other-newline", "lf_only": "other-newline"}


DEMO = f"{PYTHON} -m demos.%s --host {{host}} --port {{port}}"
STEP = f"{PYTHON} -m demos.lessons.step_%d --port {{port}}"
ASYNCIO = f"{PYTHON} {HERE / 'asyncio_server.py'} %s {{host}} {{port}}"
STDLIB = f"{PYTHON} -m http.server --bind {{host}} {{port}}"
# Servers without fault.
CLEAN = {
    "echo": ["echo", DEMO % "echo_server"], "uppercase": ["uppercase", DEMO % "uppercase_server"],
    "lines": ["lines", DEMO % "uppercase_server --lines"], "http": ["http", DEMO % "http_server --quiet"],
    "address book": ["lines", DEMO % "address_book_server", "--say", "John"],
    "hello": ["page", DEMO % "hello_server"],
    "the seventh step": ["lines", STEP % 7], "the eighth": ["lines", STEP % 8],
    "asyncio echo": ["echo", ASYNCIO % "echo"], "asyncio uppercase": ["uppercase", ASYNCIO % "uppercase"],
    "asyncio lines": ["lines", ASYNCIO % "lines"], "asyncio page": ["page", ASYNCIO % "page"],
    "asyncio http": ["http", ASYNCIO % "http"], "an asyncio protocol": ["echo", ASYNCIO % "protocol"],
    "select echo": ["uppercase", f"{PYTHON} {HERE / 'faulty_server.py'} none {{host}} {{port}}"],
    "threads": ["http", f"{PYTHON} {HERE / 'faulty_http_server.py'} none {{host}} {{port}}"],
    "http.server": ["http", STDLIB],
}
if sys.version_info >= (3, 11):
    CLEAN["http.server, HTTP/1.1"] = ["http", STDLIB + " --protocol HTTP/1.1"]
# What http.server documents, and the checks that can say nothing of it.
DOCUMENTED = {"http.server": {"pipelined-gets": "it keeps no connection open"}}


def setUpModule():
    if LOAD:
        for _ in range(os.cpu_count()):
            process = subprocess.Popen([PYTHON, "-c", "while True: pass"])
            unittest.addModuleCleanup(process.wait)
            unittest.addModuleCleanup(process.kill)


def command(path, *arguments):
    return " ".join([PYTHON, str(path), *arguments])


def dialect(profile, say):
    return Lines(say) if profile == "lines" else Page(say) if profile == "page" else Stream(profile)


@unittest.skipUnless(POSIX, "process groups, and what ps tells, are checked here as POSIX has them")
class Faults(unittest.TestCase):
    """Every fault by its name."""

    def play(self, row):
        name, command, dialect, check, folder = row
        target = Target(command, folder=folder)
        if check == "answers":
            return name, first(target, dialect)
        if dialect.name in ("lines", "page") or name == "crlf_only" or name == "lf_only":
            first(target, dialect)  # which learns what is right, and how lines end
        return name, play(CHECKS[check], target, dialect)

    def assert_named(self, rows):
        rows = TIMES * [row for row in rows if ALL or row[0] in SOME]
        self.assertGreater(len(rows), 2)
        with ThreadPoolExecutor(PARALLEL) as pool:
            for name, result in pool.map(self.play, rows):
                with self.subTest(fault=name, check=result.check.name, saw=result.saw, output=result.output):
                    self.assertEqual(result.outcome, FINDING)
                    self.assertEqual(result.fault.name, name)

    def test_each_exercise_is_found_by_its_name(self):
        self.assertEqual(sorted(EXERCISES), sorted(path.stem for path in BROKEN.glob("*.py") if path.stem in FAULTS))
        rows = [(name, command(BROKEN / f"{name}.py", "{port}"), dialect(profile, say), check, "")
                for name, (profile, say, check) in EXERCISES.items()]
        self.assert_named(rows)

    def test_each_other_fault_of_a_server_is_named(self):
        self.assert_named([(name, command(HERE / "faulty_server.py", name, "{host} {port}"),
                            dialect("lines" if name == "one_recv_is_one_request" else "uppercase", ""), check, "")
                           for name, check in CAPITALS.items()])

    def test_each_fault_of_http_is_named(self):
        with Site() as site:
            self.assert_named([(name, command(HERE / "faulty_http_server.py", name, "{host} {port}"), Http(site), check,
                                site.folder) for name, check in HTTP.items()])

    def test_every_fault_in_the_table_is_found_by_some_test_or_is_what_dying_is_called(self):
        self.assertEqual(set(FAULTS), {*EXERCISES, *CAPITALS, *HTTP, "died"})

    def test_last_words_name_the_fault(self):
        words = 'File "x.py", line 3, in f\n    sock.sendall(data)\nBlockingIOError: [Errno 11] not now'
        self.assertEqual(sign_of(words), "sendall_nonblocking")
        self.assertEqual(sign_of(words.replace("sendall", "send")), "eagain_as_error")
        self.assertEqual(sign_of("ValueError: file descriptor cannot be a negative integer (-1)"), "closed_but_listed")
        self.assertIsNone(sign_of("127.0.0.1 connected"))


@unittest.skipUnless(POSIX, "process groups, and what ps tells, are checked here as POSIX has them")
class Nobody(unittest.TestCase):
    """A false accusation is worse than a missed fault: these are clean."""

    def test_a_traceback_that_a_program_survives_is_its_own_affair(self):
        """asyncio logs one of Ctrl-C on some Pythons, and the program that caught it ends in order."""
        for end, outcome in (("", "passed"), ("; raise SystemExit(1)", FINDING)):
            source = ("import socket, sys, traceback; server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
                      "try:\n while True: server.accept()\n"
                      f"except KeyboardInterrupt: traceback.print_exc(){end}\n")
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "server.py")
                with open(path, "w") as file:
                    file.write(source)
                result = play(CHECKS["ctrl-c"], Target(command(path, "{port}")), dialect("echo", ""))
            with self.subTest(end=end, saw=result.saw):
                self.assertEqual(result.outcome, outcome)

    def test_servers_without_fault_are_not_accused(self):
        self.assert_clean({name: CLEAN[name] for name in CLEAN if ALL or name in ("lines", "asyncio http")})

    @unittest.skipUnless(shutil.which("nginx"), "there is no nginx")
    def test_nginx_is_not_accused(self):
        with tempfile.TemporaryDirectory() as folder:
            script = os.path.join(folder, "nginx.sh")
            with open(script, "w") as file:
                file.write(NGINX)
            self.assert_clean({"nginx": ["http", f"sh {script} {{host}} {{port}} {{folder}}"]})

    def assert_clean(self, servers):
        with ThreadPoolExecutor(2) as pool:
            rows = [(name, row) for _ in range(TIMES) for name, row in servers.items()]
            runs = pool.map(lambda row: checked(row[1][0], "--json", "--command", *row[1][1:]), rows)
            for (name, _), run in zip(rows, runs):
                report = json.loads(run.stdout)
                found = {check["name"]: (check["saw"], check.get("output")) for check in report["checks"]
                         if check["outcome"] != "passed"}
                unknown = {check: (reason, None) for check, reason in DOCUMENTED.get(name, {}).items()}
                with self.subTest(server=name):
                    self.assertEqual((found, run.returncode, report["score"], run.stderr), (unknown, 0, 100, ""))


class Clock:
    """For `time`: sleeping takes no time, and all the time that passes."""

    now = 0.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Verdicts(unittest.TestCase):
    """What a busy machine does decides nothing."""

    def test_what_was_seen_once_is_no_finding_and_what_could_not_be_checked_is_tried_again(self):
        well, busy, fault = None, NotChecked("busy"), Finding("died", "it died")
        for plays, outcome in (((well,), PASSED), ((busy, well), PASSED), ((fault, well), PASSED),
                               ((busy, busy), NOT_CHECKED), ((fault, busy), NOT_CHECKED), ((fault, fault), FINDING),
                               ((busy, fault, well), PASSED), ((busy, fault, busy), NOT_CHECKED),
                               ((busy, fault, fault), FINDING)):
            with self.subTest(plays=plays):
                acts = unittest.mock.Mock(side_effect=plays)
                result = play(Check("of no name", "", 1, (), "", acts), Target(port=1), dialect("echo", ""))
                self.assertEqual((result.outcome, acts.call_count), (outcome, len(plays)))

    @unittest.skipUnless(POSIX, "process groups")
    def test_pieces_that_came_late_accuse_nobody_and_a_right_answer_to_them_is_right(self):
        with unittest.mock.patch("demos.checker.checks.TOO_LONG", -1.0):
            for fault, outcome in (("none", PASSED), ("one_recv_is_one_request", NOT_CHECKED)):
                target, lines = Target(command(HERE / "faulty_server.py", fault, "{host} {port}")), dialect("lines", "")
                with self.subTest(fault=fault):
                    first(target, lines)
                    self.assertEqual(play(CHECKS["split"], target, lines).outcome, outcome)

    def spins(self, awake, used, patience=2.0):
        """What is said of a program that uses so many seconds between two looks, awake at those that `awake` says."""
        looks = ((number * used, awake(number)) for number in range(10_000))
        with unittest.mock.patch("demos.checker.stage.time", Clock()):
            with Stage(Target(port=1), dialect("echo", ""), patience) as stage:
                stage.program = unittest.mock.Mock(**{"cpu.side_effect": looks})
                return stage.spins()

    def test_who_spins_is_always_awake_and_has_used_time_however_little_the_machine_gives(self):
        for used in (0.03, 0.005):
            self.assertRegex(self.spins(lambda number: True, used), r"0\.9[0-9] s of CPU time .* hardly ever asleep")
        self.assertRegex(self.spins(lambda number: number % 5 > 0, 0.015), "CPU time", "its reader lets it wait")
        self.assertIsNone(self.spins(lambda number: number < 4, 0.03), "busy for a while")
        self.assertIsNone(self.spins(lambda number: number % 2, 0.03), "it asks again and again, and sleeps in between")
        with self.assertRaisesRegex(NotChecked, "too busy"):
            self.spins(lambda number: True, 0.0001, 0.3)

    def test_on_a_starved_machine_who_only_waits_for_a_processor_does_not_spin(self):
        """One that polls is awake at most looks there, and sleeps for longer than it works all the same."""
        with self.assertRaisesRegex(NotChecked, "too busy"):
            self.spins(lambda number: number % 5 > 0, 0.003, 6.0)
        # A third of a second of work at its start, which takes two.
        self.assertIsNone(self.spins(lambda number: number < 66, 0.005))

    def test_two_checkers_take_no_port_at_once(self):
        with Stage(Target(), dialect("echo", ""), 2.0) as one:
            with unittest.mock.patch("random.randrange", side_effect=[one.port, one.port, 15000, 15007, 15014]):
                with socket.socket(type=socket.SOCK_DGRAM) as claim:
                    self.assertNotEqual(one.port, free_port(claim))


NGINX = """\
d=$(mktemp -d -p "$(dirname "$0")")
chmod -R 755 "$(dirname "$0")"
{ echo "daemon off; worker_processes 1; pid $d/pid; error_log $d/error; events {}"
  echo "http { access_log off; client_body_temp_path $d/b; proxy_temp_path $d/p; fastcgi_temp_path $d/f;"
  echo "uwsgi_temp_path $d/u; scgi_temp_path $d/s; server { listen $1:$2; root $3; } }"; } > "$d/conf"
exec nginx -c "$d/conf" -e "$d/error" -p "$d"
"""


def checked(*arguments, **kwargs):
    """The checker as its users run it."""
    return subprocess.run([PYTHON, "-m", "demos.check", *arguments], cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=300, **kwargs)


def alive(mark):
    """The processes whose command line has the mark."""
    out = subprocess.run(["ps", "-A", "-o", "args="], stdout=subprocess.PIPE, universal_newlines=True, timeout=10)
    return [args for args in out.stdout.splitlines() if mark in args]


@unittest.skipUnless(POSIX, "process groups, and what ps tells, are checked here as POSIX has them")
class CommandLine(unittest.TestCase):

    def test_a_finding_is_told_with_cause_lesson_and_a_command(self):
        talk = "python3 -m demos.talk 127.0.0.1 8888 --chop 2"
        run = checked("uppercase", "--only", "character-in-two", "--only", "answers", "--command",
                      command(BROKEN / "decode_each_recv.py", "{port}"))
        for words in ("ok    answers", "FAULT character-in-two", "decode_each_recv", "Seen:", "Usually:",
                      "python3 -m demos.lessons.broken decode_each_recv", talk, "UnicodeDecodeError",
                      "1 of 2 checks passed, 0 not checked. Score: 75 of 100"):
            self.assertIn(words, run.stdout)
        self.assertEqual((run.returncode, run.stderr), (1, ""))

    def test_a_program_that_dies_at_its_start_is_explained(self):
        run = checked("echo", "--json", "--command", command(HERE / "faulty_server.py", "dies {port}"))
        report = json.loads(run.stdout)
        self.assertEqual((report["version"], run.returncode, run.stderr), (1, 2, ""))
        self.assertIn("there is no module flask", report["error"])

    def test_a_program_in_its_own_folder_with_its_own_imports(self):
        with tempfile.TemporaryDirectory(suffix=" of theirs") as folder:
            for name, text in (("reactor.py", "WORDS = open('words').read()"), ("words", "Hello, world\n"),
                               ("server.py", "import socket, sys, reactor\n"
                                "server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
                                "while True: server.accept()[0].sendall(reactor.WORDS.encode())\n")):
                with open(os.path.join(folder, name), "w") as file:
                    file.write(text)
            run = checked("echo", "--only", "answers", "--command",
                          f"sh -c 'cd \"{folder}\" && exec {PYTHON} server.py {{port}}'")
        self.assertIn("1 of 1 checks passed", run.stdout)

    def test_a_mistake_of_the_user_is_one_line_and_status_2(self):
        mistakes = (["echo"], ["echo", "--command", "x"], ["echo", "--command", "no-such-program {port}"],
                    ["echo", "--command", "x {port} {unknown}"], ["http", "127.0.0.1", "8080"],
                    ["echo", "127.0.0.1", str(free_port())], ["echo", "127.0.0.1", "7", "--only", "nothing"],
                    ["page", "--command", "x {port}", "--expect", "/no/such/file"])
        with ThreadPoolExecutor(PARALLEL) as pool:
            runs = [(arguments, pool.submit(checked, *arguments), pool.submit(checked, *arguments, "--json"))
                    for arguments in mistakes]
        for arguments, in_words, as_data in runs:
            with self.subTest(arguments=arguments):
                run = in_words.result()
                self.assertEqual((run.returncode, run.stdout, run.stderr.count("\n")), (2, "", 1), run.stderr)
                run = as_data.result()
                self.assertEqual((run.returncode, run.stderr), (2, ""))
                self.assertIn("error", json.loads(run.stdout))

    def test_a_server_that_runs_already(self):
        with Running("echo_server", "--port", 0) as server:
            run = checked("echo", "127.0.0.1", str(server.port), "--only", "silent", "--only", "idle-cpu")
        self.assertIn("1 of 1 checks passed, 1 not checked. Score: 100 of 100", run.stdout)
        self.assertEqual(run.returncode, 0)

    def test_list_names_the_checks_of_the_profile(self):
        names = [line.split()[0] for line in checked("lines", "--list").stdout.splitlines()]
        self.assertEqual(names, [name for name, check in CHECKS.items() if "lines" in check.profiles])

    def test_ctrl_c_ends_the_programs_too(self):
        mark = f"never_listens {os.getpid()}-{id(self)}"
        with subprocess.Popen([PYTHON, "-m", "demos.check", "echo", "--command",
                               command(HERE / "faulty_server.py", mark, "{port}")], cwd=ROOT) as checker:
            for _ in range(500):
                # The checker's own command line has the mark and the braces; its program's has not.
                if any("{port}" not in args for args in alive(mark)):
                    break
                time.sleep(0.01)
            checker.send_signal(signal.SIGINT)
            self.assertEqual(checker.wait(10), 130)
        self.assertEqual(alive(mark), [])


@unittest.skipUnless(POSIX, "process groups, and what ps tells, are checked here as POSIX has them")
class Programs(unittest.TestCase):

    def run_program(self, *words):
        program = Program([PYTHON, *words], None, dict(os.environ))
        self.addCleanup(program.kill)
        return program

    def test_output_without_end_is_read_and_the_last_of_it_kept(self):
        program = self.run_program("-c", "for n in range(100000): print('line', n)\nprint('\\x1b[31mred')")
        self.assertEqual(program.wait(20), 0)
        words = program.last_words()
        self.assertEqual(words[-2:], ["line 99999", "\\x1b[31mred"])
        self.assertLess(len(program.all_words()), 40_000)

    def test_kill_ends_children_that_ignore_everything_else(self):
        program = self.run_program("-c", "import os, signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
                                   "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                                   "os.write(1, b'%d\\n' % os.fork())\ntime.sleep(60)")
        end = time.monotonic() + 10
        while len(program.last_words()) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        child = max(map(int, program.last_words()))  # the other line is the child's own, a 0
        program.interrupt()
        program.kill()
        with contextlib.suppress(ProcessLookupError):
            for _ in range(500):  # until it is reaped by whoever has inherited it
                os.kill(child, 0)
                with open(f"/proc/{child}/stat") if os.path.exists("/proc/self/stat") else open(os.devnull) as file:
                    if ") Z " in file.read():
                        break
                time.sleep(0.01)
            else:
                self.fail("the child lives")


class Reports(unittest.TestCase):

    def test_every_check_says_what_its_client_does_and_how_to_do_the_same(self):
        target = Target("python3 server.py {host} {port}")
        with Site() as site:
            spoken = {"http": Http(site), **{name: dialect(name, "") for name in EVERY if name != "http"}}
        for check in CHECKS.values():
            for profile in check.profiles:
                with self.subTest(check=check.name, profile=profile):
                    shown = reproduce(type("Result", (), {"check": check}), target, spoken[profile])
                    self.assertNotRegex(shown, r"\{(?!host|port)")
                    if POSIX:
                        self.assertEqual(0, subprocess.run(["sh", "-n", "-c", shown], timeout=10).returncode, shown)


@unittest.skipUnless(POSIX, "a shell, and ps")
class Reproduced(unittest.TestCase):
    """The two lines of a report, typed: a server with the fault shows it, one without does not."""

    def test_the_command_of_an_exercise_shows_its_fault(self):
        def command_of(folder):
            return lambda name: command(folder / f"{name}.py", "{port}")
        self.assert_shown([(name, profile, say, check) for name, (profile, say, check) in EXERCISES.items()],
                          command_of(BROKEN), command_of(SOLUTIONS))

    def test_the_command_of_each_other_fault_shows_it(self):
        self.assert_shown([(name, "lines" if name == "one_recv_is_one_request" else "uppercase", "", check)
                           for name, check in CAPITALS.items()],
                          lambda name: command(HERE / "faulty_server.py", name, "{host} {port}"),
                          lambda name: command(HERE / "faulty_server.py", "none {host} {port}"))

    def test_the_command_of_each_fault_of_http_shows_it(self):
        self.assert_shown([(name, "http", "", check) for name, check in HTTP.items()],
                          lambda name: command(HERE / "faulty_http_server.py", name, "{host} {port}"),
                          lambda name: command(HERE / "faulty_http_server.py", "none {host} {port}"))

    def assert_shown(self, rows, broken, mended):
        rows = [row for row in rows if ALL or row[0] in TYPED]

        def side(commands, row):
            return typed(commands(row[0]), *row[1:])
        with ThreadPoolExecutor(PARALLEL) as pool:
            sides = [[pool.submit(side, commands, row) for commands in (broken, mended)] for row in rows]
            for row, futures in zip(rows, sides):
                first_line, second_line = (future.result() for future in futures)
                for _ in range(AGAIN):
                    # Who spins may get too little of a busy processor for that to show, or a client start too late.
                    if first_line[1:] == second_line[1:]:
                        first_line, second_line = side(broken, row), side(mended, row)
                with self.subTest(fault=row[0], check=row[3], broken=first_line, mended=second_line):
                    self.assertNotEqual(first_line[1:], second_line[1:])


def typed(command_line, profile, say, check):
    """Start the server and type the command: the command, all that it printed, and whether the server lives."""
    target = Target(command_line)
    with contextlib.ExitStack() as stack:
        if profile == "http":
            spoken = Http(stack.enter_context(Site()))
            if check == "other-newline" and " lf_only" in command_line:
                spoken.newline, spoken.other = spoken.other, spoken.newline
        else:
            spoken = dialect(profile, say)
        spoken.told = ["--say", say] if say else []
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        port = free_port()
        lines = started(target, spoken), reproduce(type("Result", (), {"check": CHECKS[check]}), target, spoken)
        start, shown = (line.replace("8888", str(port)).replace("python3 -m demos", f"{PYTHON} -m demos")
                        for line in lines)
        environment = dict(os.environ, PYTHONPATH=str(ROOT))
        server = stack.enter_context(Program(["sh", "-c", start], folder, environment))
        wait_for(port)
        with Program(["sh", "-c", shown], folder, environment) as shell:
            said = answers_in_time(shell) if check == "together" else whole(shell)
        lives = server.status is None
    if "ps -A" in shown:
        mine = re.findall(rf"^ *(\S+) (?!.*(?:talk|grep|sh -c)).*{port}", said, re.MULTILINE)
        said = float(mine[0]) > 40000 if "rss" in shown else all(look[0] == "R" for look in mine) if mine else None
    return shown, said, lives


def whole(shell):
    """All that the command prints until it ends."""
    shell.wait(PATIENCE)
    return shell.all_words()


def answers_in_time(shell):
    """What the command prints until a while after its first answer, however late a busy machine lets that come."""
    end = time.monotonic() + PATIENCE
    while not shell.all_words() and shell.status is None and time.monotonic() < end:
        time.sleep(0.02)
    shell.wait(A_WHILE)
    return shell.all_words()


def wait_for(port):
    """Until somebody listens there.  To connect would itself be what some of them die of."""
    for _ in range(100):
        time.sleep(0.02)
        with contextlib.suppress(OSError), open("/proc/net/tcp") as file:
            if f":{port:04X} 00000000:0000 0A" in file.read():
                return


if __name__ == "__main__":
    unittest.main()
