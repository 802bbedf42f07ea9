"""The gate: the observed loop gets what a bare select would give it, however the page holds it."""
import random
import select
import unittest

from demos.scope.gate import Gate
from protocols.echo import Echo
from reactor.testing import run_turns
from reactor.workingset import MANY
from tests.case import Case, Recorder
from tests.demos.glassbox.traffic import Traffic


class GateCase(Case):

    def setUp(self):
        super().setUp()
        self.reactor = self.open_reactor()
        self.gate = Gate(self.reactor)
        self.addCleanup(self.gate.page.close)
        self.addCleanup(self.gate.close)
        self.gate.open()

    def echo(self):
        """A connection of the observed loop: its peer."""
        ours, peer = self.pair()
        self.reactor.adopt(Echo, ours)
        run_turns(self.reactor)
        return peer

    def visitor(self, **actions):
        """A connection of the page's loop: its peer, and its protocol."""
        ours, peer = self.pair()
        _, protocol = self.gate.page.adopt(lambda: Recorder(**actions), ours)
        return peer, protocol

    def presses(self, action):
        """A peer that does something on the page's loop with each byte that it sends."""
        return self.visitor(data_received=lambda protocol, data: action())[0]

    def press(self, action, *more):
        """Let that be done on the page's loop, in the select of the next turn."""
        for each in (action, *more):
            self.gate.page.call_soon(each)


class TestAsleep(GateCase):

    def turn(self, in_select, in_a_callback):
        ours, _ = self.pair()

        def select(reading, writing, third, timeout):
            self.clock.advance(in_select)
            return [ours.fileno()], [], []
        self.gate._real = select
        before = self.gate.asleep()
        self.reactor.asked = None
        self.gate([ours.fileno()], [], [], None)
        self.clock.advance(in_a_callback)
        return self.gate.asleep() - before

    def test_who_waits_in_select_sleeps(self):
        self.assertAlmostEqual(3.0, self.turn(3.0, 0.1), delta=0.05)

    def test_who_waits_in_a_callback_does_not_sleep(self):
        self.assertAlmostEqual(0.5, self.turn(0.5, 2.0), delta=0.05)

    def test_select_that_answers_at_once_is_no_sleep(self):
        self.assertEqual(0.0, self.turn(0.00001, 0.0))

    def test_a_sleep_that_is_not_over_counts(self):
        slept = []

        def look():
            self.clock.advance(2.0)
            slept.append(self.gate.asleep())
        peer = self.echo()
        self.press(look, lambda: peer.send(b"x"))
        before = self.gate.asleep()
        self.reactor.turn()
        self.assertAlmostEqual(2.0, slept[0] - before, delta=0.05)


