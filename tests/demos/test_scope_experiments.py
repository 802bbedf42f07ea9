"""The ten experiments of the page: each shows what it promises, ends by itself, and leaves nothing behind.

They run on the real gate and the real stage, and nearly all of them on a clock that jumps: where both loops would
sleep, the time has come already.  Connections are real ones over the loopback.
"""
import errno
import logging
import re
import select
import socket
import sys
import threading
import time
import unittest

from demos.glassbox.doctor import Doctor
from demos.scope import again, servers, stories, story
from demos.scope.controls import Controls, Refused
from demos.scope.experiments import EXPERIMENTS
from demos.scope.gate import Gate
from demos.scope.hub import Hub
from demos.scope.story import Server, Side
from tests.case import Case, scheduled, watched

MOST = 100_000  # select calls of one experiment


class Enough(Exception):
    """What was waited for is there; raised from inside select, since the loops need not come back from there."""


class Table(Case):
    """A reactor with a page that nobody looks at; every event of it is kept."""

    jumps = True  # whether the clock does

    def setUp(self):
        super().setUp()
        self.until, self.left = (lambda: False), 0
        self.threads = set(threading.enumerate())
        self.reactor = self.open_reactor(select=self.select, clock=None if self.jumps else time.monotonic)
        self.gate = Gate(self.reactor)
        self.page = self.gate.page
        self.hub = Hub(self.reactor, self.gate)
        self.controls = Controls(self.reactor, self.gate, self.hub, EXPERIMENTS)
        self.addCleanup(self.close)
        self.gate.open()
        self.events, self.doctor = [], Doctor()
        self.reactor.observer = self.observe
        self.notes = []
        self.at_rest = self.standing()

    def close(self):
        self.controls.end()
        self.controls.close_replay()
        self.controls.tape.close()
        self.hub.close()
        self.gate.close()
        self.page.close()

    def observe(self, event):
        self.events.append(event)
        self.doctor(event)

    # -- time

    def select(self, reading, writing, third, timeout):
        self.listen_to_notes()
        if self.until():
            raise Enough
        self.left -= 1
        self.assertGreater(self.left, 0, "it does not come to an end: %s" % self.notes[-1:])
        if not self.jumps:
            return select.select(reading, writing, third, 0.05 if timeout is None else min(timeout, 0.05))
        self.clock.advance(0.001)  # even for who is always ready
        # The kernel gets a moment before the clock jumps, and a thread all the time that it wants.
        waits = 0.001 if self.at_work() else 0.0002
        answer = select.select(reading, writing, third, 0 if timeout == 0 else waits)
        if timeout is not None and not any(answer) and not self.at_work():
            self.clock.advance(timeout)
        return answer

    def at_work(self):
        return set(threading.enumerate()) - self.threads

    def turn_until(self, condition, at_most=MOST):
        self.until, self.left = condition, at_most
        try:
            while True:
                self.reactor.turn()
        except Enough:
            self.until = lambda: False

    # -- an experiment

    @property
    def stage(self):
        return self.controls._stage

    def listen_to_notes(self):
        if self.stage is not None and [self.stage.text] != self.notes[-1:]:
            self.notes.append(self.stage.text)

    def play(self, number, at_most=MOST):
        """From its beginning to its own end."""
        self.controls.experiment(number)
        self.turn_until(lambda: self.stage._ended, at_most)
        self.assertTrue(self.notes[-1].endswith("The experiment is over."), self.notes[-1])

    def told(self, pattern):
        """The groups of the first note that has this in it; numbers as such, None for one that is not there."""
        found = next((re.search(pattern, note) for note in self.notes if re.search(pattern, note)), None)
        self.assertIsNotNone(found, "%r is not in %s" % (pattern, self.notes))
        return [int(group.replace(",", "")) if (group or "").replace(",", "").isdigit() else group
                for group in found.groups()]

    def of_kind(self, *kinds):
        return [event for event in self.events if event.kind in kinds]

    # -- what is left of it

    def standing(self):
        return [(loop.endpoints.copy(), watched(loop), loop._timers.first(), scheduled(loop), len(loop.waiting))
                for loop in (self.reactor, self.page)]

    def assert_nothing_left(self):
        """Nothing is open, watched or due, on neither loop, and everything is set as it was."""
        self.turn_until(lambda: not self.at_work() and self.standing() == self.at_rest, 2000)
        self.assertEqual((False, 0.0), (self.gate.paused, self.gate.pace))
        self.assertFalse(self.controls.tape.is_on)
        self.assertEqual(self.observe, self.reactor.observer)
        self.assertEqual({}, self.controls._throttles)


