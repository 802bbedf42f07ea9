"""What is shown of a turn is what the live objects were, and what a recording of the same run says; within bounds."""
import logging
import os
import random
import tempfile
import unittest

from demos.glassbox.archive import Archive
from demos.glassbox.observe import together
from demos.glassbox.recorder import Recorder
from demos.glassbox.state import FLAGS
from demos.scope import watch as watches
from demos.scope.frames import MOST_CONNECTIONS, MOST_WORDS, frame
from demos.scope.replay import Replay
from demos.scope.snapshot import snapshot
from demos.scope.watch import Ring, Watch
from protocols.echo import Echo
from reactor.testing import run_turns
from reactor.transport import StreamTransport
from tests.case import Case
from tests.demos.glassbox.test_state import live
from tests.demos.glassbox.traffic import Traffic


def standing(reactor):
    """How each connection stands, from the live objects: its states in words, its queue, and its bytes so far."""
    found = {}
    for endpoint in reactor.endpoints:
        if isinstance(endpoint, StreamTransport):
            flags = live(endpoint)
            words = ["lost"] if flags == "lost" else [
                word for (_, word), flag in zip(FLAGS[1:], flags) if flag] or ["open"]
            found[endpoint.name] = words, 0 if flags == "lost" else flags[-1], endpoint.received, endpoint.sent
    return found


def drawn(picture):
    """The same, as a frame says it."""
    return {row["name"]: (row["states"], row["depth"], row["received"], row["sent"])
            for row in picture["connections"] if row["sort"] == "connection"}


class TestTruth(Case):
    """Random traffic, seeded: short sends through small buffers, resets, timers, mistakes."""

    def setUp(self):
        super().setUp()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "run")

    def run_traffic(self, seed):
        """The frames of a run that is watched with gaps, each made as soon as the turn was over, and what was true."""
        traffic, rng = Traffic(seed), random.Random(-seed)
        reactor, clock = traffic.reactor, traffic.clock
        self.ring = Ring()
        watch = Watch(reactor, self.ring, lambda finding: None, lambda: None)
        watch.allow()
        recorder = Recorder(self.path, clock())
        frames, truth = {}, {}

        def look(event):
            if event.kind == "turn" and watch.current() is not None and self.ring.count:
                picture = frame(*watch.current())
                frames[picture["turn"]] = picture
        traffic.reactor.observer = watched = together([recorder, watch, look])
        unwatched = together([recorder])
        traffic.begin()
        for _ in range(150):
            if rng.random() < 0.05:
                watch.stop()
                reactor.observer = unwatched
            elif rng.random() < 0.2:
                reactor.observer = watched
            traffic.step()
            truth[reactor.turns - 1] = standing(reactor)
            self.assertEqual(truth[reactor.turns - 1], {
                name: (one.states, one.depth, one.received, one.sent) for name, one in snapshot(reactor).open.items()
                if one.sort == "connection"}, f"seed {seed}, a snapshot after turn {reactor.turns - 1}")
        reactor.observer = unwatched
        traffic.close()
        recorder.close()
        return frames, truth

    def test_every_frame_equals_the_live_objects_and_the_recording(self):
        for seed in range(12):
            frames, truth = self.run_traffic(seed)
            self.assertGreater(len(frames), 30, f"seed {seed}")
            for number, picture in frames.items():
                self.assertEqual(truth[number], drawn(picture), f"seed {seed}, turn {number}")
                self.assertEqual(picture, frame(*self.ring.find(number)), f"seed {seed}, turn {number} once more")
            self.compare(seed, frames)

    def compare(self, seed, frames):
        replay = Replay(open(self.path, "rb"), "run")
        self.addCleanup(replay.close)
        for _ in replay.reading():
            pass
        compared = 0
        for number, picture in frames.items():
            again = replay.frame(number)
            if again is None:
                self.assertEqual([], picture["readable"] + picture["writable"], "an idle turn is not recorded")
                continue
            compared += 1
            self.assertEqual(drawn(picture), drawn(again), f"seed {seed}, turn {number}")
            if "turn" not in [kind for _, _, kind in again["words"]]:
                continue  # something happened before it, and then nobody was ready: the rest of it is not recorded
            listen = [[list(pair) for pair in picture[name]] for name in ("reading", "writing")]
            self.assertEqual(listen, [again["reading"], again["writing"]])
            # The first turn behind a gap is heard from its question on, and not what was done before that.
            said = len(picture["words"])
            self.assertEqual((picture["words"], picture["readable"], picture["writable"]),
                             (again["words"][-said:], again["readable"], again["writable"]), f"seed {seed}")
            if said == len(again["words"]):
                self.assertEqual(picture["column"][4], again["column"][4])
        self.assertGreater(compared, 20, f"seed {seed}")


