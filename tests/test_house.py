"""The house rules that a program can check, so that none of them rots: arrows, imports, one caller each, sizes."""
import ast
import io
import os
import re
import sys
import tokenize
import unittest
from functools import lru_cache

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGES = ("reactor", "protocols", "demos", "tests")

# Who may import whom, beside the standard library.
ARROWS = {"reactor": {"reactor"}, "protocols": {"protocols"}, "demos": {"demos", "protocols", "reactor"},
          "tests": set(PACKAGES)}
# A protocol that imports one of these knows which event loop runs it, or where its bytes come from.
FORBIDDEN = {"protocols": {"asyncio", "select", "selectors", "socket", "threading"},
             "reactor": {"asyncio", "selectors"}, "demos": set(), "tests": set()}

# Which files of reactor/ make a call; testing.py, which stands in for the kernel, may make them all.
CALLERS = {
    "select": {"loop.py"},
    "recv": {"transport.py", "wakeup.py"},
    "send": {"transport.py", "outbound.py", "wakeup.py", "datagram.py"},
    "recvfrom": {"datagram.py"},
    "sendto": {"datagram.py"},
    "accept": {"listener.py"},
    "connect_ex": {"connector.py"},
}

# sys.stdlib_module_names came with Python 3.10; this is what 3.9 needs to know of it.
STANDARD = getattr(sys, "stdlib_module_names", frozenset("""
    __future__ abc argparse array ast asyncio atexit base64 bisect builtins calendar codecs collections configparser
    cmath colorsys concurrent dataclasses
    contextlib contextvars copy copyreg csv ctypes curses datetime decimal difflib dis email encodings enum errno
    faulthandler fcntl filecmp fileinput fnmatch fractions functools gc getopt getpass gettext glob graphlib gzip
    hashlib heapq hmac html http importlib inspect io ipaddress itertools json keyword linecache locale logging
    lzma marshal math mimetypes mmap msvcrt multiprocessing numbers operator os pathlib pdb pickle pkgutil platform
    plistlib posixpath pprint profile pstats pty queue quopri random re readline reprlib resource runpy sched secrets
    select selectors shelve shlex shutil signal site socket socketserver sqlite3 ssl stat statistics string
    stringprep struct subprocess symtable sys sysconfig syslog tarfile telnetlib tempfile termios textwrap threading
    time timeit token tokenize trace traceback tracemalloc tty types typing unicodedata unittest urllib uuid venv
    warnings wave weakref webbrowser winreg xml xmlrpc zipapp zipfile zipimport zlib zoneinfo
""".split()))


def setUpModule():
    unittest.addModuleCleanup(parsed.cache_clear)  # trees are large, and each collection of garbage visits them


@lru_cache(maxsize=None)
def parsed(text):
    """The tree of a file, which several rules look at."""
    return ast.parse(text)


def sources(*packages):
    """(package, path inside the house, text) of each Python file."""
    for package in packages:
        for folder, _, names in sorted(os.walk(os.path.join(ROOT, package))):
            for name in sorted(names):
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        yield package, os.path.relpath(path, ROOT).replace(os.sep, "/"), file.read()


