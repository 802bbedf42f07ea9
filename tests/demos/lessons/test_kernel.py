"""`kernel` and `problems`: each experiment shows what it says, on this system and in a moment."""
import contextlib
import subprocess
import sys
import unittest
from pathlib import Path

from demos.lessons import kernel, problems
from tests.case import Case

ROOT = Path(__file__).resolve().parents[3]
LINUX = sys.platform == "linux"

# What must be among the lines, as a regular expression; figures are this system's own.
KERNEL = {
    "stream": "recv.* -> b'alphabetagamma'",
    "always_writable": "out of it: [1-9] turns and 0.0",
    "end_of_file": r"(select: readable;  recv -> b''\n?){3}",
    "partial_send": r"-> [0-9,]+\n(.*\n)*.*: not now",
    "sendall": "BlockingIOError|WinError",
    "third_list": r"the peer closed it +yes +yes +-",
    "connecting": r"to nobody: .*\n.*SO_ERROR -> \w*CONNREFUSED; asked again -> 0, no error",
    "late_send": r"first send  -> 1\nsecond send -> \w*Error",
    "unread_input": "read, then closed .* the peer gets 1,000,000, then end of file",
    "time_wait": "REUSEADDR 1: the next server's bind -> works",
    "backlog": r"listen\(5\), no accept at all: of 10 clients \d+ are connected",
    "early_client": r"recv -> b'early', then recv -> b''",
    "nagle": "TCP_NODELAY 1: ",
    "datagrams": "b'alpha', b'beta'",
    "too_high": "out of range|does not let|512 sockets",
    "fairness": "asked CBA -> ready CBA",
}
ON_LINUX = {
    "third_list": r"urgent .* - +yes +yes\n.* reset it +yes +yes +-\n(.*\n)connect was refused +yes +yes +-",
    "unread_input": r"none .* gets 1,000,000, .*\ninput: not read .* gets [0-9,]{5,7}, then ConnectionResetError",
    "time_wait": "REUSEADDR 0: the next server's bind -> OSError",
    "backlog": r"listen\(5\), no accept at all: of 10 clients 6 are",
}
PROBLEMS = {
    "partial_send": r"still ours\n(.*\n)*the peer has 20,800 bytes",
    "stale_event": "called for the second's number: nobody",
    "spurious_readiness": r"recv: not now \(EAGAIN\)\n(.*\n)and goes on: b'again' came back",
    "out_of_descriptors": r"the reactor: [1-9] turns in 0.1 s.*\nWARNING.*Too many open files|no limit",
    "half_close": "the peer reads b'hello' and then b''",
    "descriptor_too_high": "select cannot watch|does not let|512",
    "unread_input": "the reactor: the peer gets 1,000,000, then end of file",
    "slow_callback": "ran far_look_up in [2-9]\\d\\d",
    "push": r"timer fired: .*\n#1 send: the kernel took all 17 bytes .*\nthe peer.*reads b'the time has come'",
    "windows": f"this system is {sys.platform}",
}


class TestExperiments(Case):
    def check(self, experiment, pattern):
        logs = experiment is problems.out_of_descriptors and hasattr(problems, "resource")
        with self.assertLogs("reactor") if logs else contextlib.nullcontext():
            self.assertRegex("\n".join(experiment()), pattern)


def add(module, patterns, prefix):
    for name, experiment in module.EXPERIMENTS.items():
        for number, pattern in enumerate(filter(None, patterns(name))):
            def test(self, experiment=experiment, pattern=pattern):
                self.check(experiment, pattern)
            test.__doc__ = experiment.__doc__.splitlines()[0]
            setattr(TestExperiments, f"test_{prefix}_{name}" + "_on_linux" * number, test)


add(kernel, lambda name: (KERNEL[name], LINUX and ON_LINUX.get(name)), "kernel")
add(problems, lambda name: (PROBLEMS[name],), "problem")


class TestPrograms(unittest.TestCase):
    def program(self, *arguments):
        return subprocess.run([sys.executable, "-W", "error", "-m", *arguments], cwd=ROOT, timeout=20,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)

    def test_without_a_name_they_list_what_there_is_within_80_columns(self):
        for module in (kernel, problems):
            result = self.program(module.__name__)
            self.assertEqual((0, ""), (result.returncode, result.stderr))
            for name in module.EXPERIMENTS:
                self.assertRegex(result.stdout, rf"(?m)^{name} ")
            self.assertLessEqual(max(map(len, result.stdout.splitlines())), 80)

    def test_named_ones_are_run_within_80_columns(self):
        result = self.program("demos.lessons.problems", "stale_event", "windows")
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        self.assertRegex(result.stdout, r"(?s)^stale_event: .*\nwindows: ")
        self.assertLessEqual(max(map(len, result.stdout.splitlines())), 80)

    def test_a_wrong_name_is_one_line_and_status_2(self):
        result = self.program("demos.lessons.kernel", "no_such")
        self.assertEqual((2, ""), (result.returncode, result.stdout))
        self.assertRegex(result.stderr, r"^kernel: there is no 'no_such'.*\n$")


if __name__ == "__main__":
    unittest.main()
