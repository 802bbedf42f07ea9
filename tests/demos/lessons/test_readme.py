"""The pages that explain: what they link to exists, and what they tell one to run prints what they say."""
import ast
import importlib.util
import platform
import re
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

try:
    import resource
except ImportError:
    resource = None  # Windows, for which the pages were not written

from demos.lessons import kernel, problems
from demos.lessons.broken.checks import CHECKS
from demos.lessons.experiments import STEPS
from tests.demos.lessons.test_experiments import EXPECTED

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "reactor" / "README.md", ROOT / "demos" / "lessons" / "README.md"]
NAMED = {"demos.lessons.kernel": kernel.EXPERIMENTS, "demos.lessons.problems": problems.EXPERIMENTS,
         "demos.lessons.broken": CHECKS, "demos.lessons": [*STEPS, "five"]}
# Here the figures are the machine's own, and so are a line's breaks, which depend on them.
SAME_EVERYWHERE = sys.platform == "linux" and platform.python_implementation() == "CPython"


def text_of(page):
    return page.read_text(encoding="utf-8")


def commands(text):
    """Each `python3 -m MODULE ARGUMENTS` of a page, as (module, arguments)."""
    # `demos` alone is a command too; what follows `|`, `&` or two spaces is not the command's.
    for found in re.findall(r"python3 -m ([\w.]+)((?: (?![|&<>])[^ `\n)]+)*)", text):
        yield found[0], found[1].split()


@lru_cache(maxsize=None)
def names_in(path):
    """What a Python file defines: its functions, classes and constants, and Class.method."""
    found = set()

    def walk(body, prefix):
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    walk(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    found.update(prefix + name.id for name in ast.walk(target) if isinstance(name, ast.Name))
            elif isinstance(node, (ast.If, ast.Try)):
                walk(node.body, prefix)

    walk(ast.parse(text_of(path)).body, "")
    return found


@lru_cache(maxsize=None)
def help_of(module):
    return subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, timeout=30, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True).stdout


def anchors(text):
    """Those that its headings have, as GitHub makes them."""
    for heading in re.findall(r"(?m)^#+ (.*)$", text):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class TestLinks(unittest.TestCase):
    def links(self):
        for page in PAGES:
            for label, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", text_of(page)):
                yield page, label, target

    def test_every_linked_file_exists(self):
        for page, label, target in self.links():
            with self.subTest(page=page.parent.name, target=target):
                path, _, anchor = target.partition("#")
                linked = (page.parent / path).resolve() if path else page
                self.assertTrue(linked.exists())
                if anchor:
                    self.assertIn(anchor, list(anchors(text_of(linked))))

    def test_every_named_function_stands_in_the_file_that_is_linked(self):
        found = 0
        for page, label, target in self.links():
            if re.fullmatch(r"`[\w.]+`", label) and target.endswith(".py") and not label.endswith(".py`"):
                found += 1
                with self.subTest(page=page.parent.name, name=label):
                    self.assertIn(label.strip("`"), names_in((page.parent / target).resolve()))
        self.assertGreater(found, 50)


class TestCommands(unittest.TestCase):
    def test_every_module_exists_and_every_experiment_and_exercise(self):
        for page in PAGES:
            for module, arguments in commands(text_of(page)):
                with self.subTest(page=page.parent.name, module=module, arguments=arguments):
                    self.assertIsNotNone(importlib.util.find_spec(module.replace("step_N", "step_0")))
                    if module in NAMED and arguments:
                        self.assertIn(arguments[0], [*NAMED[module], "all", "NAME", "N"])

    def test_every_option_exists(self):
        wanted = {(module, option.partition("=")[0]) for page in PAGES for module, arguments in commands(text_of(page))
                  for option in arguments if option.startswith("--")}
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(help_of, {module for module, option in wanted}))
        for module, option in sorted(wanted):
            if module != "unittest":
                with self.subTest(module=module, option=option):
                    self.assertIn(option, help_of(module))

    def test_the_experiments_print_what_the_pages_say(self):
        if not SAME_EVERYWHERE:
            self.skipTest("the pages were written on Linux")
        with ThreadPoolExecutor(2) as pool:
            printed = "\n".join(pool.map(self.printed, ("demos.lessons.kernel", "demos.lessons.problems")))
        blocks = [found for page in PAGES for found in re.findall(
            r"(?m)^    \$ (python3 -m demos\.lessons\.(?:kernel|problems) \w+)\n((?:    \S?.*\n)+)", text_of(page))]
        self.assertGreater(len(blocks), 15)
        for command, block in blocks:
            if command.endswith("too_high") and descriptors_are_few():
                continue
            with self.subTest(command=command):
                self.assertIn(in_general(block.replace("\n    ", "\n")[4:]), in_general(printed))

    def test_the_table_of_all_steps_is_the_one_that_the_experiments_are_held_to(self):
        told = re.findall(r"(?m)^    (\d(?:_mended)?)((?:  +[a-z]+(?: off)?){5})$", text_of(PAGES[1]))
        self.assertEqual(list(STEPS), [step for step, _ in told])
        for step, verdicts in told:
            for verdict, possible in zip(re.split(r"  +", verdicts.strip()), EXPECTED[step]):
                with self.subTest(step=step):
                    self.assertIn(verdict, possible)

    def printed(self, module):
        return subprocess.run([sys.executable, "-m", module, "all"], cwd=ROOT, timeout=60, stdout=subprocess.PIPE,
                              universal_newlines=True).stdout


def in_general(text):
    """A text without its figures and its line breaks, and with repeated lines once: how many is the kernel's affair."""
    whole = re.sub(r"\n {4,}", " ", text)  # a line that goes on begins with four more spaces
    lines = [" ".join(re.sub(r"\d[\d.,:]*", "N", line).split()) for line in whole.splitlines()]
    return "\n".join(line for line, before in zip(lines, [None, *lines]) if line != before)


def descriptors_are_few():
    """True where no descriptor can be so high that select refuses it."""
    return 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 1100


if __name__ == "__main__":
    unittest.main()
