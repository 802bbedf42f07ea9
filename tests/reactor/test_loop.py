"""Registration, one turn, dispatch, what happens to exceptions, and the life of a loop."""
import gc
import logging
import os
import select
import socket
import sys
import tempfile
import unittest
import weakref

from reactor import EventLoop, loop as loop_module
from reactor.endpoint import Endpoint, describe
from reactor.loop import ASLEEP
from reactor.testing import FakeClock, run_turns
from tests.case import Case, Recorder, reset, scheduled, unwatch, watched

try:
    import fcntl
except ImportError:
    fcntl = None


class Scripted:
    """A select that answers from a list, and notes what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, readers, writers, third, timeout):
        self.asked.append((list(readers), list(writers), list(third), timeout))
        answer = self.answers.pop(0) if self.answers else ([], [], [])
        if isinstance(answer, Exception):
            raise answer
        return answer


class LoopCase(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.ran = []

    def note(self, what):
        self.ran.append(what)

    def ready_pair(self):
        """A pair of which ours is readable (and writable, as always)."""
        ours, peer = self.pair()
        peer.send(b"x")
        return ours, peer


class TestRegistration(LoopCase):

    def test_select_is_asked_with_lists_that_it_cannot_spoil(self):
        """Edge case 1: ours are master copies, made anew only when somebody comes or goes."""
        scripted = Scripted()
        loop = EventLoop(select=scripted, clock=FakeClock())
        ours, _ = self.pair()
        watcher = loop.add_reader(ours, int)
        loop.turn(0)
        asked = loop.asked
        loop.turn(0)
        self.assertIs(asked, loop.asked)
        loop.add_writer(ours, int)
        loop.turn(0)
        watcher.cancel()
        loop.turn(0)
        fd = ours.fileno()
        self.assertEqual([([fd], [], [], 0), ([fd], [], [], 0), ([fd], [fd], [], 0), ([], [fd], [], 0)], scripted.asked)

    @unittest.skipUnless(fcntl, "no way to choose a descriptor's number")
    def test_a_descriptor_beyond_what_select_holds_is_refused_by_name(self):
        """Edge cases 2 and 3: select itself is asked about a higher number than it has held before."""
        ours, peer = self.pair()
        high = fcntl.fcntl(ours.fileno(), fcntl.F_DUPFD, 1024)
        self.addCleanup(os.close, high)
        for add in (self.reactor.add_reader, self.reactor.add_writer):
            with self.assertRaisesRegex(ValueError, str(high)):
                add(high, int)
        with socket.socket(fileno=os.dup(high)) as low:
            self.reactor.add_reader(low, int).cancel()
        self.reactor.turn(0)

    @unittest.skipUnless(fcntl, "no way to choose a descriptor's number")
    def test_the_highest_number_that_select_holds_is_taken(self):
        """Edge case 2."""
        ours, peer = self.pair()
        high = fcntl.fcntl(ours.fileno(), fcntl.F_DUPFD, 1023)
        self.addCleanup(os.close, high)
        if high != 1023:
            self.skipTest("1023 is in use")
        watcher = self.reactor.add_reader(high, self.note, "ready")
        peer.send(b"x")
        self.reactor.turn(0)
        watcher.cancel()
        self.assertEqual(["ready"], self.ran)

    def test_a_closed_socket_is_refused(self):
        """Edge case 5: its descriptor is -1."""
        ours, _ = self.pair()
        ours.close()
        with self.assertRaises(ValueError):
            self.reactor.add_reader(ours, int)

    def test_a_closed_number_is_refused(self):
        """Edge case 6."""
        ours, _ = self.pair()
        number = ours.fileno()
        self.reactor.add_reader(ours, int).cancel()
        ours.close()
        with self.assertRaisesRegex(ValueError, str(number)):
            self.reactor.add_reader(number, int)

    def test_what_has_no_descriptor_is_refused_with_a_type_error(self):
        """Edge case 7: at once, and not by select in the next turn."""
        class Odd:
            def fileno(self):
                return "seven"
        for source in (object(), None, "socket", Odd()):
            with self.subTest(source=source), self.assertRaises(TypeError):
                self.reactor.add_reader(source, int)
        self.reactor.turn(0)

    def test_a_descriptor_that_is_watched_already_is_refused_by_name(self):
        """Edge case 10: asyncio replaces the first watcher in silence."""
        ours, _ = self.pair()
        first = self.reactor.add_reader(ours, self.note, "first")
        with self.assertRaisesRegex(RuntimeError, f"{ours.fileno()} .*note"):
            self.reactor.add_reader(ours, self.note, "second")
        first.cancel()
        self.reactor.add_reader(ours, self.note, "third").cancel()

    def test_reader_and_writer_of_one_socket_are_independent(self):
        """Edge case 11."""
        ours, peer = self.ready_pair()
        reader = self.reactor.add_reader(ours, self.note, "reader")
        writer = self.reactor.add_writer(ours, self.note, "writer")
        self.reactor.turn(0)
        writer.cancel()
        self.reactor.turn(0)
        reader.cancel()
        self.reactor.turn(0)
        self.assertTrue(reader.cancelled())
        self.assertEqual(["reader", "writer", "reader"], self.ran)

    def test_a_transports_socket_is_refused(self):
        """Edge case 12."""
        ours, _ = self.pair()
        self.reactor.adopt(Recorder, ours)
        self.reactor.turn(0)
        with self.assertRaisesRegex(RuntimeError, "already watched, by #1"):
            self.reactor.add_reader(ours, int)

    def test_each_number_is_asked_about_once(self):
        """Edge case 13: select answers duplicates twice; a dictionary has none."""
        scripted = Scripted()
        loop = EventLoop(select=scripted)
        ours, _ = self.pair()
        for _ in range(3):
            loop.add_reader(ours, int).cancel()
        loop.add_reader(ours, int)
        loop.turn(0)
        self.assertEqual([ours.fileno()], scripted.asked[0][0])

    def test_a_reactor_never_asks_with_three_empty_lists(self):
        """Edge case 14: Windows refuses them; the wake-up socket is always there."""
        self.assertEqual(1, len(watched(self.reactor)[0]))

    def test_a_bare_loop_with_nothing_to_watch_sleeps_until_its_timer(self):
        """Edge case 14."""
        clock = FakeClock()
        loop = EventLoop(select=clock.select, clock=clock)
        loop.call_later(5, self.note, "timer")
        loop.turn()
        self.assertEqual((["timer"], 1005), (self.ran, clock.now))

    def test_windows_asks_about_writers_in_the_third_list_too(self):
        """Edge case 16: there a connection that failed shows in the third list alone."""
        self.patch(loop_module, "WINDOWS", True)
        ours, _ = self.pair()
        fd = ours.fileno()
        scripted = Scripted(([], [], [fd]), ([], [fd], [fd]))
        loop = EventLoop(select=scripted)
        loop.add_writer(ours, self.note, "writer")
        loop.turn(0)
        loop.turn(0)
        self.assertEqual(["writer"] * 2, self.ran, "once a turn, however many lists name it")
        self.assertEqual(([], [fd], [fd], 0), scripted.asked[0])

    def test_urgent_data_is_not_watched_for_and_does_not_spin(self):
        """Edge case 17: on Linux the third list means urgent data, which nobody here reads."""
        listener = self.reactor.listen(lambda: self.protocol, port=0)
        self.protocol = Recorder()
        client = self.client_of(listener)
        run_turns(self.reactor, lambda: self.protocol.calls)
        client.send(b"!", socket.MSG_OOB)
        self.assert_quiet(self.reactor)
        client.send(b"after")
        run_turns(self.reactor, lambda: self.protocol.data == b"after")

    @unittest.skipIf(sys.platform == "win32", "there select refuses files")
    def test_a_file_is_always_ready(self):
        """Edge case 18: documented as left out; nothing breaks, but a loop that watches one never sleeps."""
        with tempfile.TemporaryFile() as file:
            self.reactor.add_reader(file, self.note, "file")
            self.reactor.turn(0)
            self.reactor.turn(0)
            unwatch(self.reactor, file)
        self.assertEqual(["file"] * 2, self.ran)

    def test_ready_but_nothing_to_read_is_no_error(self):
        """Edge case 20: select may be wrong; recv has the last word."""
        ours, _ = self.pair()
        scripted = Scripted(([], [], []), ([ours.fileno()], [], []))
        reactor = self.open_reactor(select=scripted)
        _, protocol = reactor.adopt(Recorder, ours)
        for _ in range(4):  # connection_lost would come a turn later
            reactor.turn(0)
        self.assertEqual(["connection_made"], protocol.calls)

    def test_end_of_file_is_found_by_recv(self):
        """Edge case 22: a peer that closed makes its socket readable and writable, no more."""
        ours, peer = self.pair()
        peer.close()
        readable, writable, failed = select.select([ours], [ours], [ours], 0)
        self.assertEqual(([ours], [ours]), (readable, writable))
        _, protocol = self.reactor.adopt(Recorder, ours)
        run_turns(self.reactor)
        self.assertEqual(["connection_made", "eof_received", "connection_lost"], protocol.calls)


class TestMending(LoopCase):
    """A socket closed behind the loop's back."""

    def test_the_culprit_is_named_and_dropped_and_the_others_go_on(self):
        """Edge cases 5, 6 and 8."""
        good, peer = self.ready_pair()
        bad, _ = self.pair()
        self.reactor.add_reader(bad, self.note, "bad")
        self.reactor.add_writer(bad, self.note, "bad")
        self.reactor.add_reader(good, self.note, "good")
        number = bad.fileno()
        bad.close()
        with self.assertLogs("reactor", "ERROR") as logged:
            self.assertEqual(0, self.reactor.turn(0))
        self.assertEqual(2, len(logged.output))
        for line in logged.output:
            self.assertIn("note", line)
            self.assertIn(f"descriptor {number} was closed", line)
        self.reactor.turn(0)
        self.assertEqual(["good"], self.ran)
        unwatch(self.reactor, good)

    def test_a_transport_whose_socket_is_gone_loses_its_connection(self):
        """Edge case 5: the protocol hears of it, once."""
        ours, _ = self.pair()
        _, protocol = self.reactor.adopt(Recorder, ours)
        self.reactor.turn(0)
        ours.close()
        with self.assertLogs("reactor", "ERROR") as logged:
            run_turns(self.reactor)
        self.assertEqual(1, len(logged.output))
        self.assertEqual(["connection_made", "connection_lost"], protocol.calls)
        self.assertIsInstance(protocol.lost[0], OSError)
        self.assertEqual(set(), self.reactor.endpoints)

    def test_a_listener_whose_socket_is_gone_does_not_end_the_loop(self):
        """Edge case 8: it is named although it has no address any more."""
        listener = self.reactor.listen(Recorder, port=0)
        self.reactor.turn(0)
        listener._sockets[0].close()
        with self.assertLogs("reactor", "ERROR") as logged:
            self.reactor.turn(0)
        self.assertIn("#1", logged.output[0])
        self.assert_quiet(self.reactor)

    def test_where_no_culprit_is_found_the_error_is_raised(self):
        """Edge case 8: going on would spin."""
        problem = OSError(22, "select does not feel well")
        reactor = self.open_reactor(select=Scripted(problem))
        with self.assertRaises(OSError) as caught:
            reactor.turn(0)
        self.assertIs(problem, caught.exception)

    def test_who_leaves_while_select_sleeps_does_not_end_the_loop(self):
        """Edge cases 6 and 157: a signal's handler runs inside select, which then goes on with what it was asked."""
        def leave_behind(answer):
            def select(readers, writers, third, timeout):
                if watchers:
                    watchers.pop().cancel()
                    ours.close()
                    if isinstance(answer, Exception):
                        raise answer
                    return [answer], [], []
                return [], [], []
            return select
        for closed in (True, False):
            for add in ("add_reader", "add_writer"):
                with self.subTest(closed=closed, add=add):
                    ours, _ = self.pair()
                    reactor = self.open_reactor(
                        select=leave_behind(OSError(9, "a bad descriptor") if closed else ours.fileno()))
                    watchers = [getattr(reactor, add)(ours, self.note, "never")]
                    self.assertEqual([0, 0], [reactor.turn(0), reactor.turn(0)])
        self.assertEqual([], self.ran)

    def test_an_answer_that_was_never_asked_for_is_raised(self):
        """Edge case 8."""
        with self.assertRaises(KeyError):
            self.open_reactor(select=Scripted(([77], [], []))).turn(0)

    def test_a_watcher_cancelled_while_others_are_mended_is_not_blamed(self):
        """Edge case 8: one connection, watched in both directions, is one line."""
        ours, peer = self.pair(4096)
        transport, protocol = self.reactor.adopt(Recorder, ours)
        self.reactor.turn(0)
        transport.write(bytes(10 ** 6))
        self.assertIn(ours.fileno(), watched(self.reactor)[1])
        ours.close()
        with self.assertLogs("reactor", "ERROR") as logged:
            self.reactor.turn(0)
        self.assertEqual(1, len(logged.output))
        run_turns(self.reactor)
        self.assertEqual(1, len(protocol.lost))


