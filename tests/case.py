"""The base of our tests: nothing that a test leaves behind goes unnoticed.

A test of `Case` fails when, at its end, the process has more or fewer descriptors open than at its
start, when anything warned (a ResourceWarning from a destructor too), when the reactor logged a
line that the test did not expect with assertLogs, or when a reactor of `open_reactor()` still watches
or drives something after its close().  The checks are cleanups, so what a test closes with
addCleanup is closed in time.
"""
import gc
import logging
import os
import socket
import struct
import sys
import threading
import unittest
import warnings

from reactor import Reactor
from reactor.endpoint import Endpoint, owner_of
from reactor.testing import FakeClock, pair

DESCRIPTORS = next((path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None)


def open_descriptors():
    """The numbers that are open now; None where the system does not tell."""
    if DESCRIPTORS is None:
        return None
    numbers = {int(name) for name in os.listdir(DESCRIPTORS)}
    return {number for number in numbers if _is_open(number)}  # the listing held one itself


def _is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def watched(loop):
    """What select is asked about: the numbers watched for reading and those for writing, each sorted."""
    return sorted(loop._readers), sorted(loop._writers)


def unwatch(loop, source):
    """Cancel what watches a socket, in both directions; how many watchers that were."""
    number = source.fileno()
    found = [table[number] for table in (loop._readers, loop._writers) if number in table]
    for watcher in found:
        watcher.cancel()
    return len(found)


def scheduled(loop):
    """True while callbacks wait for the next turn."""
    return bool(loop._soon)


class Recorder:
    """A protocol that notes what is called, and then does what the test wants done.

    `Recorder(data_received=lambda protocol, data: protocol.transport.write(data))` is an echo.  `calls` has the
    names in order, `data` all bytes received, `lost` what connection_lost was called with each time.
    """

    def __init__(self, **actions):
        self.actions = actions
        self.calls = []
        self.data = b""
        self.datagrams = []
        self.errors = []
        self.lost = []
        self.transport = None

    def _noted(self, name, *args):
        self.calls.append(name)
        action = self.actions.get(name)
        return action(self, *args) if action is not None else None

    def connection_made(self, transport):
        self.transport = transport
        self._noted("connection_made")

    def data_received(self, data):
        self.data += data
        self._noted("data_received", data)

    def eof_received(self):
        return self._noted("eof_received")

    def connection_lost(self, exc):
        self.lost.append(exc)
        self._noted("connection_lost", exc)

    def pause_writing(self):
        self._noted("pause_writing")

    def resume_writing(self):
        self._noted("resume_writing")

    def datagram_received(self, data, addr):
        self.datagrams.append((data, addr))
        self._noted("datagram_received", data, addr)

    def error_received(self, exc):
        self.errors.append(exc)
        self._noted("error_received", exc)


class Case(unittest.TestCase):
    """A test that cleans up, provably."""

    maxDiff = None

    def setUp(self):
        # Cleanups run last in, first out: these see what all the others left.
        self._expect_no_warning()
        self._open_at_start = open_descriptors()
        self.addCleanup(self._check_descriptors)
        self._expect_no_log()

    def _check_descriptors(self):
        at_end = open_descriptors()
        if at_end != self._open_at_start:
            gc.collect()  # where it is garbage, its ResourceWarning says what it was
            self.fail("descriptors at the start %s, at the end %s" % (sorted(self._open_at_start), sorted(at_end)))

    def _expect_no_warning(self):
        caught = warnings.catch_warnings()
        caught.__enter__()
        self.addCleanup(caught.__exit__, None, None, None)
        warnings.simplefilter("error")
        # A warning in a destructor becomes an exception that nobody can catch: only the hook hears of it.
        unraisable, before = [], sys.unraisablehook
        sys.unraisablehook = lambda what: unraisable.append(repr(what.exc_value))

        def check():
            sys.unraisablehook = before
            self.assertEqual([], unraisable, "a destructor raised")
        self.addCleanup(check)

    def _expect_no_log(self):
        lines = []
        handler = logging.Handler()
        handler.emit = lambda record: lines.append(record.getMessage())
        logger = logging.getLogger("reactor")
        before = logger.propagate
        logger.addHandler(handler)
        logger.propagate = False

        def check():
            logger.removeHandler(handler)
            logger.propagate = before
            self.assertEqual([], lines, "logged, and the test did not expect it")
        self.addCleanup(check)

    # -- what most tests need

    def open_reactor(self, clock=None, select=None):
        """A Reactor whose time is `self.clock`, a FakeClock unless one is given; it never sleeps."""
        self.clock = clock or FakeClock()
        reactor = Reactor(clock=self.clock, select=select or self.clock.select)
        self.addCleanup(self._close, reactor)
        return reactor

    def open_real_reactor(self):
        """A Reactor on the real clock, which sleeps in the real select."""
        reactor = Reactor()
        self.addCleanup(self._close, reactor)
        return reactor

    def _close(self, reactor):
        reactor.close()
        self.assertEqual(set(), reactor.endpoints, "close() left something open")
        watchers = [*reactor._readers.values(), *reactor._writers.values()]
        left = [watcher for watcher in watchers if isinstance(owner_of(watcher.callback), Endpoint)]
        self.assertEqual([], left, "close() left something watched")

    def in_a_thread(self, loop, function):
        """Call it in a thread of its own, in the middle of a turn of run(), and return when both are over."""
        def start():
            thread = threading.Thread(target=function)
            thread.start()
            thread.join()
            loop.stop()
        loop.call_soon(start)
        loop.run()

    def pair(self, buffer=None):
        """testing.pair(), both closed at the end."""
        ours, peer = pair(buffer)
        self.addCleanup(ours.close)
        self.addCleanup(peer.close)
        return ours, peer

    def client_of(self, listener, timeout=1.0):
        """A blocking socket connected to the listener, closed at the end."""
        return self.connected(("127.0.0.1", listener.port), timeout)

    def connected(self, address, timeout=1.0):
        """A blocking socket connected to HOST, PORT; closed at the end."""
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.addCleanup(sock.close)
        sock.settimeout(timeout)
        sock.connect(address)
        return sock

    def patch(self, target, name, value):
        """Set `target.name` for the length of the test."""
        before = getattr(target, name)
        self.addCleanup(setattr, target, name, before)
        setattr(target, name, value)

    def assert_quiet(self, reactor, turns=3):
        """Nobody is ready and nothing is scheduled: the loop would sleep."""
        for _ in range(turns):
            self.assertEqual(0, reactor.turn(0), "somebody is ready: a running loop would spin")
            self.assertFalse(scheduled(reactor), "something is scheduled: a running loop would spin")


def reset(sock):
    """Close a TCP socket so that its peer gets a reset, not an end of file."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0))
    sock.close()