class TestAnswers(GateCase):

    def ask(self, reading, writing=(), timeout=0.0):
        self.reactor.asked = None
        return self.gate(list(reading), list(writing), [], timeout)

    def test_they_are_those_of_a_bare_select_in_the_order_of_registration(self):
        rng = random.Random(7)
        pairs = [self.pair() for _ in range(12)]
        own = [self.visitor() for _ in range(3)]
        for round in range(200):
            asked = rng.sample([ours.fileno() for ours, _ in pairs], 8)
            writing = rng.sample(asked, 3)
            ours, peer = rng.choice(pairs)
            if rng.random() < 0.5:
                peer.send(b"x")
            elif select.select([ours], [], [], 0)[0]:
                ours.recv(1)
            if rng.random() < 0.4:
                rng.choice(own)[0].send(b"y")
            bare = select.select(asked, writing if round % 2 else [], [], 0)
            self.assertEqual(bare, tuple(self.ask(asked, writing if round % 2 else [])), f"seed 7, round {round}")

    def test_what_the_page_receives_is_nobodys_business(self):
        peer, protocol = self.visitor()
        peer.send(b"hello")
        self.assertEqual(([], [], []), tuple(self.ask([], timeout=1.0)))
        self.assertEqual(b"hello", protocol.data)

    def test_a_timeout_of_0_is_a_poll(self):
        self.assertEqual(([], [], []), tuple(self.ask([])))
        self.assertEqual(1000.0, self.clock.now)

    def test_a_sleep_is_as_long_as_was_asked_whatever_the_page_does_meanwhile(self):
        beats = []

        def beat():
            beats.append(self.clock.now)
            self.gate.page.call_later(0.3, beat)
        beat()
        self.assertEqual(([], [], []), tuple(self.ask([], timeout=1.0)))
        self.assertEqual(1001.0, self.clock.now)
        self.assertEqual(4, len(beats))

    def test_a_socket_that_was_closed_behind_the_loops_back_is_the_loops_problem(self):
        ours, _ = self.pair()
        closed = ours.fileno()
        ours.close()
        for known in (False, True):
            with self.subTest(known=known), self.assertRaises((OSError, ValueError)):
                self.ask([closed], timeout=1.0)
            self.assertEqual(([], [], []), tuple(self.ask([])))

    def test_a_page_with_many_sockets_takes_its_second_look_without_losing_an_answer(self):
        visitors = [self.visitor() for _ in range(MANY)]
        ours, peer = self.pair()
        for number in range(20):
            peer.send(b"x")
            visitors[number][0].send(b"y")
            self.assertEqual([ours.fileno()], self.ask([ours.fileno()], timeout=5.0)[0])
            ours.recv(1)
            self.ask([])
        self.assertEqual([b"y"] * 20, [protocol.data for _, protocol in visitors[:20]])

    def test_a_turn_of_the_observed_loop_alone_does_not_turn_the_page(self):
        peer = self.echo()
        self.reactor.turn(0)
        before = self.gate.page.turns
        for _ in range(20):
            self.gate.page.due = self.clock.now + 1
            peer.send(b"x")
            self.reactor.turn()
        self.assertEqual(before, self.gate.page.turns)
        self.assertEqual(b"x" * 20, peer.recv(100))

    def test_what_is_scheduled_on_the_page_is_not_forgotten_meanwhile(self):
        peer = self.echo()
        called = []
        for schedule in (lambda: self.gate.page.call_soon(called.append, 1),
                         lambda: self.gate.page.call_later(0.0, called.append, 1)):
            called.clear()
            run_turns(self.reactor)
            schedule()
            peer.send(b"x")
            self.reactor.turn()
            self.assertEqual([1], called)

    def test_a_closed_gate_is_the_real_select(self):
        real = self.gate._real
        self.gate.close()
        self.assertIs(real, self.reactor.select)


class TestTraffic(Case):

    def run_traffic(self, seed, gated):
        """What the protocols and the peers see of some random traffic on socketpairs, and the turns in events."""
        traffic = Traffic(seed, tcp=False)
        events = []
        if gated:
            gate = Gate(traffic.reactor)
            gate.open()
            self.addCleanup(gate.page.close)
            ours, self.peer = self.pair()
            gate.page.adopt(Echo, ours)
        traffic.reactor.observer = lambda event: events.append((event.turn, event.kind))
        traffic.begin()
        for _ in range(100):
            if gated:
                self.peer.send(b"page")
            traffic.step()
        traffic.reactor.observer = None  # in which order close() aborts them all is nobody's promise
        traffic.close()
        return [protocol.calls for protocol in traffic.protocols], traffic.bytes, events

    def test_no_protocol_no_peer_and_no_observer_can_tell_that_there_is_a_gate(self):
        with self.assertLogs("reactor"):
            for seed in range(15):
                with self.subTest(seed=seed):
                    self.assertEqual(self.run_traffic(seed, False), self.run_traffic(seed, True))