class TestDispatch(LoopCase):

    def test_a_watcher_removed_by_another_of_the_same_turn_is_not_called(self):
        """Edge case 23."""
        (first, _), (second, _) = self.ready_pair(), self.ready_pair()
        self.reactor.add_reader(first, lambda: unwatch(self.reactor, second) and self.note("first"))
        self.reactor.add_reader(second, self.note, "second")
        self.assertEqual(2, self.reactor.turn(0))
        self.assertEqual(["first"], self.ran)
        unwatch(self.reactor, first)

    def test_a_connection_that_closes_itself_while_reading_is_not_called_to_write(self):
        """Edge case 24."""
        ours, peer = self.pair(4096)
        transport, protocol = self.reactor.adopt(
            lambda: Recorder(data_received=lambda protocol, data: protocol.transport.abort()), ours)
        self.reactor.turn(0)
        transport.write(bytes(10 ** 6))
        peer.send(b"x")
        while not select.select([], [ours], [], 0)[1]:
            peer.recv(10 ** 6)
        self.assertEqual(2, self.reactor.turn(0), "readable and writable in one turn")
        sent_before = len(protocol.calls)
        run_turns(self.reactor)
        self.assertEqual("connection_lost", protocol.calls[-1])
        self.assertEqual(sent_before + 1, len(protocol.calls))

    def test_a_number_reused_within_the_turn_gets_nothing_stale(self):
        """Edge cases 9 and 25: the old watcher is skipped, the new one waits for a select of its own."""
        (first, _), (old, _) = self.ready_pair(), self.ready_pair()
        number = old.fileno()
        made = []

        def swap():
            unwatch(self.reactor, first)
            unwatch(self.reactor, old)
            old.close()
            new, peer = self.pair()
            while number not in (new.fileno(), peer.fileno()):
                made.append((new, peer))
                new, peer = self.pair()
            new = new if new.fileno() == number else peer
            made.append(self.reactor.add_reader(new, self.note, "new"))
        self.reactor.add_reader(first, swap)
        self.reactor.add_reader(old, self.note, "old")
        self.assertEqual(2, self.reactor.turn(0))
        self.assertEqual([], self.ran)
        self.reactor.turn(0)
        self.assertEqual([], self.ran, "the new one has nothing to read")
        made[-1].cancel()

    def test_a_transport_on_a_number_reused_within_the_turn_gets_nothing_stale(self):
        """Edge case 25, with connections: one is closed by another's callback, a third takes its number."""
        protocols = {}

        def replace(protocol, data):
            protocols["old"].transport.abort()
        (first, _), (old, _) = self.ready_pair(), self.ready_pair()
        protocols["first"] = self.reactor.adopt(lambda: Recorder(data_received=replace), first)[1]
        protocols["old"] = self.reactor.adopt(Recorder, old)[1]
        run_turns(self.reactor)
        self.assertEqual(b"", protocols["old"].data)
        new, peer = self.pair()
        protocols["new"] = self.reactor.adopt(Recorder, new)[1]
        run_turns(self.reactor)
        self.assertEqual((["connection_made"], b""), (protocols["new"].calls, protocols["new"].data))

    def test_a_watcher_added_in_a_turn_waits_for_the_next_select(self):
        """Edge case 26."""
        (first, _), (second, _) = self.ready_pair(), self.ready_pair()

        def add():
            unwatch(self.reactor, first)
            self.reactor.add_reader(second, self.note, "second")
        self.reactor.add_reader(first, add)
        self.reactor.turn(0)
        self.assertEqual([], self.ran)
        self.reactor.turn(0)
        self.assertEqual(["second"], self.ran)
        unwatch(self.reactor, second)

    def test_what_callbacks_schedule_runs_in_the_next_turn(self):
        """Edge case 27: so a callback that always schedules another does not starve the sockets."""
        ours, _ = self.ready_pair()

        def again():
            self.note("again")
            self.reactor.call_soon(again)
        self.reactor.call_soon(again)
        self.reactor.add_reader(ours, self.note, "reader")
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(["again", "reader"] * 2, self.ran)
        unwatch(self.reactor, ours)

    def test_a_turn_runs_what_waits_then_readers_then_writers_then_timers(self):
        """Edge case 28."""
        ours, _ = self.ready_pair()
        self.reactor.call_later(0, self.note, "timer")
        self.reactor.add_writer(ours, self.note, "writer")
        self.reactor.add_reader(ours, self.note, "reader")
        self.reactor.call_soon(self.note, "soon")
        self.assertEqual(2, self.reactor.turn(0))
        self.assertEqual(["soon", "reader", "writer", "timer"], self.ran)
        unwatch(self.reactor, ours)
        unwatch(self.reactor, ours)

    def test_readers_run_in_the_order_of_their_registration(self):
        """Edge case 29."""
        pairs = [self.ready_pair() for _ in range(5)]
        pairs.reverse()
        for number, (ours, _) in enumerate(pairs):
            self.reactor.add_reader(ours, self.note, number)
        self.reactor.turn(0)
        for ours, _ in pairs:
            unwatch(self.reactor, ours)
        self.assertEqual(list(range(5)), self.ran)

    def test_a_cancelled_callback_does_not_run(self):
        first = self.reactor.call_soon(self.note, "first")
        self.reactor.call_soon(lambda: third.cancel())
        third = self.reactor.call_soon(self.note, "third")
        first.cancel()
        self.reactor.turn(0)
        self.assertEqual([], self.ran)

    def test_callbacks_run_in_the_order_of_the_calls_and_with_their_arguments(self):
        for number in range(5):
            self.reactor.call_soon(self.note, number)
        self.assertTrue(scheduled(self.reactor))
        self.reactor.turn()
        self.assertFalse(scheduled(self.reactor))
        self.assertEqual(list(range(5)), self.ran)

    def test_accepting_many_leaves_time_for_those_already_served(self):
        """Edge case 42: accepts are bounded for each turn, and readers keep their places."""
        listener = self.reactor.listen(Recorder, port=0)
        clients = [self.client_of(listener) for _ in range(70)]
        self.reactor.turn(0)
        self.assertEqual(64, listener.connections)
        self.reactor.turn(0)
        self.assertEqual(len(clients), listener.connections)


