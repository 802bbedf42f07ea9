"""Recordings for tests: small ones made by a real reactor, long ones written line by line."""
import io
import json
import os
import sys
import tempfile

from demos import replay
from demos.glassbox.recorder import Recorder
from protocols.echo import Echo
from tests.case import Case

HEADER = {"recording": 1, "program": "test", "arguments": [], "date": "2026-01-31T12:00:00Z", "python": "3.9.0",
          "platform": "linux", "bytes": False}


class Recorded(Case):
    """Tests with a folder of their own and recordings in it."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def record(self, work, payloads=True, program="test", arguments=()):
        """The path of a recording of what work(reactor) does."""
        path = self.path("a.rec")
        self.patch(sys, "argv", [program, *arguments])
        reactor = self.open_reactor()
        recorder = Recorder(path, reactor.time(), payloads=payloads)
        self.addCleanup(recorder.close)
        reactor.observer = recorder
        work(reactor)
        recorder.close()
        reactor.observer = None
        return path

    def echo_of(self, *pieces, payloads=True):
        """The path of a recording of an echo, one piece in each turn from turn 1 on."""
        def work(reactor):
            ours, peer = self.pair()
            reactor.adopt(Echo, ours)
            reactor.turn(0)
            for piece in pieces:
                peer.send(piece)
                reactor.turn(0)
                peer.recv(len(piece))
        return self.record(work, payloads)

    def write(self, name, events):
        """The path of a recording of these events, each (time, turn, kind, facts)."""
        path = self.path(name)
        with open(path, "w", encoding="ascii") as file:
            file.write(json.dumps(HEADER) + "\n")
            for time, turn, kind, facts in events:
                file.write(json.dumps({"t": time, "turn": turn, "event": kind, **facts}) + "\n")
        return path


def run_replay(test, *args, keys=""):
    """Exit status, stdout, stderr of demos.replay with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    streams = {"stdout": out, "stderr": err, "stdin": io.StringIO(keys), "argv": ["replay", *args]}
    for name, value in streams.items():
        test.patch(sys, name, value)
    with test.assertRaises(SystemExit) as caught:
        replay.main()
    return caught.exception.code or 0, out.getvalue(), err.getvalue()


def rerun(test, path, *program):
    """The same of a re-run."""
    return run_replay(test, path, "--rerun", *program)


def long_echo(turns):
    """The events of an echo of so many turns."""
    yield 0.0, 0, "adopted", {"who": "#1"}
    for turn in range(turns):
        time = turn / 1000
        yield time, turn, "turn", {"timeout": None, "why": "nothing is due", "writing": [], "reading": [["#1", "c"]]}
        yield time, turn, "ready", {"readable": ["#1"], "writable": [], "slept": 0.0009}
        yield time, turn, "received", {"who": "#1", "size": 3, "head": "abc"}
        yield time, turn, "sent", {"who": "#1", "offered": 3, "taken": 3, "left": 0, "head": "abc"}
        yield time, turn, "ran", {"callback": "#1 on_readable", "milliseconds": 0.02}


def spinning(turns):
    """The events of a loop that asks about writability with nothing to write."""
    for turn in range(turns):
        yield 0.0, turn, "turn", {"timeout": None, "why": "nothing is due", "reading": [], "writing": [["#5", "x"]]}
        yield 0.0, turn, "ready", {"readable": [], "writable": ["#5"], "slept": 0.0}
        yield 0.0, turn, "ran", {"callback": "#5 on_writable", "milliseconds": 0.001}