class TestExperiments(Table):
    """Each is played to its own end."""

    def setUp(self):
        super().setUp()
        self.patch(stories, "READ", 1.0)
        self.patch(again, "READ", 1.0)
        self.patch(story, "AFTER", 0.0)

    def play(self, number, at_most=MOST):
        super().play(number, at_most)
        self.assert_nothing_left()

    def test_1_an_idle_server_makes_one_turn_a_second_and_sleeps(self):
        self.patch(stories, "READ", 5.0)
        self.play(1)
        turns, received = self.told(r"made (\d+) turns, and (\d+) bytes")
        self.assertIn(turns, (5, 6))
        self.assertAlmostEqual(10 * turns, received, delta=10)
        ticks = self.of_kind("sent")
        self.assertGreaterEqual(len(ticks), 6)
        for earlier, later in zip(ticks, ticks[1:]):
            self.assertAlmostEqual(1.0, later.time - earlier.time, delta=0.1)

    def test_2_half_a_line_waits_in_the_buffer_and_is_one_message_once_it_is_whole(self):
        self.play(2)
        self.assertEqual([b"hel", b"lo\n"], [event.facts["data"] for event in self.of_kind("received")])
        first, second = self.of_kind("received")
        self.assertGreater(second.turn, first.turn)
        self.assertEqual([3, 0], self.told(r"buffer holds (\d+) bytes, (\d+) messages"))
        self.assertEqual([1, "hello", 0], self.told(r"(\d+) message, b'(\w+)'.* holds (\d+) bytes"))
        self.assertEqual([second.turn], [event.turn for event in self.of_kind("sent")])

    def test_3_a_slow_reader_joins_and_leaves_the_write_list_while_the_others_are_served(self):
        self.play(3)
        download = self.of_kind("accepted")[0].facts["connection"]
        sends = [event for event in self.of_kind("sent", "partly sent", "blocked") if event.facts["who"] == download]
        self.assertEqual(stories.DOWNLOAD, sum(event.facts.get("taken", 0) for event in sends))
        asked = [download in [name for name, _ in event.facts["writing"]] for event in self.of_kind("turn")]
        joined = sum(now and not before for before, now in zip(asked, asked[1:]))
        cut, told, rejoined = self.told(
            r"it cut (\d+) sends short(?: and answered EAGAIN to (\d+))?\. #\d+ joined the write list (\d+) times")
        self.assertGreater(joined, 5)
        self.assertGreaterEqual(joined, rejoined)
        self.assertEqual(rejoined, cut + (told or 0))
        answered = {event.facts["who"] for event in self.of_kind("sent")} - {download}
        self.assertEqual(3, len(answered))
        # Who asks is answered in the same turn, whatever the slow one does.
        asked_in = [event.turn for event in self.of_kind("received")]
        answered_in = [event.turn for event in self.of_kind("sent") if event.facts["who"] != download]
        self.assertGreater(len(asked_in), 100)
        self.assertEqual(asked_in, answered_in)

    def test_4_who_is_asked_about_without_need_spins_the_loop_and_the_doctor_names_it(self):
        self.play(4)
        name, = self.told(r"^(#\d+) is connected")
        before, = self.told(r"Before: in [\d.]+ s ([\d,]+) turns")
        meanwhile, = self.told(r"in the write list: in [\d.]+ s ([\d,]+) turns")
        after, = self.told(r"Out of the write list: in [\d.]+ s ([\d,]+) turns")
        self.assertLess(before, 5)
        self.assertGreater(meanwhile, 1000)
        self.assertLess(after, 5)
        self.assertEqual([("spinning", 1)], [(finding.malady, finding.sentence.count(f"{name} is watched for writing"))
                                             for finding in self.doctor.findings])
        self.assertIn("watcher.cancel()", self.doctor.findings[0].missing)

    def test_4_a_connection_that_is_reset_meanwhile_takes_its_watcher_with_it(self):
        self.controls.experiment(4)
        self.turn_until(lambda: self.of_kind("turn")[-1:] and [
            event for event in self.of_kind("turn")[-1:] if event.facts["writing"]])
        self.controls.reset(self.told(r"^(#\d+) is connected")[0])
        self.turn_until(lambda: self.stage._ended)
        self.assert_nothing_left()

    def test_5_end_of_file_unheard_spins_and_heard_closes_in_the_next_turn(self):
        self.play(5)
        empty, turns = self.told(r"b'' ([\d,]+) times in ([\d,]+) turns")
        self.assertGreater(empty, 1000)
        self.assertAlmostEqual(turns, empty, delta=3)
        finding, = self.doctor.findings
        self.assertEqual("spinning", finding.malady)
        self.assertIn("Deaf.on_readable", finding.sentence)
        ended, closed, more = self.told(r"in turn ([\d,]+):.* closed in turn ([\d,]+)\. .* made (\d+) turns more")
        self.assertEqual(ended + 1, closed)
        self.assertLess(more, 5)

    def test_6_the_queue_of_who_does_not_read_is_handled_as_chosen(self):
        self.play(6)
        spoke, silent, dropped, nothing = self.told(
            r"^Nobody .* spoke (\d+) times and found no room (\d+) times; (\d+) .* At most ([\d,]+)")
        self.assertEqual((40, 0, 0), (spoke, silent, dropped))
        self.assertGreater(nothing, 2 * servers.MARK)
        all_of_it = 40 * len(stories.WORDS)
        for policy, fate, whole in (("Pause", "still there", False), ("Drop", "still there", True),
                                    ("Disconnect", "disconnected", True)):
            silent, dropped, is_fate, received, most = self.told(
                "^" + policy + r" .* no room (\d+) times; (\d+) pieces were dropped; #\d+ (?:was|is) ([\w ]+)\. "
                r".* got ([\d,]+) bytes.* At most ([\d,]+)")
            with self.subTest(policy):
                self.assertEqual((fate, policy == "Pause", policy == "Drop"), (is_fate, silent > 0, dropped > 0))
                self.assertEqual(whole, received == all_of_it)
                self.assertLessEqual(most, servers.MARK + 2 * len(stories.WORDS))
                self.assertGreater(most, servers.MARK)
        self.assertEqual({"growing"}, {finding.malady for finding in self.doctor.findings})

    def test_7_the_kernel_connects_who_nobody_accepts_and_one_turn_accepts_them_all(self):
        self.patch(stories, "BACKLOG", stories.CLIENTS)  # so that nobody has to try again, which takes a second
        self.play(7)
        self.assertEqual([8, 8, 0], self.told(r"Of (\d+) clients (\d+) are connected: .* accepted (\d+)"))
        turns = {event.turn for event in self.of_kind("accepted")}
        self.assertEqual(8, len(self.of_kind("accepted")))
        self.assertEqual(1, len(turns))
        self.assertEqual([*turns, 8], self.told(r"In turn (\d+) it accepted (\d+) clients"))

    @unittest.skipUnless(sys.platform == "linux", "other kernels count otherwise")
    def test_7_of_a_backlog_of_five_linux_completes_six(self):
        self.controls.experiment(7)
        self.turn_until(lambda: self.notes[-1:] and "goes on, from" in self.notes[-1])
        self.assertEqual([5, 8, 6, 0],
                         self.told(r"backlog of (\d+)\. Of (\d+) clients (\d+) are connected: .* accepted (\d+)"))
        self.assertEqual(6, self.told(r"In turn \d+ it accepted (\d+) clients")[0])
        self.controls.end_experiment()
        self.assert_nothing_left()

    def test_9_a_close_destroys_the_answer_that_half_close_and_drain_deliver(self):
        self.play(9)
        received, offered, how = self.told(r"^Closed at once.*: ([\d,]+) of ([\d,]+) bytes .* then: (.*)\.$")
        self.assertLess(received, offered)
        gone = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
        self.assertTrue(any(f"Errno {code}]" in how for code in gone), how)
        received, how = self.told(r"^Half-closed.*: ([\d,]+) of .* then: ([\w ]+)")
        self.assertEqual((offered, "the end of file"), (received, how))
        half_closed = self.of_kind("half-closed")[0]
        after = [event for event in self.of_kind("received") if event.time > half_closed.time]
        self.assertGreater(sum(event.facts["size"] for event in after), stories.UPLOAD // 2)

    def test_10_the_recording_is_opened_and_run_again_and_one_changed_line_diverges(self):
        self.shorten_the_download()
        self.controls.experiment(10)
        self.turn_until(lambda: self.stage._ended)
        listener, = self.told(
            r"nothing changed: same: [\d,]+ events .* with\n.* --only (\d+) --rerun demos.scope.servers:Download")
        self.told(r"one line changed.*: turn \d+: recorded a send of 65,536 on #\d+, the program offered 16,384\. .*"
                  f"\n.* --only {listener} --rerun demos.scope.servers:SmallerPieces")
        replay = self.controls.replay
        self.assertGreater(replay.turns, 5)
        self.assertEqual(replay.first, replay.frame(replay.first)["turn"])
        self.controls.close_replay()
        self.assert_nothing_left()

    def test_10_does_not_touch_a_recording_that_runs_already(self):
        self.controls.record(True)
        self.controls.experiment(10)
        self.turn_until(lambda: self.stage._ended)
        self.told("A recording is running")
        self.assertTrue(self.controls.tape.is_on)
        self.controls.record(False)
        self.assert_nothing_left()

    def test_10_leaves_a_recording_alone_that_somebody_begins_after_its_own(self):
        self.shorten_the_download()
        self.controls.experiment(10)
        self.turn_until(lambda: self.notes[-1:] and "were recorded" in self.notes[-1])
        self.controls.record(True)
        self.controls.end_experiment()
        self.assertTrue(self.controls.tape.is_on)
        self.controls.record(False)
        self.controls.close_replay()
        self.assert_nothing_left()

    def shorten_the_download(self):
        self.patch(servers, "DOWNLOAD", 512 * 1024)
        self.patch(stories, "DOWNLOAD", 512 * 1024)


class TestBlocking(Table):
    """The one that is about real time."""

    jumps = False

    def test_8_a_callback_that_blocks_stops_both_loops_and_a_thread_does_not(self):
        for name, seconds in (("READ", 0.02), ("MOMENT", 0.02), ("TICK", 0.03)):
            self.patch(stories, name, seconds)
        self.patch(story, "AFTER", 0.0)
        self.patch(servers, "BLOCK", 0.3)
        self.play(8)
        wide = [event for event in self.of_kind("ran") if event.facts["milliseconds"] > 250]
        self.assertEqual(1, len(wide))
        self.assertRegex(wide[0].facts["callback"], r"^#\d+ on_readable$")
        self.assertEqual(["slow"], [finding.malady for finding in self.doctor.findings])
        took, late = self.told(r"took ([\d.]+) s\. A timer of 0.03 s was ([\d.]+) s late")
        self.assertGreaterEqual(float(took), 0.3)
        self.assertGreater(float(late), 0.2)
        took, late = self.told(r"In a thread the answer took ([\d.]+) s too.* than (\d+) ms late")
        self.assertGreaterEqual(float(took), 0.3)
        self.assertLess(late, 200)
        self.assert_nothing_left()


class TestEndedInTheMiddle(Table):
    """Whatever an experiment has said last, it can be ended then."""

    MOMENTS = 4

    def setUp(self):
        super().setUp()
        self.patch(stories, "READ", 0.5)
        self.patch(again, "READ", 0.5)
        self.patch(stories, "MOMENT", 0.3)
        self.patch(servers, "BLOCK", 0.02)
        self.patch(stories, "BACKLOG", stories.CLIENTS)
        self.patch(servers, "DOWNLOAD", 512 * 1024)
        self.patch(stories, "DOWNLOAD", 512 * 1024)

    def end_everywhere(self, number):
        self.play(number)
        self.assert_nothing_left()
        count = len(self.notes)
        for place in sorted({count * part // self.MOMENTS for part in range(self.MOMENTS)}):
            self.notes.clear()
            self.controls.experiment(number)
            self.turn_until(lambda: len(self.notes) > place)  # noqa: B023
            self.controls.end_experiment()
            self.assertIsNone(self.stage)
            self.assert_nothing_left()

    def test_another_one_ends_the_one_that_runs(self):
        for number in (3, 7, 6, 5):
            self.controls.experiment(number)
            self.turn_until(lambda: self.of_kind("accepted"))
            self.events.clear()
        self.controls.end_experiment()
        self.assert_nothing_left()

    def test_while_the_loop_is_held_the_story_waits_and_its_clients_do_not(self):
        self.controls.experiment(2)
        self.turn_until(lambda: any("has connected" in note for note in self.notes))
        self.controls.pause()
        calls = iter(range(50))
        self.turn_until(lambda: next(calls, None) is None)
        self.assertIn("has connected", self.notes[-1])
        self.controls.resume()
        self.turn_until(lambda: self.stage._ended)
        self.told("buffer holds 3 bytes")
        self.assert_nothing_left()

    def test_what_was_held_by_somebody_else_stays_held(self):
        self.play(7)
        self.controls.pause()
        self.controls.end_experiment()
        self.assertTrue(self.gate.paused)
        self.controls.resume()
        self.assert_nothing_left()


for experiment in EXPERIMENTS:
    setattr(TestEndedInTheMiddle, f"test_{experiment.id}_leaves_nothing_behind",
            lambda self, number=experiment.id: self.end_everywhere(number))


class TestStory(Table):
    """What all of them have in common."""

    def test_what_does_not_come_ends_it_after_a_while(self):
        def tell(story):
            story.connect(Side(), Server(story, Side))
            yield lambda: False
        self.begin(tell)
        self.turn_until(lambda: self.stage._ended)
        self.assertIn("did not come within 20 seconds", self.notes[-1])
        self.assert_nothing_left()

    def test_after_the_last_note_all_stays_open_for_a_while_so_that_it_is_seen(self):
        def tell(telling):
            Server(telling, Side)
            yield 0.1
            telling.note("seen")
        self.begin(tell)
        self.turn_until(lambda: self.stage.text == "seen")
        began = self.reactor.time()
        self.assertEqual(1, len(self.reactor.endpoints))
        self.turn_until(lambda: self.stage._ended)
        self.assertAlmostEqual(story.AFTER, self.reactor.time() - began, delta=0.5)
        self.assertEqual("seen The experiment is over.", self.notes[-1])
        self.assert_nothing_left()

    def test_a_command_at_the_end_of_a_note_keeps_its_line(self):
        def tell(telling):
            telling.note("Do it yourself with\npython3 -m demos")
            yield 0.1
        self.begin(tell)
        self.turn_until(lambda: self.stage._ended)
        self.assertEqual("Do it yourself with\npython3 -m demos\nThe experiment is over.", self.notes[-1])

    def test_one_that_fails_ends_is_logged_and_says_so(self):
        def tell(story):
            Server(story, Side)
            yield 0.1
            raise OSError("no more sockets")
        self.begin(tell)
        with self.assertLogs("reactor", logging.ERROR):
            self.turn_until(lambda: self.stage._ended)
        self.assertEqual("This experiment ended early: no more sockets", self.notes[-1])
        self.assert_nothing_left()

    def test_one_that_cannot_begin_is_refused(self):
        def tell(story):
            raise OSError("no more sockets")
            yield
        with self.assertRaisesRegex(Refused, "no more sockets"):
            self.begin(tell)
        self.assert_nothing_left()

    def test_a_client_that_is_refused_knows_it(self):
        seen = []

        def tell(story):
            with socket.socket() as nobody:
                nobody.bind(("127.0.0.1", 0))
                server = Side()
                server.port = nobody.getsockname()[1]
                client = story.connect(Side(), server)
                yield lambda: client.ended
            seen.append(client.why)
        self.begin(tell)
        self.turn_until(lambda: self.stage._ended)
        self.assertEqual(errno.ECONNREFUSED, seen[0].errno)
        self.assert_nothing_left()

    def begin(self, tell):
        self.controls.experiments = [EXPERIMENTS[0]._replace(tell=tell)]
        self.controls.experiment(1)


class TestMenu(Case):
    """The texts."""

    def test_there_are_ten_each_told_in_a_few_short_sentences(self):
        self.assertEqual(list(range(1, 11)), [experiment.id for experiment in EXPERIMENTS])
        for experiment in EXPERIMENTS:
            for text in (experiment.do, experiment.look, experiment.shows):
                with self.subTest(experiment.title, text=text):
                    self.assertTrue(text.endswith("."))
                    self.assertLess(len(text), 400)
                    self.assertLessEqual(len(re.findall(r"[.?] |\.$", text)), 4)
