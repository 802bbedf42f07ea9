"""The exercises: each check fails on its broken file, and passes on its solution."""
import ast
import difflib
import os
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from demos.lessons.broken import __main__ as program
from demos.lessons.broken.checks import CHECKS, run

ROOT = Path(__file__).resolve().parents[3]
BROKEN = ROOT / "demos" / "lessons" / "broken"
SOLUTIONS = Path(__file__).resolve().parent / "solutions"

# What each check must say of the broken file: that it fails is not enough, it must fail for its reason.
REASONS = {
    "always_writable": "never lets it sleep",
    "end_of_file_ignored": "never lets it sleep",
    "short_send_ignored": "gets [0-9,]+ of 380,000 bytes, and then: end of file",
    "eagain_as_error": "gets [0-9,]+ of 380,000 bytes",
    "sendall_nonblocking": "of 380,000 bytes|finds no server|could not send",
    "decode_each_recv": "the answer should be 'CAFÉ!'",
    "lf_only": "is 'unknown",
    "closed_but_listed": "finds no server|hung up|reset|could not send",
    "closed_twice": "finds no server|hung up|reset|could not send",
    "close_with_unread_input": "of 225,010 bytes",
    "blocking_lookup": "the whole server stands still",
    "unbounded_queue": "keeps them all in its memory",
}


class TestExercises(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # All at once: most of the time of a check is waiting.
        with ThreadPoolExecutor(6) as pool:
            started = {(folder, name): pool.submit(run, CHECKS[name], folder / f"{name}.py", len)
                       for folder in (BROKEN, SOLUTIONS) for name in CHECKS}
            cls.results = {key: future.result() for key, future in started.items()}

    def test_each_broken_server_fails_its_check_for_its_own_reason(self):
        for name in CHECKS:
            problem, said = self.results[BROKEN, name]
            with self.subTest(exercise=name, said=said[-5:]):
                self.assertRegex(problem or "passed", REASONS[name])

    def test_each_solution_passes(self):
        for name in CHECKS:
            with self.subTest(exercise=name):
                self.assertEqual((None, []), self.results[SOLUTIONS, name])


class TestFiles(unittest.TestCase):
    def test_there_is_a_file_and_a_solution_for_each_exercise_and_nothing_else(self):
        tools = {"__init__", "__main__", "checks", "launcher", "student"}
        self.assertEqual(set(CHECKS), {path.stem for path in BROKEN.glob("*.py")} - tools)
        self.assertEqual(set(CHECKS), {path.stem for path in SOLUTIONS.glob("*.py")})
        self.assertEqual(set(CHECKS), set(REASONS))

    def test_exercises_are_short_and_solutions_differ_little(self):
        for name in CHECKS:
            broken, mended = ((folder / f"{name}.py").read_text(encoding="utf-8").splitlines()
                              for folder in (BROKEN, SOLUTIONS))
            code = [line for line in broken[len(ast.get_docstring(ast.parse("\n".join(broken))).splitlines()) + 1:]
                    if line.strip()]
            changed = [line for line in difflib.unified_diff(broken, mended, n=0, lineterm="")
                       if line[0] in "+-" and line[:3] not in ("+++", "---")]
            with self.subTest(exercise=name):
                self.assertLess(len(code), 60)
                self.assertLess(len(changed), 40)
                self.assertEqual(broken[:4], mended[:4])

    def test_each_docstring_has_the_symptom_and_the_command_that_shows_it(self):
        for name in CHECKS:
            text = ast.get_docstring(ast.parse((BROKEN / f"{name}.py").read_text(encoding="utf-8")))
            with self.subTest(exercise=name):
                self.assertTrue(program.symptom(BROKEN / f"{name}.py"))
                self.assertIn(f"python3 -m demos.lessons.broken {name}\n", text + "\n")


class TestProgram(unittest.TestCase):
    def broken(self, *arguments):
        return subprocess.run([sys.executable, "-m", "demos.lessons.broken", *arguments], cwd=ROOT, timeout=20,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                              env={**os.environ, "PYTHONIOENCODING": "utf-8"})

    def test_without_a_name_it_lists_all_within_80_columns(self):
        result = self.broken()
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        for name in CHECKS:
            self.assertIn(f"\n  {name}\n", result.stdout)
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 80)

    def test_a_broken_file_is_status_1_with_what_was_seen_and_the_servers_last_words(self):
        result = self.broken("closed_twice")
        self.assertEqual((1, ""), (result.returncode, result.stderr))
        self.assertIn("not yet: ", result.stdout)
        self.assertIn("| KeyError", result.stdout)

    def test_a_mended_file_is_status_0(self):
        result = self.broken("closed_twice", "--file", str(SOLUTIONS / "closed_twice.py"))
        self.assertEqual((0, "passed"), (result.returncode, result.stdout.splitlines()[-1]), result.stdout)

    def test_a_server_that_cannot_start_is_not_passed(self):
        result = self.broken("lf_only", "--file", str(ROOT / "demos" / "__init__.py"))
        self.assertEqual(1, result.returncode)
        self.assertIn("not yet: the server has ended", result.stdout)

    def test_a_name_or_a_file_that_does_not_exist_is_one_line_and_status_2(self):
        for arguments in (["no_such"], ["lf_only", "--file", "no_such.py"]):
            result = self.broken(*arguments)
            self.assertEqual((2, ""), (result.returncode, result.stdout))
            self.assertRegex(result.stderr, r"^broken: there is no .*\n$")


if __name__ == "__main__":
    unittest.main()
