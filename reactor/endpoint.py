"""What a loop drives: Watchers, whom select is asked about, and Endpoints, who ask.

An endpoint is known to its loop from birth until forget(), so that close() of the loop can end it,
and by one number (#5) for its whole life, which a descriptor number is not.

A SocketEndpoint only ever moves forward: open -> closing -> lost -> ended.

  closing  close() was called: no more reading, no more writes accepted, the queue drains
  lost     nothing is watched any more; connection_lost is scheduled
  ended    connection_lost was called, once, and the descriptor is free

abort() and an error lead to `lost` from anywhere.  connection_lost always comes from the loop, never
from inside the caller's stack.
"""
from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

from .timers import Handle, Timer

if TYPE_CHECKING:
    from .loop import EventLoop


class Watcher(Handle):
    """One socket watched for one direction."""

    __slots__ = ("fd", "names", "_table", "_loop")

    def __init__(self, fd: int, callback: Callable[[], object], table: Dict[int, Watcher], loop: EventLoop) -> None:
        self.callback = callback
        self.fd = fd
        self.names: Optional[Tuple[str, str]] = None  # once called() was asked
        self._table = table
        self._loop = loop
        table[fd] = self
        loop.asked = None

    def cancel(self) -> None:
        """Stop watching; not called any more, even if ready in this very turn."""
        self.callback = None
        if self._table.get(self.fd) is self:
            del self._table[self.fd]
            self._loop.asked = None


class Endpoint:
    """One thing that the loop drives: a connection, a listener, a connector, a datagram socket."""

    __slots__ = ("loop", "number")

    def __init__(self, loop: EventLoop) -> None:
        self.loop = loop
        self.number = next(loop.numbers)
        loop.endpoints.add(self)
        if len(loop.endpoints) > loop.most:
            loop.most = len(loop.endpoints)

    @property
    def name(self) -> str:
        """#5, say."""
        return f"#{self.number}"

    def why(self, writing: bool) -> str:
        """The reason why select watches this, for reading or for writing."""
        return "connected"

    def tell(self, kind: str, **facts: Any) -> None:
        """Tell the loop's observer, if there is one, what happened to this endpoint."""
        if self.loop.observer is not None:
            facts["who"] = self.name
            self.loop.hand(kind, facts)

    def close(self) -> None:
        """End in an orderly way.  Twice is once."""
        self.fail(None)

    def abort(self) -> None:
        """End at once.  Twice is once."""
        self.fail(None)

    def fail(self, exc: Optional[BaseException]) -> None:
        """End at once, because of `exc`."""
        raise NotImplementedError


class SocketEndpoint(Endpoint):
    """One socket and its protocol: watched, lost and forgotten in one way."""

    __slots__ = ("sock", "dropped", "_protocol", "_peer", "_timer", "_reader", "_writer", "_closing", "_lost")

    def __init__(self, loop: EventLoop, sock: socket.socket, protocol: Any, peer: Any = None) -> None:
        super().__init__(loop)
        self.sock = sock
        self.dropped = 0  # what was written too late, or for which there was no room
        self._protocol = protocol
        self._peer = peer  # as accept() told it: once it has left, the kernel does not know any more
        self._timer: Optional[Timer] = None
        self._reader: Optional[Watcher] = None
        self._writer: Optional[Watcher] = None
        self._closing = False
        self._lost = False

    def __repr__(self) -> str:
        state = "lost" if self._lost else "closing" if self._closing else "reading" if self._reader else "not reading"
        return f"<{type(self).__name__} {self.name} fd={self.sock.fileno()} {state}>"

    def begin(self) -> None:
        """Introduce the protocol and start to read; called once, by the loop."""
        try:
            self._protocol.connection_made(self)
        finally:
            self._watch()  # also when a KeyboardInterrupt passes by: run() may be called again

    def _watch(self) -> None:
        if self._reader is None and not self._closing:
            self._reader = self.loop.add_reader(self.sock, self._on_readable)

    def _unwatch(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()

    def _watch_writing(self) -> None:
        if self._writer is None:
            self._writer = self.loop.add_writer(self.sock, self._on_writable)

    def _unwatch_writing(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.cancel()

    def _on_readable(self) -> None:
        raise NotImplementedError

    def _on_writable(self) -> None:
        raise NotImplementedError

    def is_closing(self) -> bool:
        """True from the first close(), abort() or loss on."""
        return self._closing

    def fail(self, exc: Optional[BaseException]) -> None:
        """End at once: what is queued is lost, and connection_lost(exc) follows, once."""
        if not self._lost:
            self.loop.call_soon(self._end, exc)  # first, since it refuses a wrong thread
            self.tell("lost", why=reason(exc))
            self._let_go()

    def _let_go(self) -> None:
        self._closing = self._lost = True
        self._unwatch()
        self._unwatch_writing()
        self._set_timer(None)

    def _set_timer(self, delay: Optional[float], *callback: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if delay is None else self.loop.call_later(delay, *callback)

    def _end(self, exc: Optional[BaseException]) -> None:
        connection_lost: Callable[[Any], object] = self._protocol.connection_lost
        self._protocol = None
        try:
            connection_lost(exc)
        finally:
            if self.loop.observer is not None:
                self.tell("closed", why=reason(exc))
            self.sock.close()
            self.loop.forget(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """'peername', 'sockname' or 'socket'; the default where it is not known (any more)."""
        if self._peer and name == "peername":
            return self._peer
        try:
            return {"socket": lambda: self.sock, "sockname": self.sock.getsockname,
                    "peername": self.sock.getpeername}.get(name, lambda: default)()
        except OSError:
            return default


def reason(exc: Optional[BaseException]) -> str:
    """Why something ended, in words; None is an end that we wanted."""
    try:
        return "by us" if exc is None else str(exc) or repr(exc)
    except Exception:
        return words(exc)


def named(watcher: Watcher, writing: bool = False) -> Tuple[str, str]:
    """Who is watched, and the reason why; in the words of its owner, if that is an endpoint or speaks as one does."""
    try:
        owner = owner_of(watcher.callback)
        name, why = owner.name, owner.why(writing)
        if isinstance(name, str) and isinstance(why, str):
            return name, why
    except Exception:
        pass  # a function, or an object of the user's own, for which these words may mean anything
    return f"fd {watcher.fd}", describe(watcher.callback)


def called(watcher: Watcher) -> Tuple[str, str]:
    """Who is watched, and its callback in words; found out when it is first ready."""
    names = watcher.names
    if names is None:
        names = watcher.names = named(watcher)[0], describe(watcher.callback)
    return names


def owner_of(callback: Any) -> Any:
    """The object whose method a callback is; None for a plain function."""
    while isinstance(callback, partial):
        callback = callback.func
    return getattr(callback, "__self__", None)


def describe(callback: Any) -> str:
    """A callback in words: `#5 on_readable`, `IdleLimit._check of #5`, `main.<locals>.stop`."""
    try:
        owner = owner_of(callback)
        while isinstance(callback, partial):
            callback = callback.func
        if isinstance(owner, Endpoint):
            return f"{owner.name} {callback.__name__.strip('_')}"
        transport = getattr(owner, "_transport", None)  # as our protocols call it
        of = f" of {transport.name}" if isinstance(transport, Endpoint) else ""
        return (getattr(callback, "__qualname__", None) or words(callback)) + of
    except Exception:
        return words(callback)  # an object of the user's own, whose attributes do not behave


def words(thing: object) -> str:
    """repr(), also of what cannot even do that."""
    try:
        return repr(thing)
    except Exception:
        return f"a {type(thing).__name__} that cannot be shown"