class WatchCase(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.ring = Ring()
        self.findings, self.rested = [], 0
        self.watch = Watch(self.reactor, self.ring, self.findings.append, self.rest)
        self.watch.allow()
        self.reactor.observer = self.watch

    def rest(self):
        self.rested += 1
        self.reactor.observer = None

    def echo(self):
        ours, peer = self.pair()
        self.reactor.adopt(Echo, ours)
        run_turns(self.reactor)
        return peer


class TestWholeTurns(WatchCase):

    def test_a_turn_that_has_begun_already_is_not_heard(self):
        self.reactor.observer = None
        self.reactor.call_soon(lambda: setattr(self.reactor, "observer", self.watch))
        self.reactor.call_soon(int)
        self.reactor.turn(0)
        self.assertIsNone(self.watch.current())
        self.reactor.turn(0)
        self.reactor.turn(0)
        self.assertEqual([1], [seen.number for seen in self.ring.newest(10)])

    def test_a_turn_that_is_not_over_is_shown_where_there_is_no_other(self):
        pictures = []
        self.reactor.select = lambda *asked: pictures.append(frame(*self.watch.current())) or self.clock.select(*asked)
        self.reactor.turn(0)
        self.assertEqual((0, [], [["the loop", "its wake-up socket"]]), (
            pictures[0]["turn"], pictures[0]["readable"], [list(pair) for pair in pictures[0]["reading"]]))

    def test_a_busy_loop_is_heard_for_a_share_of_its_time_and_each_turn_counts(self):
        peer = self.echo()
        self.clock.advance(1)
        self.watch.allow()
        for _ in range(1000):
            peer.send(b"x")
            self.clock.advance(0.00001)
            self.reactor.turn(0)
            self.clock.advance(0.0005)
            peer.recv(1)
        self.assertEqual((1, True), (self.rested, self.watch.resting))
        self.assertTrue(50 < self.ring.count < 200, self.ring.count)

    def test_a_loop_that_sleeps_is_heard_all_the_time(self):
        self.reactor.call_later(0.01, self.tick)
        for _ in range(1000):
            self.reactor.turn()
        self.assertEqual(0, self.rested)
        self.assertGreater(self.ring.count, 990)

    def tick(self):
        self.reactor.call_later(0.01, self.tick)

    def test_few_turns_are_heard_however_long_they_take(self):
        for _ in range(50):
            self.reactor.call_soon(self.clock.advance, 0.1)
            self.reactor.turn(0)
        self.assertEqual(0, self.rested)

    def test_what_went_on_in_a_gap_is_known_behind_it(self):
        self.reactor.turn(0)
        peer = self.echo()
        peer.send(b"one")
        self.reactor.turn(0)
        self.reactor.turn(0)
        self.assertEqual((3, 3), self.counted())
        self.watch.stop()
        peer.send(b"two")
        self.reactor.turn(0)
        self.reactor.turn(0)
        self.reactor.turn(0)
        self.assertEqual((6, 6), self.counted())

    def counted(self):
        (row,) = frame(*self.watch.current())["connections"]
        return row["received"], row["sent"]


class TestFindings(WatchCase):

    def spin(self, turns):
        ours, peer = self.pair()
        watcher = self.reactor.add_writer(ours, int)
        self.addCleanup(watcher.cancel)
        for _ in range(turns):
            self.clock.advance(0.0001)
            self.reactor.turn(0)

    def test_a_loop_that_spins_is_heard_until_the_doctor_can_tell(self):
        self.spin(1500)
        self.assertEqual(["spinning"], [finding.malady for finding in self.findings])
        self.assertEqual(1, self.rested)
        self.assertIn("@", {seen.letters for seen in self.ring.newest(10)})

    def test_the_same_is_told_once_also_after_a_gap(self):
        for _ in range(3):
            self.clock.advance(5)
            self.watch.allow()
            self.reactor.observer = self.watch
            self.spin(1500)
        self.assertEqual(3, len(self.findings))  # three sockets
        self.assertEqual(3, len({finding.cause for finding in self.findings}))

    def test_a_slow_callback_makes_a_wide_column_with_its_name(self):
        self.reactor.call_soon(self.clock.advance, 2.003)
        self.reactor.turn(0)
        self.reactor.turn(0)
        (seen,) = self.ring.newest(1)
        self.assertEqual([0, 0.0, 0.0, 2.003, "S", "FakeClock.advance 2,003 ms"], seen.column(1000.0))
        self.assertEqual(["slow"], [finding.malady for finding in self.findings])


class TestBounds(WatchCase):

    def test_the_ring_keeps_the_newest_turns(self):
        self.patch(watches, "MOST_TURNS", 250)
        for _ in range(1000):
            self.reactor.turn(0)
        self.assertTrue(150 <= self.ring.turns <= 250)
        self.assertEqual(997, self.ring.newest(2)[0].number)
        self.assertIsNone(self.ring.find(10))
        self.assertEqual(self.ring.turns, len(self.ring.newest(5000)))

    def test_large_turns_leave_room_for_fewer(self):
        self.patch(watches, "MOST_BYTES", 100000)
        peer = self.echo()
        for _ in range(500):
            peer.send(b"x")
            self.reactor.turn(0)
            peer.recv(1)
        self.assertLess(self.ring.weight, 100000 + 500 * watches.STRETCH * 6)
        self.assertLess(self.ring.turns, 200)

    def test_many_large_turns_in_a_row_are_no_exception(self):
        self.patch(watches, "MOST_BYTES", 1000000)
        for _ in range(2 * watches.STRETCH):
            for _ in range(watches.EASE - 100):
                self.reactor.call_soon(int)
            self.watch.allow()
            self.reactor.turn(0)
        self.assertEqual(0, self.rested)
        self.assertLess(self.ring.weight, 2 * watches.MOST_BYTES)

    def test_the_bytes_themselves_are_not_kept(self):
        peer = self.echo()
        peer.send(b"secret" * 1000)
        self.reactor.turn(0)
        self.reactor.turn(0)
        for seen in self.ring.newest(100):
            for event in seen.events:
                self.assertNotIn("data", event.facts)

    def test_a_frame_of_a_crowd_has_a_bounded_size_and_those_whom_the_turn_is_about(self):
        peers = [self.echo() for _ in range(MOST_CONNECTIONS + 20)]
        for peer in peers[-25:]:
            peer.send(b"x")
        self.reactor.turn(0)
        self.reactor.turn(0)
        picture = frame(*self.watch.current())
        self.assertEqual((MOST_CONNECTIONS, 20, MOST_WORDS), (
            len(picture["connections"]), picture["others"], len(picture["words"])))
        self.assertEqual(25 * 3 + 2, len(picture["words"]) + picture["more"])
        names = [row["name"] for row in picture["connections"]]
        self.assertLessEqual(set(picture["readable"]), set(names))
        self.assertEqual(sorted(names, key=lambda name: int(name[1:])), names)


class TestArchiveOfTheGlassBox(WatchCase):

    def test_a_turn_has_the_same_events_in_the_ring_and_in_a_recording(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "run")
        recorder = Recorder(path, self.clock())
        self.reactor.observer = together([recorder, self.watch])
        peer = self.echo()
        peer.send(b"x")
        run_turns(self.reactor)
        recorder.close()
        live = {seen.number: [event.kind for event in seen.events] for seen in self.ring.newest(10)
                if seen.number and len(seen.events) > 2}
        self.assertTrue(live)
        with Archive(open(path, "rb")) as archive:
            recorded = {turn[0].turn: [event.kind for event in turn] for turn in archive.turns()}
        for number, kinds in live.items():
            self.assertEqual(kinds, [kind for kind in recorded[number] if kind != "end"])


if __name__ == "__main__":
    unittest.main()