def imported(tree, package):
    """The top-level packages that a module imports; a relative import is one of its own package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node
        elif isinstance(node, ast.ImportFrom):
            yield (package if node.level else node.module.partition(".")[0]), node


def code_lines(text):
    """The numbers of the lines that hold code: no comment, no docstring, nothing blank."""
    prose = set()
    for node in ast.walk(parsed(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            prose.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    code = set()
    nothing = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in nothing:
            code.update(range(token.start[0], token.end[0] + 1))
    return code - prose


class TestArrows(unittest.TestCase):

    def test_arrows_run_one_way_and_only_the_standard_library_is_used(self):
        for package, path, text in sources(*PACKAGES):
            for name, node in imported(parsed(text), package):
                with self.subTest(path=path, line=node.lineno, name=name):
                    self.assertIn(name, ARROWS[package] | STANDARD)
                    self.assertNotIn(name, FORBIDDEN[package])

    def test_no_import_is_hidden_in_a_function_of_the_reactor_or_the_protocols(self):
        for package, path, text in sources("reactor", "protocols"):
            for function in ast.walk(parsed(text)):
                if isinstance(function, ast.FunctionDef):
                    for name, node in imported(function, package):
                        self.fail(f"{path}:{node.lineno} imports {name} inside {function.name}")

    def test_the_reactors_modules_do_not_import_each_other_in_a_circle(self):
        needs = {}
        for package, path, text in sources("reactor"):
            tree = parsed(text)
            typing_only = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.If)
                           and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
                           for inner in ast.walk(node)}
            needs[path[len("reactor/"):-len(".py")]] = {
                name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level
                and id(node) not in typing_only
                for name in ([node.module] if node.module else [alias.name for alias in node.names])}
        while needs:
            free = {name for name, others in needs.items() if not others & set(needs)}
            self.assertTrue(free, f"a circle among {sorted(needs)}")
            for name in free:
                del needs[name]

    def test_each_system_call_has_its_file(self):
        for package, path, text in sources("reactor"):
            name = path.rpartition("/")[2]
            for node in ast.walk(parsed(text)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and name != "testing.py":
                    with self.subTest(path=path, line=node.lineno, call=node.func.attr):
                        self.assertIn(name, CALLERS.get(node.func.attr, {name}))


class TestStyle(unittest.TestCase):

    def test_nothing_is_caught_without_a_name(self):
        for package, path, text in sources(*PACKAGES):
            for node in ast.walk(parsed(text)):
                if isinstance(node, ast.ExceptHandler):
                    self.assertIsNotNone(node.type, f"{path}:{node.lineno}: a bare except")

    def test_nothing_is_swallowed_without_a_reason(self):
        for package, path, text in sources("reactor", "protocols", "demos"):
            lines = text.splitlines()
            for node in ast.walk(parsed(text)):
                if isinstance(node, ast.ExceptHandler) and isinstance(node.body[0], ast.Pass):
                    around = "".join(lines[node.lineno - 1:node.body[0].lineno])
                    self.assertIn("#", around, f"{path}:{node.lineno}: why pass?")

    def test_files_and_functions_stay_small(self):
        for package, path, text in sources("reactor", "protocols", "demos"):
            code = code_lines(text)
            most = 250 if package == "reactor" else 400
            with self.subTest(path=path):
                self.assertLessEqual(len(code), most)
            for node in ast.walk(parsed(text)):
                if isinstance(node, ast.FunctionDef):
                    size = sum(node.lineno < line <= node.end_lineno for line in code)
                    with self.subTest(path=path, function=node.name):
                        self.assertLessEqual(size, 40)

    def test_what_is_public_says_what_it_guarantees(self):
        for package, path, text in sources("reactor", "protocols"):
            tree = parsed(text)
            with self.subTest(path=path):
                self.assertTrue(not text.strip() or ast.get_docstring(tree))
            # A protocol's callbacks mean what protocols/base.py says of them, and need not say it again.
            outer = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"
                             and package == "reactor")]
            for node in [inner for scope in outer for inner in scope.body]:
                if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_"):
                    with self.subTest(path=path, line=node.lineno, name=node.name):
                        self.assertTrue(ast.get_docstring(node))


class TestEdgeCases(unittest.TestCase):
    """The 170 edge cases: each has a test that names it, or a line in README.md that says why it has none."""

    def named(self):
        """Those that docstrings of tests name."""
        found = {}
        for package, path, text in sources("tests"):
            for node in ast.walk(parsed(text)):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    for numbers in re.findall(r"Edge cases? ((?:\d+|,|and|\s)+)", ast.get_docstring(node) or ""):
                        for number in re.findall(r"\d+", numbers):
                            found.setdefault(int(number), path)
        return found

    def excused(self):
        """Those that README.md lists."""
        with open(os.path.join(ROOT, "tests", "README.md"), encoding="utf-8") as file:
            return {int(number) for number in re.findall(r"^\| *(\d+) *\|", file.read(), re.MULTILINE)}

    def test_each_is_tested_or_excused(self):
        everything = set(range(1, 171))
        self.assertEqual(sorted(everything), sorted(set(self.named()) | self.excused()))

    def test_none_is_both(self):
        self.assertEqual([], sorted(set(self.named()) & self.excused()))


if __name__ == "__main__":
    unittest.main()
