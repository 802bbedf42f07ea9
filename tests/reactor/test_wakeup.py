"""Waking a sleeping select: from other threads, and by signals."""
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from reactor import EventLoop, Reactor
from reactor.testing import run_turns
from reactor.wakeup import Wakeup
from tests.case import Case, watched

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ON_MAIN_THREAD = threading.current_thread() is threading.main_thread()
HAS_KILL = sys.platform != "win32"  # there it ends the process


class TestThreads(Case):

    def test_a_call_from_another_thread_ends_the_sleep(self):
        """Edge case 151: the callback is appended first, the byte sent after."""
        reactor = self.open_real_reactor()
        ran = []
        started = threading.Event()

        def other():
            started.wait()
            reactor.call_soon_threadsafe(lambda: (ran.append(threading.current_thread()), reactor.stop()))
        thread = threading.Thread(target=other)
        thread.start()
        reactor.call_soon(started.set)
        reactor.call_later(20, reactor.stop)  # fails instead of hanging
        start = time.monotonic()
        reactor.run()
        thread.join()
        self.assertEqual([threading.current_thread()], ran)
        self.assertLess(time.monotonic() - start, 10)

    def test_many_threads_at_once_lose_nothing(self):
        """Edge case 151."""
        reactor = self.open_real_reactor()
        ran = []
        count, each = 8, 200

        def other(number):
            for index in range(each):
                reactor.call_soon_threadsafe(ran.append, (number, index))
        threads = [threading.Thread(target=other, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        reactor.call_later(20, reactor.stop)
        reactor.run(lambda: len(ran) == count * each)
        for thread in threads:
            thread.join()
        self.assertEqual(count * each, len(ran))
        for number in range(count):
            self.assertEqual(list(range(each)), [index for who, index in ran if who == number])

    def test_a_full_wakeup_socket_is_no_error(self):
        """Edge cases 152 and 153: it is awake already; all the bytes are then drained in one turn."""
        reactor = self.open_reactor()
        ran = []
        for number in range(3000):
            reactor.call_soon_threadsafe(ran.append, number)
        self.assertEqual(1, reactor.turn(0))
        self.assertEqual(list(range(3000)), ran)
        self.assert_quiet(reactor)

    def test_the_pair_is_really_filled(self):
        """Edge case 152: wake() meets a kernel that takes no more."""
        reactor = self.open_reactor()
        mouth = reactor.wakeup._mouth
        with self.assertRaises(BlockingIOError):
            while True:
                mouth.send(bytes(4096))
        reactor.wakeup.wake()
        self.assertEqual(1, reactor.turn(0))
        self.assert_quiet(reactor)

    def test_a_handle_can_be_cancelled_before_it_runs(self):
        reactor = self.open_reactor()
        handle = reactor.call_soon_threadsafe(self.fail)
        handle.cancel()
        reactor.turn(0)

    def test_after_close_a_call_is_refused_and_a_wake_does_nothing(self):
        """Edge case 155."""
        reactor = self.open_reactor()
        reactor.close()
        with self.assertRaisesRegex(RuntimeError, "closed"):
            reactor.call_soon_threadsafe(int)
        reactor.wakeup.wake()

    def test_threads_that_call_while_the_reactor_closes(self):
        """Edge case 155: each call is taken or refused with RuntimeError; nothing else comes out, nothing blocks."""
        reactor = Reactor()
        problems = []
        started = threading.Event()

        def other():
            try:
                while True:
                    reactor.call_soon_threadsafe(int)
                    started.set()
            except RuntimeError:
                pass
            except BaseException as exc:
                problems.append(exc)
        threads = [threading.Thread(target=other) for _ in range(3)]
        for thread in threads:
            thread.start()
        started.wait()
        reactor.close()
        for thread in threads:
            thread.join(5)
        self.assertEqual([], problems)

    def test_an_error_of_the_ear_is_not_hidden(self):
        """Only "nothing more" ends the draining; anything else is reported under the loop's policy."""
        loop = EventLoop()
        wakeup = Wakeup(loop)

        class Broken:
            def recv(self, size):
                raise OSError(errno.EIO, "the ear is broken")

            def close(self):
                """Nothing to close."""
        ear, wakeup._ear = wakeup._ear, Broken()
        wakeup.wake()
        with self.assertLogs("reactor", "ERROR") as logged:
            loop.turn(0)
        self.assertIn("the ear is broken", logged.output[0])
        wakeup._ear = ear
        wakeup.close()
        wakeup.close()
        loop.close()

    def test_the_pair_neither_blocks_nor_is_inherited(self):
        """Edge case 161: a child process does not share it."""
        reactor = self.open_reactor()
        for sock in (reactor.wakeup._ear, reactor.wakeup._mouth):
            self.assertEqual(0.0, sock.gettimeout())
            self.assertFalse(sock.get_inheritable())
        self.assertEqual(([reactor.wakeup._ear.fileno()], []), watched(reactor))


@unittest.skipUnless(ON_MAIN_THREAD, "only the main thread hears signals")
class TestDraining(Case):

    def test_a_mouth_that_was_closed_ends_the_draining(self):
        """Edge case 155."""
        reactor = self.open_real_reactor()
        reactor.wakeup._mouth.close()
        reactor.wakeup._drain()


class TestSignals(Case):

    def setUp(self):
        super().setUp()
        self.before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        self.addCleanup(self.check_handlers)
        self.reactor = self.open_real_reactor()
        self.ran = []

    def check_handlers(self):
        self.assertEqual(self.before, (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)))
        self.assertEqual(-1, signal.set_wakeup_fd(-1), "the wake-up descriptor was not given back")

    def test_a_handler_runs_in_the_loop(self):
        """Edge case 157: not inside whatever the signal interrupted."""
        self.reactor.add_signal_handler(signal.SIGTERM, self.ran.append, "heard")
        signal.raise_signal(signal.SIGTERM)
        self.assertEqual([], self.ran)
        self.reactor.turn(0)
        self.assertEqual(["heard"], self.ran)

    @unittest.skipUnless(HAS_KILL, "needs kill()")
    def test_a_signal_ends_the_sleep(self):
        """Edge case 157: it may come from outside, while select sleeps."""
        self.reactor.add_signal_handler(signal.SIGTERM, self.reactor.stop)
        self.reactor.call_later(20, self.ran.append, "woken by the timer only")
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGTERM)).start()
        start = time.monotonic()
        self.reactor.run()
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual([], self.ran)

    @unittest.skipUnless(HAS_KILL, "needs kill()")
    def test_a_signal_just_before_the_sleep_is_not_missed(self):
        """Edge cases 157 and 158: the select here gets the signal at the worst moment, after all was decided."""
        import select

        def late(readers, writers, third, timeout):
            if timeout is None or timeout > 1:
                os.kill(os.getpid(), signal.SIGTERM)
            return select.select(readers, writers, third, timeout)
        reactor = Reactor(select=late)
        self.addCleanup(reactor.close)
        reactor.add_signal_handler(signal.SIGTERM, reactor.stop)
        reactor.call_later(20, self.ran.append, "woken by the timer only")
        reactor.run()
        self.assertEqual([], self.ran)

    def test_ctrl_c_leaves_run_as_keyboard_interrupt(self):
        """Edge case 31: without a handler of ours it stays what Python makes of it."""
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            self.skipTest("Ctrl-C is ignored here")
        self.reactor.call_soon(signal.raise_signal, signal.SIGINT)
        with self.assertRaises(KeyboardInterrupt):
            self.reactor.run()
        self.reactor.call_soon(self.reactor.stop)
        self.reactor.run()

    def test_the_last_handler_counts_and_the_first_owner_gets_the_signal_back(self):
        self.reactor.add_signal_handler(signal.SIGTERM, self.ran.append, "first")
        self.reactor.add_signal_handler(signal.SIGTERM, self.ran.append, "second")
        signal.raise_signal(signal.SIGTERM)
        self.reactor.turn(0)
        self.assertEqual(["second"], self.ran)
        self.reactor.close()
        self.assertEqual(self.before[0], signal.getsignal(signal.SIGTERM))

    def test_closing_again_takes_no_signal_from_its_next_owner(self):
        """Edge case 155."""
        self.reactor.add_signal_handler(signal.SIGTERM, int)
        self.reactor.close()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.reactor.close()
        self.assertEqual(signal.SIG_IGN, signal.signal(signal.SIGTERM, self.before[0]))

    def test_the_wakeup_descriptor_of_somebody_else_comes_back(self):
        """Edge case 157: run() borrows it, and gives it back whatever happens."""
        ours, peer = self.pair()
        peer.setblocking(False)
        signal.set_wakeup_fd(peer.fileno())
        self.addCleanup(signal.set_wakeup_fd, -1)
        self.reactor.call_soon(self.reactor.stop)
        self.reactor.run()
        self.assertEqual(peer.fileno(), signal.set_wakeup_fd(-1))

    def test_run_on_another_thread_leaves_signals_alone(self):
        """Edge case 157: only the main thread may set the descriptor."""
        problems = []

        def other():
            try:
                self.reactor.call_soon(self.reactor.stop)
                self.reactor.run()
            except BaseException as exc:
                problems.append(exc)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(10)
        self.assertEqual([], problems)

    def test_a_burst_of_signals_is_no_error(self):
        """Edge case 152: a full wake-up socket is not worth a warning either."""
        self.reactor.add_signal_handler(signal.SIGTERM, self.ran.append, "heard")

        def burst():
            for _ in range(500):
                signal.raise_signal(signal.SIGTERM)
            self.reactor.call_later(0, self.reactor.stop)
        self.reactor.call_soon(burst)
        self.reactor.run()
        run_turns(self.reactor)
        self.assertEqual(500, len(self.ran))