class Unprintable(Exception):

    def __repr__(self):
        raise RuntimeError("not even this works")

    __str__ = __repr__


class TestPolicyForExceptions(LoopCase):

    def test_an_exception_is_logged_with_its_callback_and_the_batch_goes_on(self):
        """Edge case 30."""
        ours, _ = self.ready_pair()
        self.reactor.call_soon(self.raise_it)
        self.reactor.call_soon(self.note, "soon")
        self.reactor.add_reader(ours, self.raise_it)
        self.reactor.add_writer(ours, self.note, "writer")
        with self.assertLogs("reactor", "ERROR") as logged:
            self.reactor.turn(0)
        unwatch(self.reactor, ours)
        unwatch(self.reactor, ours)
        self.assertEqual(["soon", "writer"], self.ran)
        self.assertEqual(2, len(logged.output))
        self.assertIn("TestPolicyForExceptions.raise_it", logged.output[0])
        self.assertIn("Traceback", logged.output[0])

    def raise_it(self):
        raise ValueError("on purpose")

    def test_an_exception_ends_its_own_connection_and_no_other(self):
        """Edge case 30."""
        (bad, _), (good, _) = self.ready_pair(), self.ready_pair()
        _, bad_protocol = self.reactor.adopt(lambda: Recorder(data_received=lambda *args: 1 / 0), bad)
        _, good_protocol = self.reactor.adopt(Recorder, good)
        with self.assertLogs("reactor", "ERROR"):
            run_turns(self.reactor)
        self.assertIsInstance(bad_protocol.lost[0], ZeroDivisionError)
        self.assertEqual(["connection_made", "data_received"], good_protocol.calls)

    def test_keyboard_interrupt_leaves_run_and_nothing_that_waited_is_forgotten(self):
        """Edge case 31."""
        for problem in (KeyboardInterrupt, SystemExit):
            with self.subTest(problem=problem):
                self.ran = []
                ours, _ = self.ready_pair()

                def leave():
                    raise problem
                self.reactor.call_soon(self.note, "before")
                self.reactor.call_soon(leave)
                self.reactor.call_soon(self.note, "after")
                self.reactor.add_reader(ours, self.note, "reader")
                with self.assertRaises(problem):
                    self.reactor.run()
                self.assertEqual(["before"], self.ran)
                self.reactor.stop()
                self.reactor.run()
                self.assertEqual(["before", "after", "reader"], self.ran)
                unwatch(self.reactor, ours)

    def test_an_exception_that_cannot_be_printed_does_not_end_the_loop(self):
        """Edge case 32: the handling of an error must not be one more way to die."""
        def bad():
            raise Unprintable
        for observer in (None, lambda event: None):
            self.reactor.observer = observer
            self.reactor.call_soon(bad)
            self.reactor.call_soon(self.note, "after")
            self.expected_log(lambda: self.reactor.turn(0))
        self.assertEqual(["after"] * 2, self.ran)

    def expected_log(self, action):
        # assertLogs formats each record, which is just what cannot be done here.
        logger = logging.getLogger("reactor")
        before, logger.handlers = logger.handlers, [logging.NullHandler()]
        try:
            action()
        finally:
            logger.handlers = before

    def test_a_callback_that_cannot_be_printed_does_not_end_the_loop(self):
        """Edge case 32."""
        class Callback:
            def __call__(self):
                raise ValueError("on purpose")

            def __repr__(self):
                raise RuntimeError("not even this works")
        self.reactor.call_soon(Callback())
        self.reactor.call_soon(self.note, "after")
        self.expected_log(lambda: self.reactor.turn(0))
        self.assertEqual(["after"], self.ran)

    def test_call_now_keeps_exceptions_inside(self):
        """Edge case 30."""
        with self.assertLogs("reactor", "ERROR"):
            self.reactor.call_now(self.raise_it)
        self.reactor.call_now(lambda: self.note("now"))
        self.assertEqual(["now"], self.ran)

    def test_after_an_error_nothing_keeps_the_connection_alive(self):
        """Edge case 41: no cycle, so the protocol is gone without the garbage collector."""
        if not hasattr(sys, "getrefcount"):
            self.skipTest("this Python does not count references")
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        ours, peer = self.ready_pair()
        transport, protocol = self.reactor.adopt(lambda: Recorder(data_received=lambda *args: 1 / 0), ours)
        alive = weakref.ref(protocol)
        protocol.connection_lost = lambda exc: None  # a Recorder would keep the exception, and so every frame
        self.expected_log(lambda: run_turns(self.reactor))
        del transport, protocol
        self.assertIsNone(alive())


