"""What breaks each step, and what the step that repairs it makes of the same clients.

Each experiment plays its clients against one server and answers with findings: what was measured, by name.
It is played once for each of its servers, the broken one first.  All of it stays on the loopback.
"""
from __future__ import annotations

import ast
import inspect
import io
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Callable, Dict, Iterator, NamedTuple, Sequence, Union

from . import clients
from .clients import Client, Seen
from .server import Server, growth, per_second

STEPS = ("0", "1", "2", "3", "4", "4_mended", "5", "6", "7", "8")
CROWD = 100
Value = Union[int, float, str, None]  # None: the system does not tell
Findings = Dict[str, Value]


class Experiment(NamedTuple):
    """What is done to which servers (modules of this package with their options), and what to conclude."""

    story: str
    servers: Sequence[str]
    play: Callable[[str], Findings]
    moral: str


def served(seen: Seen, patience: float) -> Value:
    """Seconds until a client had its answer."""
    return seen.seconds if seen.intact else f"not within {patience:g} s"


def fate(server: Server) -> str:
    """Whether a server still serves."""
    if server.play(clients.polite).intact:
        return "lives"
    return f"dies: {server.died() or 'deaf'}"


@contextmanager
def staying(server: Server, count: int = 1) -> Iterator[None]:
    """So many clients that are connected and say nothing."""
    silent = [Client(*server.address, patience=2.0) for _ in range(count)]
    try:
        yield
    finally:
        for client in silent:
            client.leave()


@contextmanager
def meanwhile(server: Server, client: Callable[..., Seen], **options: float) -> Iterator[Callable[[], Seen]]:
    """A client that has begun already; what is yielded waits for its end and tells what it saw."""
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(server.play, client, begun=begun.set, **options)
        begun.wait(10.0)
        yield future.result


def one_is_silent(command: str) -> Findings:
    """Does anybody get an answer while one client says nothing?"""
    with Server(command) as server, staying(server):
        return {"the second client is served after, s": served(server.play(clients.polite, patience=1.0), 1.0)}


def many_are_silent(command: str) -> Findings:
    """What do clients cost that only sit there, and can one stop the server?"""
    with Server(command) as server:
        before = server.cost()
        with staying(server, CROWD):
            last = server.play(clients.polite)
            after = server.cost()
            ended = server.interrupt()
    return {"threads": after and after.threads,
            f"memory for {CROWD} clients, MB": growth(before, after),
            "the last of them is served after, s": served(last, 2.0),
            "Ctrl-C is obeyed after, s": ended}


def nothing_to_do(command: str) -> Findings:
    """What does an idle server cost?"""
    with Server(command) as server, staying(server):
        before = server.cost()
        server.play(clients.silent, 0.6)
        return {"CPU seconds per second, idle": per_second(before, server.cost())}


def one_reads_slowly(command: str) -> Findings:
    """Does a client that reads late get everything, and who waits for it?"""
    with Server(command) as server, meanwhile(server, clients.slow, pause=0.8, patience=1.0) as slow:
        other = server.play(clients.polite)
        return {"bytes of the slow reader lost": slow().lost,
                "another client is served after, s": served(other, 2.0)}


def four_faults(command: str) -> Findings:
    """The clients that the course texts' program does not survive."""
    with Server(command) as server:
        lost = server.play(clients.slow, pause=0.3, patience=1.0).lost
    with Server(command) as server:
        server.play(clients.resetting)
        after_reset = fate(server)
    with Server(command) as server:
        half = server.play(clients.half_closing)
    with Server(command.split()[0]) as server:  # where there is always room, so that the stale socket is writable
        server.play(clients.half_closing)
        after_half = fate(server)
    return {"[1] slow reader: bytes lost": lost,
            "[2] after a reset the server": after_reset,
            "[3] half-closing: bytes lost": half.lost,
            "[4] after that the server": after_half}


