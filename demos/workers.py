"""Several processes on one port: `--workers N`.  POSIX only.

    parent   opens the listening sockets, never accepts, and keeps N workers alive
    worker   this same program with the parent's sockets: one reactor, one thread, one core

1. The parent keeps every listening socket open until the end, so neither the death of a worker nor its
   replacement loses a client: who waits in a socket's queue is accepted by the next one that gets the socket.
2. Each worker is tied to the parent by a socketpair, its lifeline.  One byte from the worker says "I listen"; end
   of file from the parent says "retire": accept no more, serve who is connected, then end.  The kernel says it
   as well when the parent is killed, so that no worker outlives it for long.
3. SIGHUP replaces one worker at a time, by one that loads the program and its files anew.  The old one retires
   only when the new one listens; where the new one cannot start, the old ones stay.
4. A worker that dies is followed by another, after a pause that grows while they die young.

Linux shares connections out among sockets with SO_REUSEPORT, so each worker has one of its own, and wakes for its
own clients alone; those wait while it is being restarted.  Elsewhere that option exists but shares nothing out:
there, and for Unix sockets, all workers accept from one socket, and each client wakes all of them.
"""
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import Any, Callable, List, Optional, Sequence, Set

from protocols.base import Protocol, Transport
from reactor import Reactor
from reactor.listener import Listener, bind, bind_unix, identity, listening

SHARES_OUT = sys.platform.startswith("linux")
SHORTEST, LONGEST = 0.1, 10.0  # seconds between the death of a worker and the next
YOUNG = 10.0  # seconds; who lived longer did not fail at the start, so the pause begins anew
DRAIN = 30.0  # seconds that a retired worker gives the connections it still has
PATIENCE = 1.5  # seconds to end in: longer than shut_down() takes, shorter than the two that were promised

Say = Callable[[str], object]


# -- the sockets

class Slot:
    """The place of one worker: the sockets that it and its successors listen on."""

    def __init__(self, number: int, sockets: List[socket.socket]) -> None:
        self.number = number
        self.sockets = sockets
        self.pause = 0.0
        self.serving: Optional[Worker] = None
        self.coming: Optional[Worker] = None  # started, and not listening yet


def open_slots(count: int, host: str, port: int, unix: Optional[str]) -> List[Slot]:
    """Listen, for so many workers.  Raises OSError where that is impossible."""
    sockets = bind(host, port) if unix is None else bind_unix(unix)
    if unix is not None or not SHARES_OUT:
        return [Slot(number, sockets) for number in range(1, count + 1)]
    # The first is bound without the option, so that a port that another program uses is not shared but refused.
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return [Slot(1, sockets), *(Slot(number, [_twin(sock) for sock in sockets]) for number in range(2, count + 1))]


def _twin(sock: socket.socket) -> socket.socket:
    twin = socket.socket(sock.family, sock.type, sock.proto)
    twin.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return listening(twin, sock.getsockname())


# -- the parent