class TestRunning(LoopCase):

    def test_run_inside_run_is_refused(self):
        """Edge case 34."""
        def inner():
            with self.assertRaisesRegex(RuntimeError, "already running"):
                self.reactor.run()
            self.note("refused")
            self.reactor.stop()
        self.reactor.call_soon(inner)
        self.reactor.run()
        self.assertEqual(["refused"], self.ran)

    def test_stop_finishes_the_turn_and_what_it_schedules_waits_for_the_next_run(self):
        """Edge case 35."""
        self.reactor.call_soon(self.reactor.stop)
        self.reactor.call_soon(self.note, "same turn")
        self.reactor.call_soon(self.reactor.call_soon, self.note, "next turn")
        self.reactor.run()
        self.assertEqual(["same turn"], self.ran)
        self.reactor.turn(0)
        self.assertEqual(["same turn", "next turn"], self.ran)

    def test_stop_before_run_lets_one_turn_pass(self):
        """Edge case 36."""
        self.reactor.call_soon(self.note, "one turn")
        self.reactor.stop()
        before = self.reactor.turns
        self.reactor.run()
        self.assertEqual((["one turn"], 1), (self.ran, self.reactor.turns - before))

    def test_stop_before_run_does_not_sleep_first(self):
        """Edge case 36."""
        scripted = Scripted()
        reactor = self.open_reactor(select=scripted)
        reactor.stop()
        reactor.run()
        self.assertEqual([0.0], [asked[3] for asked in scripted.asked])

    def test_run_again_after_stop(self):
        """Edge case 37."""
        for _ in range(3):
            self.reactor.call_later(1, self.reactor.stop)
            self.reactor.run()
        self.assertEqual(1003, self.clock.now)

    def test_run_until_returns_after_the_turn_in_which_it_holds(self):
        self.reactor.call_later(1, self.note, "one")
        self.reactor.call_later(2, self.note, "two")
        self.reactor.run(lambda: self.ran)
        self.assertEqual(["one"], self.ran)

    def test_is_idle_when_nothing_can_happen_any_more(self):
        """Edge case 38: run() goes on for ever; run(until=reactor.is_idle) is for scripts."""
        self.assertTrue(self.reactor.is_idle())
        self.reactor.call_later(5, int).cancel()
        self.assertTrue(self.reactor.is_idle())
        timer = self.reactor.call_later(5, int)
        self.assertFalse(self.reactor.is_idle())
        timer.cancel()
        self.reactor.call_soon(int)
        self.assertFalse(self.reactor.is_idle())
        ours, peer = self.pair()
        self.reactor.adopt(lambda: Recorder(data_received=lambda p, data: p.transport.write(data)), ours)
        self.assertFalse(self.reactor.is_idle())
        peer.send(b"hello")
        peer.shutdown(socket.SHUT_WR)
        self.reactor.run(self.reactor.is_idle)
        self.assertEqual(b"hello", peer.recv(10))
        self.assertEqual(b"", peer.recv(10))

    def test_select_interrupted_means_nobody_is_ready(self):
        """Edge case 158: since PEP 475 it can only come from a select that is not Python's own."""
        reactor = self.open_reactor(select=Scripted(InterruptedError(4, "a signal")))
        reactor.call_soon(self.note, "soon")
        self.assertEqual(0, reactor.turn())
        self.assertEqual([], self.ran)
        reactor.turn()
        self.assertEqual(["soon"], self.ran)

    def test_windows_never_sleeps_for_ever(self):
        """Edge case 159: Ctrl-C does not end a select there, so the waits are cut."""
        self.patch(loop_module, "ASLEEP", 0.5)
        scripted = Scripted()
        reactor = self.open_reactor(select=scripted)
        reactor.turn()
        reactor.call_later(60, int)
        reactor.turn()
        reactor.turn(0.1)
        reactor.turn(60)
        self.assertEqual([0.5, 0.5, 0.1, 0.5], [asked[3] for asked in scripted.asked])

    @unittest.skipIf(sys.platform == "win32", "Windows wakes twice a second")
    def test_with_nothing_to_do_the_loop_sleeps_for_ever(self):
        """Edge case 52: no timer means no timeout."""
        self.assertIsNone(ASLEEP)
        scripted = Scripted()
        reactor = self.open_reactor(select=scripted)
        reactor.turn()
        reactor.call_later(1, int).cancel()
        reactor.turn()
        self.assertEqual([None, None], [asked[3] for asked in scripted.asked])


