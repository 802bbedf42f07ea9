"""Accepting connections, and what to do when one cannot: the only file that calls accept.

accept() fails in four ways, and confusing them is how servers die or spin:

  not now        another process took it, or the client has left: wait for select.
  client left    this one is gone (ECONNABORTED, or the firewall's EPERM): go on with the next.
                 asyncio up to 3.13 drops the rest of the batch here; Tornado and nginx go on.
  exhausted      no descriptor or memory.  The client stays in the backlog, so the listener stays
                 readable: stop watching, try again after a pause or when a connection ends.
                 libuv sheds load with a spare descriptor, trio sleeps 100 ms, nginx sets a timer.
  anything else  unknown: log it and pause as well, so that it neither kills nor spins.

Better than failing is stopping in time.  select cannot hold descriptors from FD_SETSIZE on, and
`ulimit -n` may be lower, so a listener rests while the numbers come near either; who is not accepted waits
in the kernel's backlog and gets in when somebody leaves.
"""
from __future__ import annotations

import os
import socket
import stat
from typing import Any, Callable, List, Optional

from .endpoint import Endpoint, Watcher
from .errors import CLIENT_LEFT, EXHAUSTED, NOT_HERE, NOT_NOW
from .loop import WINDOWS, EventLoop
from .trace import log
from .transport import StreamTransport

try:
    from resource import RLIMIT_NOFILE, getrlimit
    DESCRIPTORS = getrlimit(RLIMIT_NOFILE)[0]
except ImportError:
    DESCRIPTORS = 512

