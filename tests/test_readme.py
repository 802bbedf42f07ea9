"""README.md says what is so: its code runs, its commands exist, its line counts are right.

After a change to reactor/:  python3 -m tests.test_readme  writes the counts anew.
"""
import contextlib
import os
import re
import unittest
from unittest import mock

from reactor import Reactor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
README = os.path.join(ROOT, "README.md")
ROW = re.compile(r"^\| (reactor/\w+\.py) \| (\d+) \|", re.MULTILINE)


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def lines_of(name):
    """Lines of code, docstrings and comments; blank ones do not count."""
    return sum(1 for line in text_of(os.path.join(ROOT, name)).splitlines() if line.strip())


def write_counts():
    """Put the right counts into the table."""
    text = ROW.sub(lambda row: f"| {row[1]} | {lines_of(row[1])} |", text_of(README))
    with open(README, "w", encoding="utf-8") as file:
        file.write(text)


class ReadmeTest(unittest.TestCase):
    def setUp(self):
        self.text = text_of(README)

    def test_the_line_counts_are_right(self):
        self.assertEqual([(name, lines_of(name)) for name, _ in ROW.findall(self.text)],
                         [(name, int(count)) for name, count in ROW.findall(self.text)],
                         "python3 -m tests.test_readme writes them anew")

    def test_every_file_of_the_core_is_in_the_reading_order(self):
        files = {f"reactor/{name}" for name in os.listdir(os.path.join(ROOT, "reactor"))
                 if name.endswith(".py") and name != "__init__.py"}
        self.assertEqual(files, {name for name, _ in ROW.findall(self.text)})

    def test_the_code_runs_as_it_is_printed(self):
        serve, test = re.findall(r"```python\n(.*?)```", self.text, re.DOTALL)
        self.assertEqual(12, len(serve.splitlines()))
        reactors = []

        def run(reactor, until=None):
            reactors.append(reactor)

        names = {}
        with mock.patch.object(Reactor, "run", run), contextlib.ExitStack() as stack:
            exec(serve.replace("10001", "0"), names)
            stack.callback(reactors[0].close)
        exec(test, names)
        names["peer"].close()

    def test_every_linked_file_exists_and_what_teaches_is_linked(self):
        linked = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", self.text)}
        self.assertLessEqual({"demos/lessons/README.md", "demos/xray/README.md", "demos/checker/README.md",
                              "demos/README.md", "reactor/README.md"}, linked)
        for link in linked:
            self.assertTrue(os.path.exists(os.path.join(ROOT, link)), link)

    def test_every_command_exists(self):
        commands = set(re.findall(r"python3 -m (demos(?:\.\w+)*)", self.text))
        self.assertIn("demos.echo_server", commands)
        for command in commands:
            path = os.path.join(ROOT, *command.split("."))
            self.assertTrue(os.path.exists(path + ".py") or os.path.exists(os.path.join(path, "__main__.py")), command)


if __name__ == "__main__":
    write_counts()
