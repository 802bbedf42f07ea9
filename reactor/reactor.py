"""The verbs that a program uses: listen, connect, adopt, open_datagram; and what needs a wake-up.

None of them blocks or is awaitable; each returns at once and everything else comes as callbacks.
That is why they are not called create_server and create_connection, as asyncio's are.
"""
from __future__ import annotations

import select as _select
import socket
import threading
import time
from functools import partial
from typing import Any, Callable, NamedTuple, Optional, Tuple

from .connector import Connector
from .datagram import DatagramTransport
from .listener import Listener, addresses_of, bind, bind_unix, shown
from .loop import EventLoop, Select
from .timers import Handle
from .transport import StreamTransport
from .wakeup import Wakeup

Factory = Callable[[], Any]
HostPort = Tuple[str, int]


class Counters(NamedTuple):
    """What a reactor has done so far.  `awake` is CPU time: waiting in a callback counts as asleep."""

    turns: int
    events: int  # how often select found a socket ready
    received: int  # bytes, of all streams
    sent: int
    asleep: float  # seconds of run()
    awake: float
    endpoints: int  # connections, listeners, connectors and datagram sockets that are open now
    most_endpoints: int
    largest_queue: int  # bytes


class Reactor(EventLoop):
    """An event loop that opens connections and can be woken from other threads and by signals."""

    def __init__(self, *, select: Select = _select.select, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(select=select, clock=clock)
        self.wakeup = Wakeup(self)
        self._began = time.perf_counter(), time.thread_time()
        self.ending = False  # set by shut_down()

    # -- the verbs

    def listen(self, factory: Factory, host: str = "127.0.0.1", port: int = 0, *, unix: Optional[str] = None,
               max_connections: Optional[int] = None) -> Listener:
        """Serve `factory()` to each client, on every address of `host` or on the Unix socket `unix`.

        Port 0 lets the kernel choose.  Raises OSError where it cannot listen.
        """
        self._check()
        sockets = bind(host, port) if unix is None else bind_unix(unix)
        return Listener(self, sockets, factory, max_connections, unix)

    def connect(self, factory: Factory, host: str = "127.0.0.1", port: int = 0, *, unix: Optional[str] = None,
                timeout: float = 10.0, on_error: Optional[Callable[[OSError], object]] = None) -> Connector:
        """Connect, then make the protocol; or call on_error(exc) once, after `timeout` seconds at most."""
        self._check()
        connector = Connector(self, factory, unix or shown((host, port)), timeout, on_error)
        if unix is not None:
            self.call_soon(connector.found, [(socket.AF_UNIX, socket.SOCK_STREAM, 0, "", unix)])
        else:
            self.look_up(host, port, connector.found)
        return connector

    def adopt(self, factory: Factory, sock: socket.socket) -> Tuple[StreamTransport, Any]:
        """Drive a connected stream socket, which is the reactor's from now on; connection_made comes next turn."""
        self._check()
        sock.setblocking(False)
        transport = StreamTransport(self, sock, protocol := factory())
        transport.tell("adopted")
        self.call_soon(transport.begin)
        return transport, protocol

    def open_datagram(self, factory: Factory, local: Optional[HostPort] = None,
                      remote: Optional[HostPort] = None) -> Tuple[DatagramTransport, Any]:
        """Open a UDP socket, bound to `local` and connected to `remote`; to look a name up here blocks."""
        self._check()
        where = local or remote or ("127.0.0.1", 0)
        family, kind, proto, _, address = addresses_of(*where, kind=socket.SOCK_DGRAM)[0]
        sock = socket.socket(family, kind, proto)
        try:
            sock.setblocking(False)
            if remote is None or local is not None:
                sock.bind(address)
            if remote is not None:
                sock.connect(addresses_of(*remote, kind=socket.SOCK_DGRAM)[0][4])
            transport = DatagramTransport(self, sock, protocol := factory())
        except BaseException:
            sock.close()
            raise
        transport.tell("opened", address=shown(sock.getsockname()))
        self.call_soon(transport.begin)
        return transport, protocol

    # -- other threads, and signals

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> Handle:
        """As call_soon(), from any thread or signal handler; wakes a sleeping select.  RuntimeError once closed."""
        if self.closed:
            raise RuntimeError("this event loop is closed")
        handle = Handle(partial(callback, *args) if args else callback)
        self._soon.append(handle)
        self.wakeup.wake()
        return handle

    def call_in_thread(self, function: Callable[[], Any], done: Callable[[Any], object]) -> None:
        """Run what blocks in a thread; `done(result or exception)` comes from the loop."""
        def work() -> None:
            try:
                result = function()
            except Exception as exc:
                result = exc
            try:
                self.call_soon_threadsafe(done, result)
            except RuntimeError:
                pass  # closed meanwhile: nobody is waiting

        # A daemon, so that a name server that does not answer cannot keep the program from ending.
        threading.Thread(target=work, daemon=True).start()

    def look_up(self, host: str, port: int, done: Callable[[Any], object]) -> None:
        """`done(what getaddrinfo returned or raised)`, from the loop; names are looked up in a thread."""
        try:
            self.call_soon(done, addresses_of(host, port, socket.AI_NUMERICHOST))
        except OSError:
            self.call_in_thread(partial(addresses_of, host, port), done)

    def add_signal_handler(self, signum: int, callback: Callable[..., object], *args: Any) -> None:
        """Run `callback` in the loop after each such signal, until close().  Only the main thread may ask for it."""
        self.wakeup.on_signal(signum, partial(self.call_soon_threadsafe, callback, *args))

    # -- running and ending

    def counters(self) -> Counters:
        """A snapshot; to be taken on the loop's thread."""
        awake = time.thread_time() - self._began[1]
        asleep = max(time.perf_counter() - self._began[0] - awake, 0.0)
        streams = [endpoint for endpoint in self.endpoints if isinstance(endpoint, StreamTransport)]
        received = self.received + sum(stream.received for stream in streams)
        sent = self.sent + sum(stream.sent for stream in streams)
        return Counters(self.turns, self.events, received, sent, asleep, awake,
                        len(self.endpoints), self.most, self.largest)

    def run(self, until: Optional[Callable[[], bool]] = None) -> None:
        """Turn until stop(), or until `until()` is true after a turn.  Can be called again afterwards."""
        self._began = time.perf_counter(), time.thread_time()
        with self.wakeup.hearing_signals():
            super().run(until)

    def shut_down(self, patience: float = 1.0) -> None:
        """close() all that is open, abort what is left after `patience` seconds, then stop()."""
        self.ending = True
        for endpoint in self.by_age():
            endpoint.close()
        self._end_when_empty(self.time() + patience)

    def _end_when_empty(self, deadline: float) -> None:
        if self.endpoints and self.time() < deadline:
            self.call_later(0.02, self._end_when_empty, deadline)
            return
        for endpoint in self.by_age():
            endpoint.abort()
        self.call_soon(self.stop)

    def close(self) -> None:
        """Abort what is open, deliver its last callbacks, and refuse everything from now on.  Twice is once."""
        super().close()
        self.wakeup.close()