AF_UNIX = getattr(socket, "AF_UNIX", None)  # not on Windows
BACKLOG = 4096  # the kernel cuts it to what it can; a full backlog costs the client a second
BATCH = 64  # accepts a turn, so that a storm of clients leaves time for those already served
PAUSE = 1.0  # seconds until the next try when the machine is exhausted
QUIET = 60.0  # seconds before a listener complains again
FD_SETSIZE = 512 if WINDOWS else 1024  # Python does not tell
RESERVE = 24  # descriptors kept for files, look-ups and outgoing connections
LIMIT = min(FD_SETSIZE, DESCRIPTORS)
CEILING = LIMIT - min(RESERVE, LIMIT // 4)


class Listener(Endpoint):
    """Sockets that listen for one protocol.  close() ends the listening, not the connections."""

    def __init__(self, loop: EventLoop, sockets: List[socket.socket], factory: Callable[[], Any],
                 max_connections: Optional[int] = None, path: Optional[str] = None) -> None:
        super().__init__(loop)
        self.connections = 0  # accepted here, and still open
        self._sockets = sockets
        self._factory = factory
        self._most = max_connections
        self._watchers: List[Watcher] = []
        self._timer: Any = None
        self._complained = -QUIET
        # The Unix socket to remove at the end; another server may have put its own there meanwhile.
        self._path = path
        self._inode = identity(path) if path else None
        self._left = self._one_left  # one bound method for all the connections
        loop.working_set.urgent.update(sock.fileno() for sock in sockets)
        self._resume()
        self.tell("listening", address=", ".join(self.addresses))

    def __repr__(self) -> str:
        return f"<Listener {self.name} on {', '.join(self.addresses)}, {self.connections} connections>"

    @property
    def addresses(self) -> List[str]:
        """Where it listens, as HOST:PORT, [HOST]:PORT or a path."""
        return [shown(sock.getsockname()) for sock in self._sockets]

    @property
    def port(self) -> int:
        """The port, also where 0 was asked for."""
        return int(self._sockets[0].getsockname()[1])

    def why(self, writing: bool) -> str:
        """The reason why select watches this."""
        return "the listener"

    # -- accepting

    def _resume(self) -> None:
        self._stop_timer()
        if self._sockets and not self._watchers:
            self._watchers = [self.loop.add_reader(sock, self._on_readable, sock) for sock in self._sockets]

    def _on_readable(self, sock: socket.socket) -> None:
        for _ in range(BATCH):
            if not self._watchers:
                return
            if self.connections == self._most or self._is_full(sock):
                return self._rest("its limit" if self.connections == self._most else "select can hold few more")
            try:
                client, peer = sock.accept()
            except OSError as exc:
                if exc.errno in CLIENT_LEFT:
                    continue
                if exc.errno in EXHAUSTED or exc.errno not in NOT_NOW:
                    self._complain(f"accept said: {exc}")
                    self._rest(str(exc))
                    self._timer = self.loop.call_later(PAUSE, self._resume)
                return
            self._welcome(client, peer)

    def _welcome(self, client: socket.socket, peer: Any) -> None:
        try:
            client.setblocking(False)
            protocol = self._factory()
        except BaseException:
            client.close()
            raise
        # Windows limits how many select watches, the others how high their numbers are.
        place = len(self.loop.endpoints) if WINDOWS else client.fileno()
        if protocol is None or place >= FD_SETSIZE:
            client.close()
            return
        self.connections += 1
        transport = StreamTransport(self.loop, client, protocol, peer, self._left)
        if self.loop.observer is not None:
            self.tell("accepted", connection=transport.name, peer=shown(peer), fd=client.fileno())
        self.loop.call_now(transport.begin)
        if place >= CEILING:
            self.loop.crowded = len(self.loop.endpoints)
            self._complain(f"select holds descriptors up to {LIMIT}, and {place} is in use")

    def _is_full(self, sock: socket.socket) -> bool:
        if len(self.loop.endpoints) < self.loop.crowded:
            return False
        if WINDOWS:
            return True
        try:
            number = os.dup(sock.fileno())  # the lowest that is free: the next client's
        except OSError:
            return True
        os.close(number)
        return number >= CEILING

    def _one_left(self) -> None:
        self.connections -= 1

    def _complain(self, why: str) -> None:
        now = self.loop.time()
        if now - self._complained >= QUIET:
            self._complained = now
            log.warning("%r: %s; new clients wait in the backlog", self, why)

    def _rest(self, why: str) -> None:
        # Until the next connection, anybody's, has ended.
        self._unwatch()
        self.loop.waiting.add(self._resume)
        self.tell("full", connections=self.connections, why=why)

    def _unwatch(self) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        self._watchers = []

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- ending

    def close(self) -> None:
        """Listen no more, at once; accepted connections live on.  Twice is once."""
        if self._sockets:
            self.tell("closed", why="by us")
        self._unwatch()
        self._stop_timer()
        for sock in self._sockets:
            self.loop.working_set.urgent.discard(sock.fileno())
            sock.close()
        self._sockets = []
        if self._path and self._inode and identity(self._path) == self._inode:
            os.unlink(self._path)
        self.loop.forget(self)

    def abort(self) -> None:
        """As close()."""
        self.close()

    def fail(self, exc: Optional[BaseException]) -> None:
        """A factory raised, which cost its one client the connection: go on listening."""


def addresses_of(host: Optional[str], port: int, flags: int = 0,
                 kind: int = socket.SOCK_STREAM) -> List[Any]:
    """What getaddrinfo says of a server; OSError also for what can be no host or port at all."""
    if not 0 <= port <= 65535:
        raise OSError(f"{port} is not a port: they go from 0 to 65535")
    try:
        return socket.getaddrinfo(host, port, type=kind, flags=flags)
    except UnicodeError:
        raise OSError(f"{host!r} cannot be the name of a host") from None


# Blocks where `host` is a name that must be looked up: a program does this once, before it serves.
def bind(host: str, port: int) -> List[socket.socket]:
    """Listening sockets, all on one port, for every address of `host`; or an OSError that names the address."""
    sockets: List[socket.socket] = []
    problem: Optional[OSError] = None
    for family, kind, proto, _, address in dict.fromkeys(addresses_of(host or None, port, socket.AI_PASSIVE)):
        if port == 0 and sockets:
            address = (address[0], sockets[0].getsockname()[1], *address[2:])
        try:
            sockets.append(listening(socket.socket(family, kind, proto), address))
        except OSError as exc:
            problem = OSError(exc.errno, f"cannot listen on {shown(address)}: {exc.strerror or exc}")
            if exc.errno not in NOT_HERE:
                break
    if sockets and (problem is None or problem.errno in NOT_HERE):
        return sockets
    for sock in sockets:
        sock.close()
    raise problem or OSError(f"{host} has no address")


def bind_unix(path: str) -> List[socket.socket]:
    """A listening Unix socket.  A socket that a dead server left at `path` is replaced, nothing else ever is."""
    if _is_left_over(path):
        os.unlink(path)
    try:
        return [listening(socket.socket(socket.AF_UNIX), path)]
    except OSError as exc:
        raise OSError(exc.errno, f"cannot listen on {path}: {exc.strerror or exc}") from None


def _is_left_over(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            if stat.S_ISSOCK(os.stat(path).st_mode):
                probe.connect(path)
        except ConnectionRefusedError:
            return True
        except (OSError, ValueError):
            pass  # nothing is there, or a server that is too busy to answer at once
    return False


def identity(path: Any) -> Any:
    """What tells the file at `path` from another one that takes its name; None where there is none."""
    try:
        status = os.stat(path)
        return status.st_dev, status.st_ino
    except (OSError, ValueError):
        return None  # gone, or a name that stands in no folder


def listening(sock: socket.socket, address: Any) -> socket.socket:
    """The socket, bound and listening without blocking; closed where that is impossible."""
    try:
        if not WINDOWS:  # there it means that others may take the port away
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        no_delay(sock)  # accepted sockets inherit it
        sock.setblocking(False)
        sock.bind(address)
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def no_delay(sock: socket.socket) -> None:
    """Let an answer never wait for the acknowledgement of the last one; where that cannot be had, go without."""
    if sock.family != AF_UNIX:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass  # the peer has left already, which recv will report


def shown(address: Any) -> str:
    """An address in words: HOST:PORT, [HOST]:PORT, or the path of a Unix socket."""
    if not isinstance(address, tuple):
        return os.fsdecode(address) if address else "a local process"
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"