class TestClosing(LoopCase):

    def test_close_aborts_what_is_open_and_tells_the_protocols(self):
        """Edge case 39."""
        ours, _ = self.pair()
        _, protocol = self.reactor.adopt(Recorder, ours)
        listener = self.reactor.listen(Recorder, port=0)
        connector = self.reactor.connect(Recorder, "127.0.0.1", listener.port, on_error=self.note)
        self.reactor.turn(0)
        self.reactor.close()
        self.assertEqual(["connection_made", "connection_lost"], protocol.calls)
        self.assertEqual([None], protocol.lost)
        self.assertEqual(1, len(self.ran))
        self.assertIsInstance(self.ran[0], ConnectionAbortedError)
        self.assertIn("Connector", repr(connector))

    def test_what_ends_together_ends_in_the_order_of_its_birth(self):
        """So that two runs of one program can be compared to their end."""
        ended = []
        for end in (lambda: (self.reactor.shut_down(), run_turns(self.reactor)), self.reactor.close):
            for number in range(20):
                ours, _ = self.pair()
                self.reactor.adopt(lambda number=number: Recorder(
                    connection_lost=lambda protocol, exc: ended.append(number)), ours)
            self.reactor.turn(0)
            end()
        self.assertEqual([*range(20)] * 2, ended)

    def test_a_connection_closed_before_its_first_turn_sees_made_and_lost(self):
        """Edge case 39: the grammar of the callbacks holds even then."""
        ours, _ = self.pair()
        _, protocol = self.reactor.adopt(Recorder, ours)
        self.reactor.close()
        self.assertEqual(["connection_made", "connection_lost"], protocol.calls)

    def test_what_a_last_callback_opens_is_closed_too(self):
        """Edge case 39."""
        (first, _), (second, _) = self.pair(), self.pair()
        late = []
        self.reactor.adopt(lambda: Recorder(connection_lost=lambda protocol, exc: late.append(
            self.reactor.adopt(Recorder, second)[1])), first)
        self.reactor.turn(0)
        self.reactor.close()
        self.assertEqual(["connection_made", "connection_lost"], late[0].calls)
        self.assertEqual(-1, second.fileno())

    def test_close_of_a_running_loop_is_refused(self):
        """Edge case 40."""
        def close():
            with self.assertRaisesRegex(RuntimeError, "stop"):
                self.reactor.close()
            self.note("refused")
            self.reactor.stop()
        self.reactor.call_soon(close)
        self.reactor.run()
        self.assertEqual(["refused"], self.ran)
        self.reactor.call_soon(self.note, "and it still works")
        self.reactor.turn(0)
        self.assertEqual(2, len(self.ran))

    def test_a_closed_loop_refuses_everything(self):
        """Edge case 40."""
        self.reactor.close()
        self.reactor.close()
        ours, _ = self.pair()
        calls = [
            (self.reactor.run,), (self.reactor.turn, 0), (self.reactor.call_soon, int),
            (self.reactor.call_later, 1, int),
            (self.reactor.call_at, 1, int), (self.reactor.call_soon_threadsafe, int),
            (self.reactor.add_reader, ours, int), (self.reactor.add_writer, ours, int),
            (self.reactor.listen, Recorder), (self.reactor.connect, Recorder, "127.0.0.1", 9),
            (self.reactor.adopt, Recorder, ours), (self.reactor.open_datagram, Recorder),
        ]
        for call, *args in calls:
            with self.subTest(call=call.__name__), self.assertRaisesRegex(RuntimeError, "closed"):
                call(*args)
        self.assertEqual(set(), self.reactor.endpoints)

    def test_a_loop_is_a_context_manager(self):
        with EventLoop() as loop:
            loop.call_soon(self.note, "last")
        self.assertTrue(loop.closed)
        self.assertEqual(["last"], self.ran, "what was scheduled is not forgotten")