class Worker(Protocol):
    """One process, and the parent's end of its lifeline.  Raises OSError where no process can be had."""

    def __init__(self, slot: Slot, command: Sequence[str], reactor: Reactor,
                 on_ready: Callable[[Worker], object]) -> None:
        self.slot = slot
        self.born = reactor.time()
        self._on_ready = on_ready
        ours, theirs = socket.socketpair()
        descriptors = [sock.fileno() for sock in (theirs, *slot.sockets)]
        born_with = ",".join(map(str, (slot.number, *descriptors)))
        try:
            # In a session of its own it hears no Ctrl-C and no hangup: these are for the parent to understand.
            self.process = subprocess.Popen([*command, "--worker", born_with], pass_fds=descriptors,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._lifeline, _ = reactor.adopt(lambda: self, ours)

    def data_received(self, data: bytes) -> None:
        """It listens."""
        self._on_ready(self)

    def retire(self) -> None:
        """Let it accept no more, and end once its connections have."""
        self._lifeline.close()


class Supervisor:
    """The parent: keeps a worker in each slot, and knows what the signals mean for them."""

    def __init__(self, reactor: Reactor, name: str, slots: List[Slot], command: Sequence[str], *,
                 say: Say, complain: Say, on_ready: Callable[[], object]) -> None:
        self._reactor = reactor
        self._name = name
        self._slots = slots
        self._command = command
        self._say = say
        self._complain: Say = lambda text: complain(f"{name}: {text}")
        self._on_ready: Optional[Callable[[], object]] = on_ready  # called once, when all listen
        self._workers: Set[Worker] = set()  # every process that has not been reaped
        self._old: Set[Worker] = set()  # those from before the last SIGHUP, until all who serve are younger
        self._ending = False
        # Under nohup a hangup is to be survived.
        self._had_terminal = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and has_terminal()

    def begin(self) -> None:
        """Start all workers, and hear the signals from now on."""
        self._reactor.add_signal_handler(signal.SIGCHLD, self._reap)
        self._reactor.add_signal_handler(signal.SIGHUP, self._renew)
        for signum in (signal.SIGINT, signal.SIGTERM):
            self._reactor.add_signal_handler(signum, self._end, signum)
        for slot in self._slots:
            self._start(slot)

    def _start(self, slot: Slot) -> None:
        if self._ending or slot.coming is not None:
            return
        try:
            slot.coming = Worker(slot, self._command, self._reactor, self._listens)
        except OSError as exc:
            self._follow(slot, f"worker {slot.number} cannot be started ({exc.strerror})", young=True)
        else:
            self._workers.add(slot.coming)

    def _listens(self, worker: Worker) -> None:
        slot = worker.slot
        before, slot.serving, slot.coming = slot.serving, worker, None
        if self._on_ready is not None and all(slot.serving for slot in self._slots):
            self._on_ready()
            self._on_ready = None
        if before is not None:
            before.retire()
        self._replace_next()

    def _reap(self) -> None:
        for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
            self._workers.discard(worker)
            worker.retire()  # the lifeline, which has no other end any more
            if not self._ending and worker in (worker.slot.serving, worker.slot.coming):
                self._bury(worker, worker.slot)
        if self._ending and not self._workers:
            self._reactor.stop()

    def _bury(self, worker: Worker, slot: Slot) -> None:
        if worker is slot.serving:
            slot.serving = None
        else:
            slot.coming = None
        young = self._reactor.time() - worker.born < YOUNG
        self._follow(slot, f"worker {slot.number} ended ({ending(worker.process.returncode)})", young, worker)
        self._replace_next()

    def _follow(self, slot: Slot, what: str, young: bool, worker: Optional[Worker] = None) -> None:
        if slot.serving is not None:
            self._complain(f"the new {what}, so the old ones go on")
            if worker not in self._old:  # there was no SIGHUP since it started, which would be another try
                self._old.clear()
        elif slot.coming is None:
            slot.pause = min(2 * slot.pause, LONGEST) if young and slot.pause else SHORTEST
            self._complain(f"{what}, the next one starts in {slot.pause:.1f} s")
            self._reactor.call_later(slot.pause, self._start, slot)

    def _renew(self) -> None:
        if self._had_terminal and not has_terminal():
            self._end(signal.SIGHUP)  # its window was closed: who else could end it now?
            return
        self._old = set(self._workers)
        self._replace_next()

    def _replace_next(self) -> None:
        """Start a successor to one worker from before the last SIGHUP; say so where there is none left."""
        if any(slot.coming is not None for slot in self._slots):
            return  # one at a time
        for slot in self._slots:
            if slot.serving in self._old:
                return self._start(slot)
        if self._old:
            self._old.clear()
            self._complain("all workers are new")

    def _end(self, signum: int) -> None:
        if self._ending:
            self._kill()
            return
        self._ending = True
        self._say(f"{self._name} stops: {signal.Signals(signum).name}")
        for worker in self._workers:
            worker.process.terminate()
        self._reactor.call_later(PATIENCE, self._kill)
        self._reap()  # there may be none

    def _kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()


def supervise(reactor: Reactor, name: str, slots: List[Slot], unix: Optional[str], **say: Any) -> None:
    """Keep a worker in each slot until Ctrl-C or SIGTERM; then close the sockets, and remove the Unix socket's file."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)  # what the closing reactor restores: the end shall not be interrupted
    file = identity(unix) if unix is not None else None
    try:
        Supervisor(reactor, name, slots, same_program(), **say).begin()
        reactor.run()
    finally:
        for slot in slots:
            for sock in slot.sockets:
                sock.close()
        if unix is not None and file is not None and identity(unix) == file:
            os.unlink(unix)


def same_program() -> List[str]:
    """The command that started this process, for another Python to run."""
    spec = sys.modules["__main__"].__spec__
    assert spec is not None, "servers are started with python3 -m"
    return [sys.executable, *(f"-W{option}" for option in sys.warnoptions), "-m", spec.name, *sys.argv[1:]]


def has_terminal() -> bool:
    """True while there is a terminal that can send Ctrl-C."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def ending(status: int) -> str:
    """What an exit status says, a negative one being a signal."""
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


# -- a worker

class Lifeline(Protocol):
    """The worker's end: says that it listens, and stops the reactor when the parent has let go."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor

    def connection_made(self, transport: Transport) -> None:
        transport.write(b"!")

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self._reactor.stop()


def numbers(text: str) -> List[int]:
    """What a worker is born with: its number, and the descriptors of its lifeline and of what it listens on."""
    return list(map(int, text.split(",")))


def work(reactor: Reactor, factory: Callable[[], Any], descriptors: List[int]) -> None:
    """Serve on the parent's sockets until told to retire, drain, and return."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        reactor.add_signal_handler(signum, reactor.shut_down)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the parent's alone
    lifeline, *sockets = [socket.socket(fileno=number) for number in descriptors]
    for sock in sockets:
        sock.setblocking(False)
    listener = Listener(reactor, sockets, factory)
    reactor.adopt(lambda: Lifeline(reactor), lifeline)
    reactor.run()
    listener.close()
    reactor.call_later(DRAIN, reactor.shut_down)
    if reactor.endpoints:
        reactor.run(until=lambda: not reactor.endpoints)
