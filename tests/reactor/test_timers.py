"""The heap of timers by itself, and what the loop makes of it on a clock that the test moves."""
import random
import unittest

from reactor.timers import FEW, Handle, Timers
from reactor.testing import run_turns
from tests.case import Case, Recorder, unwatch


class TestHandle(unittest.TestCase):

    def test_runs_unless_cancelled(self):
        handle = Handle(int)
        self.assertFalse(handle.cancelled())
        handle.cancel()
        handle.cancel()
        self.assertTrue(handle.cancelled())


class TestTimers(unittest.TestCase):

    def setUp(self):
        self.timers = Timers()

    def due(self, now):
        return [timer.callback() for timer in self.timers.due(now, self.timers.last) if timer.callback is not None]

    def test_equal_moments_run_first_set_first_run(self):
        """Edge cases 47 and 48: order breaks the tie, so callbacks, which cannot be compared, never are."""
        for number in range(50):
            self.timers.add(7.0, lambda number=number: number)
        self.assertEqual(list(range(50)), self.due(7.0))

    def test_earlier_moments_run_first_whatever_the_order_of_setting(self):
        for when in (3, 1, 2, 5, 4):
            self.timers.add(when, lambda when=when: when)
        self.assertEqual([1, 2, 3], self.due(3))
        self.assertEqual([4, 5], self.due(9))

    def test_a_moment_that_is_no_number_is_refused(self):
        """Edge case 45: nan would break the order of the heap."""
        with self.assertRaises(ValueError):
            self.timers.add(float("nan"), int)
        self.assertIsNone(self.timers.first())

    def test_when_tells_the_moment(self):
        self.assertEqual(3.5, self.timers.add(3.5, int).when())

    def test_a_cancelled_head_is_dropped_before_it_can_be_waited_for(self):
        """Edge case 54: first() never gives a cancelled timer."""
        self.timers.add(1, int).cancel()
        second = self.timers.add(2, int)
        self.assertIs(second, self.timers.first())
        self.assertEqual(1, len(self.timers.heap))

    def test_all_cancelled_is_none_at_all(self):
        """Edge case 52."""
        for timer in [self.timers.add(when, int) for when in range(5)]:
            timer.cancel()
        self.assertIsNone(self.timers.first())
        self.assertEqual([], list(self.timers.due(100, self.timers.last)))
        self.assertEqual([], self.timers.heap)

    def test_more_than_half_cancelled_of_many_are_swept_out(self):
        """Edge case 53: a server that sets and cancels a timer for each request keeps no graveyard."""
        keep = [self.timers.add(when, lambda when=when: when) for when in range(10)]
        for round in range(20):
            for timer in [self.timers.add(1000 + when, int) for when in range(FEW)]:
                timer.cancel()
            self.assertLessEqual(len(self.timers.heap), 2 * (FEW + len(keep)))
        self.assertEqual(list(range(10)), self.due(500))

    def test_few_are_not_worth_sweeping(self):
        timers = [self.timers.add(when, int) for when in range(FEW - 1)]
        for timer in timers[1:]:
            timer.cancel()
        self.timers.add(FEW, int)
        self.assertEqual(FEW, len(self.timers.heap))

    def test_the_order_survives_the_sweep(self):
        rng = random.Random(53)
        moments = [(rng.randrange(100), number) for number in range(400)]
        timers = [self.timers.add(moment[0], lambda moment=moment: moment) for moment in moments]
        for timer in timers[::3] + timers[1::3]:
            timer.cancel()
        for _ in range(400):
            self.timers.add(1000, int).cancel()
        self.assertLess(len(self.timers.heap), 400)
        self.assertEqual(sorted(moments[2::3]), self.due(100))

    def test_cancelling_twice_or_late_does_nothing(self):
        """Edge case 51."""
        for round in range(500):
            timer = self.timers.add(round, int)
            if round % 2:
                timer.cancel()
                timer.cancel()
            else:
                self.due(round)
                timer.cancel()
        self.assertEqual([], self.due(1000))
        self.assertEqual([], self.timers.heap)