class TestThreadCheck(LoopCase):

    def test_calls_from_a_wrong_thread_are_refused_while_the_loop_runs(self):
        """Edge case 156: always on, for it is cheap."""
        refused = []
        ours, _ = self.pair()

        def intrude():
            for call, *args in ((self.reactor.call_soon, int), (self.reactor.call_later, 1, int),
                                (self.reactor.add_reader, ours, int), (self.reactor.listen, Recorder),
                                (self.reactor.adopt, Recorder, ours), (self.reactor.open_datagram, Recorder),
                                (self.reactor.connect, Recorder, "127.0.0.1", 9)):
                try:
                    call(*args)
                except RuntimeError as exc:
                    refused.append((call.__name__, "threadsafe" in str(exc)))
        self.in_a_thread(self.reactor, intrude)
        self.assertEqual([(name, True) for name in ("call_soon", "call_later", "add_reader", "listen", "adopt",
                                                    "open_datagram", "connect")], refused)
        self.assertEqual(set(), self.reactor.endpoints, "a refused call leaves nothing behind")
        self.reactor.close()


class TestDescriptions(unittest.TestCase):

    def test_a_callback_in_words(self):
        from functools import partial
        self.assertEqual("TestDescriptions.test_a_callback_in_words", describe(self.test_a_callback_in_words))
        self.assertEqual("int", describe(partial(partial(int, 1), 2)))

        class Callable:
            def __call__(self):
                """Nothing."""

            def __repr__(self):
                return "a thing"
        self.assertEqual("a thing", describe(Callable()))

    def test_an_endpoint_is_called_by_its_number(self):
        loop = EventLoop()
        first, second = Endpoint(loop), Endpoint(loop)
        self.assertEqual(("#1", "#2"), (first.name, second.name))
        self.assertEqual("connected", first.why(False))
        for end in (first.close, first.abort):
            with self.assertRaises(NotImplementedError):
                end()
        loop.forget(first)
        self.assertEqual({second}, loop.endpoints)