class TestHolding(GateCase):

    def let_go(self):
        self.released = True
        self.gate.resume()

    def is_held(self):
        """True where the observed loop does not get through select before somebody resumes it."""
        self.released = False
        timer = self.gate.page.call_later(1.0, self.let_go)
        self.reactor.turn(0)
        timer.cancel()
        return self.released

    def test_paused_means_that_nobody_is_answered_until_it_goes_on(self):
        peer = self.echo()
        peer.send(b"one")
        self.press(self.gate.pause, self.gate.pause)
        peer.settimeout(0.0)
        self.reactor.turn(0)  # this answer was there already
        self.assertEqual(b"one", peer.recv(10))
        peer.send(b"two")
        self.assertTrue(self.is_held())
        self.assertEqual(b"two", peer.recv(10))

    def test_a_pause_ends_a_sleep_in_no_answer(self):
        self.press(self.gate.pause)
        self.gate.page.call_later(5.0, self.let_go)
        self.reactor.turn(1.0)
        self.assertEqual(1006.0, self.clock.now)  # five seconds held, and then its own

    def test_a_step_lets_exactly_one_turn_through(self):
        peer = self.echo()
        self.gate.pause()
        peer.send(b"x")
        self.press(self.gate.step)
        self.assertFalse(self.is_held())
        self.assertTrue(self.is_held())
        self.assertEqual(b"x", peer.recv(10))

    def test_a_step_of_a_loop_that_looks_twice_is_one_turn_too(self):
        peers = [self.echo() for _ in range(MANY)]
        self.gate.pause()
        self.press(self.gate.step)
        self.gate.page.call_later(0.5, peers[0].send, b"x")
        self.released = False
        self.gate.page.call_later(20.0, self.let_go)
        self.reactor.turn()
        self.assertFalse(self.released)
        self.assertEqual(b"x", peers[0].recv(10))
        self.assertTrue(self.is_held())

    def test_a_step_of_a_running_loop_pauses_it_behind_this_turn(self):
        self.press(self.gate.step)
        self.assertFalse(self.is_held())
        self.assertTrue(self.is_held())

    def test_slow_motion_is_one_turn_in_so_much_time(self):
        peer = self.echo()
        self.gate.pace = 0.1
        moments = []
        for _ in range(4):
            peer.send(b"x")
            self.reactor.turn()
            moments.append(round(self.clock.now, 6))
        self.assertEqual([0.1, 0.1, 0.1], [round(after - before, 6) for before, after in zip(moments, moments[1:])])

    def test_who_slept_longer_than_that_is_not_held(self):
        peer = self.echo()
        self.gate.pace = 0.1
        self.reactor.turn(0)
        before = self.clock.now
        self.gate.page.call_later(5.0, peer.send, b"x")
        self.reactor.turn()
        self.assertEqual(before + 5.0, self.clock.now)

    def test_the_clock_of_the_observed_loop_stands_still_meanwhile(self):
        fired = []
        self.reactor.call_later(1.0, fired.append, "late")
        self.gate.page.call_later(100.0, self.gate.resume)
        self.press(self.gate.pause)
        while not fired:
            self.reactor.turn()
        self.assertEqual((1101.0, 1001.0), (self.clock.now, self.reactor.time()))

    def test_it_stands_in_slow_motion_too(self):
        self.gate.pace = 1.0
        for _ in range(5):
            self.reactor.turn(0)
        self.assertLess(self.reactor.time(), 1001.0)
        self.assertGreater(self.clock.now, 1003.0)

    def test_the_clock_never_goes_back_and_never_jumps(self):
        rng = random.Random(3)
        before = self.reactor.time()
        for number in range(300):
            self.press(rng.choice([self.gate.pause, self.gate.resume, self.gate.step, int, int]))
            self.gate.page.call_later(rng.randrange(1, 64) / 64, self.gate.resume)  # what floats can add exactly
            self.reactor.turn(0.125)
            now = self.reactor.time()
            self.assertTrue(before <= now <= before + 1.2, f"seed 3, step {number}: {before}, {now}")
            before = now

    def test_a_wake_up_gets_through(self):
        called = []
        self.gate.pause()
        self.gate.page.call_later(0.1, self.reactor.call_soon_threadsafe, called.append, 1)
        self.reactor.turn()
        self.assertEqual([1], called)
        self.assertTrue(self.is_held())

    def test_a_loop_that_ends_is_not_held_any_more(self):
        self.echo()
        self.gate.pause()
        self.gate.page.call_later(0.1, self.reactor.call_soon_threadsafe, self.reactor.shut_down)
        self.reactor.run()
        self.assertLess(self.clock.now, 1005.0)

    def test_what_the_page_gives_it_to_do_waits_until_it_goes_on(self):
        called = []

        def give():
            self.reactor.call_soon(called.append, 1)
            self.gate.nudge()
        self.gate.pause()
        self.press(give)
        self.gate.page.call_later(1.0, lambda: self.assertEqual([], called))
        self.assertTrue(self.is_held())
        self.assertEqual([1], called)

    def test_a_nudge_ends_a_sleep(self):
        self.press(self.gate.nudge)
        self.reactor.turn(50.0)
        self.assertEqual(1000.0, self.clock.now)

    def test_who_is_closed_from_the_page_is_asked_about_no_more(self):
        listener = self.reactor.listen(Echo)
        self.reactor.turn(0)
        self.press(listener.close)
        self.reactor.turn(5.0)
        self.assertEqual(1000.0, self.clock.now)
        self.reactor.turn(5.0)
        self.assertEqual(1005.0, self.clock.now)

    def test_who_is_closed_from_the_page_behind_an_answer_that_names_it_is_not_called(self):
        listener = self.reactor.listen(Echo)
        self.reactor.turn(0)
        client = self.client_of(listener)
        self.press(listener.close)
        client.setblocking(False)
        self.assertEqual(0, self.reactor.turn(5.0))


if __name__ == "__main__":
    unittest.main()
