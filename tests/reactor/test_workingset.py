"""The working set: quick looks save time and starve nobody."""
import random
import socket
import unittest

from reactor import EventLoop
from reactor.workingset import MANY, MEMORY, PATIENCE, QUICK_LOOKS, WorkingSet


class Kernel:
    """A select that answers from a schedule and notes what it was asked."""

    def __init__(self, microseconds=10):
        self.now = 0.0
        self.ready = set()
        self.asked = []
        self.step = microseconds * 1e-6

    def clock(self):
        return self.now

    def select(self, readers, writers, third, timeout):
        self.asked.append((list(readers), timeout))
        self.now += self.step
        found = [fd for fd in readers if fd in self.ready]
        if not found and not writers and timeout:
            self.now += timeout
        return found, list(writers), []

    def full_looks(self, everyone):
        return [timeout for readers, timeout in self.asked if len(readers) == everyone]


class WorkingSetTest(unittest.TestCase):
    def setUp(self):
        self.sockets = []
        self.addCleanup(lambda: [sock.close() for sock in self.sockets])
        self.kernel = Kernel()
        self.loop = EventLoop(select=self.kernel.select, clock=self.kernel.clock)
        self.addCleanup(self.loop.close)
        self.heard = []

    def watch(self, count):
        for _ in range(count):
            sock = socket.socket()
            self.sockets.append(sock)
            self.loop.add_reader(sock, self.heard.append, sock.fileno())
        return [sock.fileno() for sock in self.sockets[-count:]]

    def test_below_its_threshold_every_look_is_full(self):
        fds = self.watch(MANY - 1)
        self.kernel.ready = {fds[0]}
        for _ in range(100):
            self.loop.turn()
        self.assertEqual(len(self.kernel.full_looks(MANY - 1)), 100)

    def test_a_busy_loop_asks_mostly_about_the_busy_ones(self):
        fds = self.watch(200)
        self.kernel.ready = set(fds[:3])
        for _ in range(330):
            self.loop.turn()
        self.assertEqual(len(self.kernel.full_looks(200)), 10)
        self.assertEqual(self.heard.count(fds[1]), 330)

    def test_a_full_look_comes_at_least_every_millisecond_of_busy_time(self):
        fds = self.watch(200)
        self.kernel.ready = set(fds[:3])
        self.kernel.step = PATIENCE / 3
        for _ in range(40):
            self.loop.turn()
        self.assertGreaterEqual(len(self.kernel.full_looks(200)), 10)

    def test_a_quick_look_that_finds_nobody_is_followed_by_a_full_one_before_any_sleep(self):
        fds = self.watch(100)
        self.kernel.ready = {fds[0]}
        self.loop.turn()
        self.kernel.ready = {fds[99]}
        self.kernel.asked.clear()
        self.loop.turn()
        self.assertEqual(self.heard[-1], fds[99])
        self.assertEqual([(len(readers), timeout) for readers, timeout in self.kernel.asked], [(1, 0.0), (100, None)])

    def test_even_while_callbacks_wait_an_empty_quick_look_is_followed_by_a_full_one(self):
        fds = self.watch(100)
        self.kernel.ready = {fds[0]}
        self.loop.turn()
        self.kernel.ready = {fds[99]}
        self.loop.call_soon(int)
        self.loop.turn()
        self.assertEqual(self.heard[-1], fds[99])

    def test_a_full_look_that_finds_nobody_is_followed_by_sleep(self):
        self.watch(100)
        self.loop.turn()
        self.assertEqual([(len(readers), timeout) for readers, timeout in self.kernel.asked], [(100, 0.0), (100, None)])

    def test_who_is_found_after_an_empty_quick_look_is_among_the_busy_from_then_on(self):
        fds = self.watch(100)
        for fd in (fds[0], fds[99], fds[99]):
            self.kernel.ready = {fd}
            self.kernel.asked.clear()
            self.loop.turn()
        self.assertEqual([readers for readers, timeout in self.kernel.asked], [[fds[0], fds[99]]])

    def test_the_urgent_ones_are_part_of_every_look(self):
        fds = self.watch(100)
        self.loop.working_set.urgent.add(fds[50])
        self.kernel.ready = {fds[0]}
        for _ in range(5):
            self.loop.turn()
        self.kernel.ready.add(fds[50])
        self.heard.clear()
        self.loop.turn()
        self.assertIn(fds[50], self.heard)

    def test_no_cold_socket_waits_longer_than_the_limits_whatever_the_others_do(self):
        seed = random.randrange(1 << 32)
        rng = random.Random(seed)
        fds = self.watch(150)
        waiting, longest = {}, 0
        for turn in range(3000):
            # The adversary keeps a few always ready, changes which, and wakes cold ones at the worst moments.
            always = set(fds[turn // 500 * 5:][:5])
            if rng.random() < 0.05:
                waiting.setdefault(rng.choice(fds), turn)
            self.kernel.ready = always | set(waiting)
            self.heard.clear()
            self.loop.turn()
            for fd in self.heard:
                if fd in waiting:
                    longest = max(longest, turn - waiting.pop(fd))
        self.assertLessEqual(longest, QUICK_LOOKS, f"seed {seed}")
        self.assertTrue(all(turn - since <= QUICK_LOOKS for since in waiting.values()), f"seed {seed}")

    def test_who_is_not_watched_any_more_is_not_asked_about(self):
        fds = self.watch(100)
        self.kernel.ready = set(fds[:5])
        self.loop.turn()
        self.assertEqual(self.heard[:5], fds[:5])
        watchers = list(self.loop._readers.values())
        watchers[0].cancel()
        self.kernel.asked.clear()
        self.loop.turn()
        self.assertEqual(self.kernel.asked[0][0], fds[1:5])

    def test_a_socket_that_was_not_ready_for_some_full_looks_is_cold_again(self):
        policy = WorkingSet()
        policy.note([5, 6], 0.0)
        for _ in range(MEMORY):
            self.assertIn(5, policy.quick([5, 6], {5, 6}, 0.0))
            policy.note([6], 0.0)
        self.assertEqual(policy.quick([5, 6], {5, 6}, 0.0), [6])

    def test_the_observer_is_told_of_a_quick_look(self):
        told = []
        fds = self.watch(100)
        self.kernel.ready = {fds[0]}
        self.loop.turn()
        self.loop.observer = told.append
        self.loop.turn()
        self.assertIn("a quick look at the 1 busy ones of 100", [str(event) for event in told])


if __name__ == "__main__":
    unittest.main()