class TestNothingSpins(LoopCase):
    """What a running loop would do all day: each of these must leave it asleep."""

    def served(self, count=1, **actions):
        """A listener, clients of it, and the protocols that serve them."""
        protocols = []

        def factory():
            protocols.append(Recorder(**actions))
            return protocols[-1]
        listener = self.reactor.listen(factory)
        clients = [self.client_of(listener) for _ in range(count)]
        run_turns(self.reactor, lambda: len(protocols) == count)
        run_turns(self.reactor)
        return listener, clients, protocols

    def test_idle_clients_cost_no_turn(self):
        """Issue: 200 idle clients cost under 1 % of a core: here not one turn in an hour."""
        self.served(200)
        turns = self.reactor.turns
        before = self.clock.now
        self.reactor.call_later(3600, self.reactor.stop)
        self.reactor.run()
        self.assertEqual(3600, self.clock.now - before)
        self.assertLessEqual(self.reactor.turns - turns, 2)

    def test_a_peer_that_closed_is_forgotten(self):
        listener, clients, protocols = self.served()
        clients[0].close()
        run_turns(self.reactor)
        self.assert_quiet(self.reactor)
        self.assertEqual(["connection_made", "eof_received", "connection_lost"], protocols[0].calls)

    def test_a_peer_that_closed_its_side_only_costs_nothing(self):
        """Edge case 98: end of file stays readable for ever."""
        listener, clients, protocols = self.served(eof_received=lambda protocol: True)
        clients[0].shutdown(socket.SHUT_WR)
        run_turns(self.reactor)
        self.assert_quiet(self.reactor)
        self.assertEqual(["connection_made", "eof_received"], protocols[0].calls)

    def test_a_peer_that_reset_is_forgotten(self):
        listener, clients, protocols = self.served()
        reset(clients[0])
        run_turns(self.reactor)
        self.assert_quiet(self.reactor)
        self.assertEqual(["connection_made", "connection_lost"], protocols[0].calls)
        self.assertIsInstance(protocols[0].lost[0], ConnectionResetError)

    def test_a_paused_connection_costs_nothing_whatever_its_peer_does(self):
        """Edge case 106: data, end of file and reset stay unnoticed meanwhile."""
        listener, clients, protocols = self.served(3, connection_made=lambda p: p.transport.pause_reading())
        clients[0].send(b"data")
        clients[1].close()
        reset(clients[2])
        self.assert_quiet(self.reactor)
        for protocol in protocols:
            protocol.transport.resume_reading()
        run_turns(self.reactor)
        self.assertEqual(b"data", protocols[0].data)
        self.assertEqual([None], protocols[1].lost)
        self.assertIsInstance(protocols[2].lost[0], ConnectionResetError)

    def test_a_connection_with_room_to_write_costs_nothing(self):
        """Edge case 130: interest in writability exists only while something is queued."""
        listener, clients, protocols = self.served()
        protocols[0].transport.write(b"short")
        self.assert_quiet(self.reactor)
        self.assertEqual([], watched(self.reactor)[1])


if __name__ == "__main__":
    unittest.main()