def no_limits(command: str) -> Findings:
    """What does a client cost that never reads, and for how long may one say nothing?"""
    with Server(command) as server:
        before = server.cost()
        flood = server.play(clients.flooding)
        after = server.cost()
        silent = server.play(clients.silent, 1.0)
    return {"bytes taken from who never reads": flood.sent,
            "memory for that, MB": growth(before, after),
            "who says nothing is ended after, s": silent.seconds if silent.end == "eof" else "not within 1 s"}


def letters_in_halves(command: str) -> Findings:
    """What becomes of a text whose letters arrive in two halves, and of everybody else?"""
    with Server(command) as server:
        seen = server.play(clients.chopped)
        return {"the chopped text is answered": "whole" if seen.intact else f"not ({seen.end})",
                "after that the server": fate(server)}


def one_story(command: str) -> Findings:
    """In how many functions is the conversation told, and can it be tested without a port?"""
    module = import_module(f"{__package__}.{command}")
    story = ast.parse(inspect.getsource(getattr(module, "Capitals", None) or module.talk))
    told = sum(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) for node in ast.walk(story))
    tests = unittest.TextTestRunner(io.StringIO()).run(unittest.defaultTestLoader.loadTestsFromModule(module))
    return {"functions that tell the story": told,
            "its own tests, without a port": f"{tests.testsRun} pass" if tests.testsRun and tests.wasSuccessful()
            else "none", **letters_in_halves(command)}


def one_sleeps(command: str) -> Findings:
    """Who waits while the server pauses for one client?"""
    with Server(command) as server, meanwhile(server, clients.waiting) as waiting:
        other = server.play(clients.polite)
        return {"who said WAIT is served after, s": served(waiting(), 2.0),
                "another client is served after, s": served(other, 2.0)}


EXPERIMENTS = {
    "0": Experiment("One client connects and says nothing.  Then a second one asks.", ["step_0", "step_1"],
                    one_is_silent, "A blocking call waits for one and so makes all the others wait."),
    "1": Experiment(f"{CROWD} clients connect and say nothing, one more asks; then Ctrl-C.", ["step_1", "step_2"],
                    many_are_silent, "A thread that waits holds memory, and nobody can tell it to stop waiting."),
    "2": Experiment("One client connects.  Nobody says anything.", ["step_2", "step_3"],
                    nothing_to_do, "Asking again and again costs everything; asking the kernel once costs nothing."),
    "3": Experiment("One client sends 8 MB and reads the answer late.  Meanwhile another one asks.",
                    ["step_3", "step_3 --blocking", "step_4_mended"], one_reads_slowly,
                    "What does not fit is lost, or stops everybody, or waits in a queue.  Only the last will do."),
    "4": Experiment("A slow reader, one that resets, and one that sends and half-closes at once.  "
                    "(Kernel buffers are made small with --buffer 4096, but for [4]: else they hide [1].)",
                    ["step_4 --buffer 4096", "step_4_mended --buffer 4096"], four_faults,
                    "A short send, an error and end of input are three ordinary answers of the kernel."),
    "4_mended": Experiment("One client sends 48 MB and never reads.  Then one says nothing.",
                           ["step_4_mended", "step_5 --idle 0.5"], no_limits,
                           "What can grow needs a mark, and what can wait needs a timer."),
    "5": Experiment("One client sends its text byte by byte.  Then another one asks.", ["step_5", "step_6"],
                    letters_in_halves, "A loop that serves all must survive what one conversation raises."),
    "6": Experiment("One client sends its text byte by byte.", ["step_6", "step_7"],
                    letters_in_halves, "What one recv brings is no message: frame first, understand then."),
    "7": Experiment("The text of the conversation is read, its tests run, one client sends byte by byte.",
                    ["step_7", "step_8"], one_story, "The same server, told in one piece."),
    "8": Experiment("One client says WAIT, for which the server pauses 0.6 s.  Meanwhile another one asks.",
                    ["step_8 --rude", "step_8"], one_sleeps,
                    "await gives the loop back, time.sleep() keeps it: async repairs waiting, not working."),
}