SLEEPER = """
import functools, signal, sys
from reactor import Reactor
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it runs in the background ignore it
with Reactor() as reactor:
    if sys.argv[1] == "handler":
        reactor.add_signal_handler(signal.SIGINT, reactor.stop)
        reactor.add_signal_handler(signal.SIGTERM, reactor.stop)
    reactor.call_soon(functools.partial(print, "asleep", flush=True))
    try:
        reactor.run()
        print("stopped", flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@unittest.skipUnless(HAS_KILL, "needs kill()")
class TestProcesses(Case):

    def ended_by(self, signum, how):
        with subprocess.Popen([sys.executable, "-c", SLEEPER, how], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            self.assertEqual("asleep\n", process.stdout.readline())
            process.send_signal(signum)
            try:
                out, err = process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        self.assertEqual("", err)
        self.assertEqual(0, process.returncode)
        return out

    def test_ctrl_c_and_sigterm_end_a_sleeping_loop(self):
        """Edge case 157: in a process that has nothing else to wake it."""
        self.assertEqual("interrupted\n", self.ended_by(signal.SIGINT, "nothing"))
        for signum in (signal.SIGINT, signal.SIGTERM):
            self.assertEqual("stopped\n", self.ended_by(signum, "handler"))

    def test_a_broken_pipe_raises_no_signal(self):
        """Edge case 114: Python ignores SIGPIPE, and nobody here changes that."""
        self.assertEqual(signal.SIG_IGN, signal.getsignal(signal.SIGPIPE))
        ours, peer = socket.socketpair()
        peer.close()
        with ours, self.assertRaises(BrokenPipeError):
            ours.send(b"x")


if __name__ == "__main__":
    unittest.main()