class TestTimersOfALoop(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.ran = []

    def note(self, what):
        self.ran.append(what)

    def asking(self):
        """A reactor in which nobody is ever ready and no time passes, and the timeouts that select was asked with."""
        asked = []

        def select(readers, writers, third, timeout):
            asked.append(timeout)
            return [], [], []
        return self.open_reactor(self.clock, select), asked

    def test_runs_once_when_its_moment_has_come_and_not_before(self):
        self.reactor.call_later(5, self.note, "timer")
        self.clock.advance(4.999)
        self.reactor.turn(0)
        self.assertEqual([], self.ran)
        self.clock.advance(0.002)
        self.reactor.turn(0)
        self.clock.advance(100)
        self.reactor.turn(0)
        self.assertEqual(["timer"], self.ran)

    def test_select_sleeps_exactly_until_the_first_timer(self):
        """Edge case 56: where the clock is coarse and the timer a hair early, the loop simply turns again."""
        self.reactor.call_later(5, self.note, "timer")
        self.reactor.turn()
        self.assertEqual((["timer"], 1005.0), (self.ran, self.clock.now))

    def test_a_sleep_that_ends_a_hair_early_is_followed_by_another(self):
        """Edge case 56."""
        def early(readers, writers, third, timeout):
            answer = self.clock.select(readers, writers, third, 0)
            self.clock.advance(timeout * 0.999)
            return answer
        reactor = self.open_reactor(self.clock, early)
        reactor.call_later(10, self.note, "timer")
        reactor.turn()
        self.assertEqual([], self.ran)
        reactor.run(lambda: self.ran)
        self.assertEqual((["timer"], True), (self.ran, reactor.turns > 1))

    def test_a_clock_that_goes_backwards_delays_but_breaks_nothing(self):
        """Edge case 43: the clock is monotonic; should a replaced one not be, nothing crashes or runs early."""
        self.reactor.call_later(5, self.note, "timer")
        self.clock.advance(-500)
        self.reactor.turn(0)
        self.assertEqual([], self.ran)
        self.reactor.turn()
        self.assertEqual(["timer"], self.ran)

    def test_a_clock_that_jumps_ahead_runs_what_is_due_once(self):
        """Edge case 43."""
        self.reactor.call_later(5, self.note, "timer")
        self.clock.advance(10 ** 9)
        run_turns(self.reactor)
        self.assertEqual(["timer"], self.ran)

    def test_the_default_clock_never_goes_back(self):
        """Edge case 43."""
        import time
        self.assertIs(time.monotonic, self.open_real_reactor().time)

    def test_a_moment_that_has_passed_is_due_at_once(self):
        """Edge case 44: select refuses a negative timeout, so it is never asked for one."""
        self.reactor.call_later(-5, self.note, "late")
        self.reactor.call_at(-10.0 ** 30, self.note, "very late")
        self.reactor.turn()
        self.assertEqual((["very late", "late"], 1000), (self.ran, self.clock.now))

    def test_a_moment_that_passes_before_the_turn_costs_no_sleep(self):
        """Edge case 44: neither with patience nor without, and whatever the clock does meanwhile."""
        for patience in (None, 60, -1):
            with self.subTest(patience=patience):
                reactor, asked = self.asking()
                reactor.call_later(5, self.note, "timer")
                self.clock.advance(7)
                reactor.turn(patience)
                self.assertEqual([0.0], asked)
        self.assertEqual(["timer"] * 3, self.ran)

    def test_a_negative_patience_is_none(self):
        """Edge case 44."""
        reactor, asked = self.asking()
        self.assertEqual((0, [0.0]), (reactor.turn(-1), asked))

    def test_a_turn_sleeps_until_the_first_timer_or_as_long_as_its_patience(self):
        reactor, asked = self.asking()
        reactor.call_later(1, int).cancel()
        reactor.call_later(5, int)
        for patience in (None, 60, 5, 3, 0):
            reactor.turn(patience)
        self.clock.advance(-20)
        reactor.turn(60)
        self.assertEqual([5, 5, 5, 3, 0, 25], asked)

    def test_timeouts_that_overflow_are_cut_to_a_day(self):
        """Edge case 45."""
        reactor, asked = self.asking()
        timer = reactor.call_later(float("inf"), self.note, "never")
        reactor.turn()
        reactor.call_later(1e300, self.note, "hardly")
        reactor.turn()
        timer.cancel()
        reactor.turn(1e300)
        self.assertEqual([86400.0] * 3, asked)
        self.assertEqual([], self.ran)

    def test_delays_that_are_no_numbers_are_refused_where_they_are_given(self):
        """Edge case 45: in the heap they would end the loop, far from who put them there."""
        for moment in (None, "soon", [5]):
            with self.subTest(moment=moment):
                with self.assertRaises((TypeError, ValueError)):
                    self.reactor.call_later(moment, int)
                with self.assertRaises((TypeError, ValueError)):
                    self.reactor.call_at(moment, int)
        with self.assertRaises(ValueError):
            self.reactor.call_later(float("nan"), int)
        self.reactor.turn(0)

    def test_no_delay_means_the_next_turn_after_what_is_queued_already(self):
        """Edge case 46."""
        self.reactor.call_later(0, self.note, "timer")
        self.reactor.call_soon(self.note, "soon")
        self.reactor.turn(0)
        self.assertEqual(["soon", "timer"], self.ran)

    def test_a_timer_without_delay_set_by_a_callback_waits_for_the_next_turn(self):
        """Edge case 46: call_later promises "never in this turn", also to callbacks and readers."""
        ours, peer = self.pair()

        def read():
            ours.recv(10)
            self.reactor.call_later(0, self.note, "set by a reader")
        self.reactor.add_reader(ours, read)
        peer.send(b"x")
        self.reactor.call_soon(self.reactor.call_later, 0, self.note, "set by a callback")
        self.reactor.turn(0)
        self.assertEqual([], self.ran)
        self.reactor.turn(0)
        self.assertEqual(["set by a callback", "set by a reader"], self.ran)
        unwatch(self.reactor, ours)

    def test_a_timer_without_delay_set_by_a_timer_waits_for_the_next_turn(self):
        """Edge case 55: a turn is never endless."""
        def again():
            self.note(self.reactor.turns)
            self.reactor.call_later(0, again)
        self.reactor.call_later(0, again)
        for _ in range(3):
            self.reactor.turn(0)
        self.assertEqual([0, 1, 2], self.ran)

    def test_a_timer_that_sets_itself_in_the_past_does_not_starve_the_others(self):
        """Edge cases 55 and 57: all that were due when the turn began run in it, whatever one of them sets."""
        def again():
            self.note("again")
            self.reactor.call_later(-1, again)
        self.reactor.call_later(-1, again)
        self.reactor.call_later(0, self.note, "the other")
        for _ in range(3):
            self.reactor.turn(0)
        self.assertEqual(["again", "the other", "again", "again"], self.ran)

    def test_a_cancelled_timer_does_not_run(self):
        """Edge case 49."""
        timer = self.reactor.call_later(1, self.note, "cancelled")
        self.reactor.call_later(1, self.note, "kept")
        timer.cancel()
        self.assertTrue(timer.cancelled())
        self.reactor.turn()
        self.assertEqual(["kept"], self.ran)

    def test_a_timer_cancelled_by_another_of_the_same_turn_does_not_run(self):
        """Edge case 50."""
        self.reactor.call_at(1001, lambda: last.cancel())
        last = self.reactor.call_at(1002, self.note, "last")
        self.clock.advance(10)
        self.reactor.turn(0)
        self.assertEqual([], self.ran)

    def test_a_timer_cancelled_by_a_reader_of_the_same_turn_does_not_run(self):
        """Edge case 50."""
        ours, peer = self.pair()
        timer = self.reactor.call_later(1, self.note, "timer")
        self.reactor.add_reader(ours, lambda: (ours.recv(10), timer.cancel()))
        peer.send(b"x")
        self.clock.advance(10)
        self.reactor.turn(0)
        unwatch(self.reactor, ours)
        self.assertEqual([], self.ran)

    def test_a_timer_may_cancel_itself_and_be_cancelled_again_later(self):
        """Edge case 51."""
        told = []
        self.reactor.observer = lambda event: told.append(event.kind)
        timer = self.reactor.call_later(1, lambda: (timer.cancel(), self.note("ran")))
        self.reactor.turn()
        timer.cancel()
        self.assertNotIn("timer cancelled", told)
        self.assertEqual(["ran"], self.ran)
        self.assertTrue(self.reactor.is_idle())

    def test_a_cancelled_timer_does_not_wake_the_loop(self):
        """Edge case 54: with the only timer cancelled, select sleeps until somebody is ready."""
        asked = []
        reactor = self.open_reactor(select=lambda r, w, x, timeout: asked.append(timeout) or ([], [], []))
        reactor.call_later(1, int).cancel()
        reactor.turn()
        reactor.call_later(1, int).cancel()
        reactor.call_later(60, int)
        reactor.turn()
        self.assertEqual([None, 60.0], asked)

    def test_after_a_long_callback_all_that_are_late_run_in_order_and_once(self):
        """Edge case 57."""
        self.reactor.call_soon(self.clock.advance, 100)
        for when in (30, 10, 20):
            self.reactor.call_later(when, self.note, when)
        self.reactor.turn(0)
        self.reactor.turn(0)
        self.assertEqual([10, 20, 30], self.ran)

    def test_a_timer_that_raises_is_logged_and_the_others_run(self):
        """Edge case 58."""
        self.reactor.call_later(1, self.raise_it)
        self.reactor.call_later(1, self.note, "the other")
        with self.assertLogs("reactor", "ERROR") as logged:
            self.reactor.turn()
        self.assertEqual(["the other"], self.ran)
        self.assertIn("raise_it", logged.output[0])

    def raise_it(self):
        raise ValueError("from a timer")

    def test_the_timers_of_a_connection_end_with_it(self):
        """Edge case 59: its patience after close() is not waited for once the connection is gone."""
        ours, peer = self.pair(4096)
        transport, protocol = self.reactor.adopt(Recorder, ours)
        self.reactor.turn(0)
        transport.write(bytes(10 ** 6))
        transport.close()
        self.assertIsNotNone(self.reactor._timers.first())
        peer.close()
        run_turns(self.reactor)
        self.assertEqual(1, len(protocol.lost))
        self.assertTrue(self.reactor.is_idle())

    def test_keyboard_interrupt_from_a_timer_leaves_the_others_in_the_heap(self):
        """Edge case 31: nothing that waited is forgotten."""
        def interrupt():
            raise KeyboardInterrupt
        self.reactor.call_later(1, interrupt)
        self.reactor.call_later(1, self.note, "second")
        self.reactor.call_later(1, self.note, "third")
        self.clock.advance(1)
        with self.assertRaises(KeyboardInterrupt):
            self.reactor.turn(0)
        self.assertEqual([], self.ran)
        self.reactor.turn(0)
        self.assertEqual(["second", "third"], self.ran)


if __name__ == "__main__":
    unittest.main()
