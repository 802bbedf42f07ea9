"""python3 -m demos.lessons as its users run it: what it prints, in which width and colour, and how it ends."""
import os
import re
import signal
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

from demos.lessons.chart import drawn
from demos.lessons.experiments import EXPERIMENTS, STEPS
from demos.lessons.five import FIVE, VERDICTS, Row
from tests.demos.running import PATIENCE, POSIX, ROOT, program

ESCAPE = "\x1b["


def lessons(*arguments, **environment):
    """Run it to its end, through a pipe."""
    return subprocess.run(program("lessons", *arguments), cwd=ROOT, timeout=PATIENCE, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                          env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment})


def all_at_once(*command_lines):
    """Run it with each of them."""
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(lambda arguments: lessons(*arguments), command_lines))


def on_a_terminal(*arguments, **environment):
    """What it writes to a terminal."""
    import pty
    ours, theirs = pty.openpty()
    process = subprocess.Popen(program("lessons", *arguments), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=theirs,
                               env={**os.environ, **environment})
    os.close(theirs)
    written = b""
    try:
        while data := os.read(ours, 65536):
            written += data
    except OSError:
        pass  # Linux says so, instead of end of file
    os.close(ours)
    process.wait(PATIENCE)
    return written.decode()


class TestOutput(unittest.TestCase):

    def test_without_arguments_every_step_is_listed_in_80_columns(self):
        done = lessons()
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertEqual(list(STEPS), re.findall(r"^(\d\w*) ", done.stdout, re.MULTILINE))
        self.assertEqual([], [line for line in done.stdout.splitlines() if len(line) > 80])

    def test_an_experiment_shows_both_sides_in_80_columns_without_colour(self):
        done = lessons("5")
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIn("UnicodeDecodeError", done.stdout)
        self.assertIn("lives", done.stdout)
        self.assertIn(EXPERIMENTS["5"].moral, " ".join(done.stdout.split()))
        self.assertEqual([], [line for line in done.stdout.splitlines() if len(line) > 80])
        self.assertNotIn(ESCAPE, done.stdout)

    def test_a_diff_shows_what_changed_in_80_columns(self):
        steps = STEPS[1:3]
        for step, before, done in zip(steps, STEPS, all_at_once(*([step, "--diff"] for step in steps))):
            with self.subTest(step=step):
                self.assertEqual([f"--- step_{before}.py", f"+++ step_{step}.py"], done.stdout.splitlines()[:2])
                self.assertEqual([], [line for line in done.stdout.splitlines() if len(line) > 80])
                self.assertNotIn(ESCAPE, done.stdout)

    def test_a_step_may_be_called_by_any_of_its_names(self):
        names = "4_mended", "4-mended", "step_4_mended"
        for name, done in zip(names, all_at_once(*([name, "--diff"] for name in names))):
            with self.subTest(name=name):
                self.assertIn("+++ step_4_mended.py", done.stdout)

    @unittest.skipUnless(POSIX, "there is no pty here")
    def test_a_terminal_gets_colours_unless_it_wants_none(self):
        self.assertIn(ESCAPE, on_a_terminal("1", "--diff", NO_COLOR=""))
        self.assertNotIn(ESCAPE, on_a_terminal("1", "--diff", NO_COLOR="1"))

    def test_mistakes_are_one_line_and_status_2(self):
        mistakes = ["9"], ["five", "--diff"], ["--diff"], ["1", "--svg", "x.svg"], ["--nonsense"]
        for arguments, done in zip(mistakes, all_at_once(*mistakes)):
            with self.subTest(arguments=arguments):
                self.assertEqual((2, 1, ""), (done.returncode, len(done.stderr.splitlines()), done.stdout))

    @unittest.skipUnless(POSIX, "there are no process groups here")
    def test_ctrl_c_ends_it_and_every_process_that_it_started(self):
        # Without -W error: Ctrl-C may fall between the opening of a file and its name, which is then closed for us.
        process = subprocess.Popen([sys.executable, "-m", "demos.lessons", "2"], cwd=ROOT, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        process.stdout.readline()  # the headline: servers start now
        process.stdout.readline()
        process.send_signal(signal.SIGINT)  # to it alone, so that its servers depend on it
        _, errors = process.communicate(timeout=PATIENCE)
        self.assertEqual((130, b""), (process.returncode, errors))
        deadline = time.monotonic() + PATIENCE
        with self.assertRaises(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(process.pid, 0)


class TestChart(unittest.TestCase):

    def setUp(self):
        verdicts = list(VERDICTS)[:len(FIVE)]
        self.svg = drawn([Row(step, dict(zip(FIVE, verdicts)), 0.5, None) for step in STEPS])

    def test_it_is_one_file_that_needs_no_other(self):
        self.assertEqual(["http://www.w3.org/2000/svg"], re.findall(r"https?://[^\"']+", self.svg))
        self.assertFalse(re.search(r"<script|href=|@import|url\(", self.svg))

    def test_it_names_every_step_every_client_and_every_verdict(self):
        words = [node.text for node in ET.fromstring(self.svg).iter("{http://www.w3.org/2000/svg}text")]
        for name in (*FIVE, *VERDICTS, *(f"step {step.replace('_', ' ')}" for step in STEPS)):
            with self.subTest(name=name):
                self.assertIn(name, words)
        self.assertEqual(len(STEPS), words.count("not known"))
        self.assertEqual(len(STEPS) + 1, words.count("fine"))

    def test_nothing_is_outside_of_it(self):
        root = ET.fromstring(self.svg)
        width, height = map(int, root.get("viewBox").split()[2:])
        for node in root:
            if node.get("x") is not None:
                self.assertLess(float(node.get("x")) + float(node.get("width") or 0), width + 1)
                self.assertLess(float(node.get("y")) + float(node.get("height") or 0), height + 1)


if __name__ == "__main__":
    unittest.main()
