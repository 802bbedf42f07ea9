"""Between a program and the kernel: select and the methods of sockets, each telling what it was asked and answered.

What is told are the events of reactor/trace.py.  Each select call is a turn; what the program does after it belongs
to that turn.  The methods are replaced on socket.socket itself, so nobody who uses it, subclasses it or
imported it under another name can tell the difference.
"""
from __future__ import annotations

import errno
import functools
import itertools
import os
import select
import selectors
import socket
import sys
import threading
import time
import weakref
from typing import Any, Callable, Dict, List, Optional, Tuple

from reactor.errors import CONNECTING, NOT_NOW
from reactor.listener import shown
from reactor.trace import Event

Observer = Callable[[Event], object]
Named = List[Tuple[str, str]]
NO_DATA = socket.MSG_PEEK | socket.MSG_OOB  # flags of calls that move nothing of the stream


class Known:
    """What is known of one socket."""

    __slots__ = ("name", "sort", "fd", "ended", "left", "closed")

    def __init__(self, name: str, sort: str, fd: int) -> None:
        self.name = name
        self.sort = sort  # "new", "listener", "connector", "connection", "datagram", "gone"
        self.fd = fd
        self.ended: Optional[int] = None  # the turn in which end of file was read
        self.left = 0  # bytes that the last send did not take
        self.closed: Optional[int] = None  # the turn

    def why(self, writing: bool) -> str:
        """Why select may be asked about it, as far as can be seen from outside."""
        if self.closed is not None:
            return f"closed in turn {self.closed}"
        if writing:
            return ("connect pending" if self.sort == "connector" else
                    f"{self.left:,} bytes were not taken" if self.left else "the program asks")
        if self.ended is not None:
            return f"at its end of file since turn {self.ended}"
        return {"listener": "the listener", "datagram": "the datagram socket"}.get(self.sort, "connected")


class Kernel:
    """Tells `observer` what passes; `watch` is told, in numbers, what no event says (see Rubric)."""

    def __init__(self, observer: Observer, watch: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._observer: Optional[Observer] = observer
        self._watch = watch
        self._lock = threading.RLock()
        self._known: weakref.WeakKeyDictionary[socket.socket, Known] = weakref.WeakKeyDictionary()
        self._by_number: Dict[int, Known] = {}
        self._forgotten: List[Known] = []  # collected without close(): to be told with the next event
        self._numbers = itertools.count(1)
        self._turn = 0
        self._asked = False  # select was called, so the next call is another turn
        self._answered = 0.0
        self._reading: Named = []
        self._thread = 0  # that called select last

    def install(self) -> None:
        """From now on everything is seen."""
        seen = self._standing_for(select.select, self._select)
        setattr(select, "select", seen)
        if sys.platform != "win32":  # there SelectSelector looks select up at each call
            setattr(selectors.SelectSelector, "_select", staticmethod(seen))
        for name, position in (("recv", 1), ("recv_into", 2), ("recvfrom", 1), ("recvfrom_into", 2), ("recvmsg", 2)):
            self._replace(name, self._receive, name, position)
        for name in ("send", "sendall", "sendto", "sendmsg"):
            self._replace(name, self._send, name)
        for name in ("accept", "connect", "connect_ex", "listen", "bind", "shutdown", "detach", "_real_close"):
            self._replace(name, getattr(self, f"_{name.strip('_')}"))
        setattr(socket, "socketpair", self._standing_for(socket.socketpair, self._socketpair))
        if hasattr(os, "sendfile"):
            setattr(os, "sendfile", self._standing_for(os.sendfile, self._sendfile))
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.stop)

    def stop(self) -> None:
        """Tell nothing more."""
        self._observer = None

    def _standing_for(self, real: Callable[..., Any], method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            return real(*args, **kwargs) if self._observer is None else method(real, *args, **kwargs)
        return call

    def _replace(self, name: str, method: Callable[..., Any], *more: Any) -> None:
        real = getattr(socket.socket, name, None)
        if real is None:
            return

        # No functools.partial here or above: PyPy's would show in tracebacks.
        @functools.wraps(real)
        def call(sock: socket.socket, *args: Any, **kwargs: Any) -> Any:
            if self._observer is None:
                return real(sock, *args, **kwargs)
            return method(lambda *args, **kwargs: real(sock, *args, **kwargs), sock, *more, *args, **kwargs)
        setattr(socket.socket, name, call)

    # -- telling

    def _tell(self, kind: str, **facts: Any) -> None:
        with self._lock:
            while self._forgotten:
                known = self._forgotten.pop()
                if known.closed is None:
                    self._gone(known, "the program let go of it")
            if self._observer is not None:
                self._observer(Event(self.clock(), self._turn, kind, facts))

    def _new_name(self) -> str:
        return f"#{next(self._numbers)}"

    def _of(self, sock: socket.socket) -> Known:
        # Of a socket that began unseen (a socketpair, one made from a number) this is the beginning.
        with self._lock:
            known = self._known.get(sock)
            if known is None:
                known = self._meet(sock, "datagram" if sock.type == socket.SOCK_DGRAM else "new")
            return known

    def _meet(self, sock: socket.socket, sort: str) -> Known:
        known = Known(self._new_name(), sort, sock.fileno())
        self._known[sock] = known
        self._by_number[known.fd] = known
        setattr(weakref.finalize(sock, self._forget, known), "atexit", False)
        if sort == "datagram":
            self._tell("opened", who=known.name, address=_address(sock.getsockname))
        return known

    def _forget(self, known: Known) -> None:
        if known.closed is None:
            self._forgotten.append(known)

    def _stream(self, sock: socket.socket) -> Known:
        # One that bytes are moved on.
        known = self._of(sock)
        if known.sort == "new":
            self._adopt(known)
        elif known.sort == "connector":
            self._connected(known, _address(sock.getpeername))
        return known

    def _adopt(self, known: Known) -> None:
        known.sort = "connection"
        self._tell("adopted", who=known.name)

    def _connected(self, known: Known, where: str) -> None:
        who = known.name
        known.name, known.sort = self._new_name(), "connection"
        self._tell("connected", who=who, connection=known.name, where=where)

    def _gone(self, known: Known, why: str) -> None:
        if known.closed is None:
            known.closed = self._turn
            if self._by_number.get(known.fd) is known:
                del self._by_number[known.fd]
            kind = "failed" if known.sort == "connector" else "closed"
            if known.sort != "new":
                self._tell(kind, who=known.name, why=why)

    def _timed(self, call: str, sock: socket.socket, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        blocking, start = sock.gettimeout() != 0.0, self.clock()
        try:
            return real(*args, **kwargs)
        finally:
            if threading.get_ident() == self._thread:
                known = self._known.get(sock)
                self._watch.called(known.name if known else "?", call, blocking, self.clock() - start, self._turn)

    def _failed(self, known: Known, call: str, exc: OSError, **facts: Any) -> None:
        if known.closed is not None:
            self._tell("raised", callback=f"{call} of {known.name}", error=repr(exc))
        elif exc.errno in NOT_NOW:
            if known.sort == "new":
                self._adopt(known)
            self._tell("blocked", who=known.name, call=call, **facts)
        elif known.sort == "connector":
            known.sort = "new"
            self._tell("failed", who=known.name, why=str(exc))
        else:
            self._tell("error", who=known.name, call=call, errno=exc.errno, why=str(exc))

    # -- select

    def _select(self, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            lists = [list(arg) for arg in args[:3]]
        except TypeError:
            lists = []
        if len(lists) < 3 or kwargs:
            return real(*args, **kwargs)
        timeout = args[3] if len(args) > 3 else None
        self._ask(lists, timeout)
        start = self.clock()
        try:
            answer = real(*lists, *args[3:])
        except (OSError, ValueError, TypeError) as exc:
            self._tell("raised", callback="select", error=repr(exc))
            raise
        finally:
            self._answered = self.clock()
            self._watch.slept(self._answered - start, self._turn)
        self._tell("ready", readable=[self._named(one, False)[0] for one in answer[0]],
                   writable=[self._named(one, True)[0] for one in answer[1]], slept=self._answered - start)
        return answer

    def _ask(self, lists: List[List[Any]], timeout: Any) -> None:
        with self._lock:
            if self._asked:
                self._tell("ran", callback="the program", milliseconds=(self.clock() - self._answered) * 1000)
                self._turn += 1
            self._asked = True
            self._thread = threading.get_ident()
            reading, writing = ([self._named(one, bool(i)) for one in lists[i]] for i in range(2))
            if reading != self._reading:  # observers know by the very list whether it changed
                self._reading = reading
            self._watch.asked(lists[2], timeout)
            self._tell("turn", reading=self._reading, writing=writing,
                       timeout=None if timeout is None else max(float(timeout), 0.0), why="the program's time-out")

    def _named(self, one: Any, writing: bool) -> Tuple[str, str]:
        known = self._known.get(one) if isinstance(one, socket.socket) else None
        if known is None:
            number = _number(one)
            known = self._by_number.get(number)
            if known is None and isinstance(one, socket.socket) and number >= 0:
                known = self._of(one)
            if known is None:
                what = "stdin" if number == 0 else "closed" if number < 0 else "no socket that was seen"
                return f"fd {number}", what
        if known.sort == "new":
            self._adopt(known)
        return known.name, known.why(writing)

    # -- reading

    def _receive(self, real: Callable[..., Any], sock: socket.socket, call: str, position: int, *args: Any,
                 **kwargs: Any) -> Any:
        flags = kwargs.get("flags", args[position] if len(args) > position else 0)
        if flags & NO_DATA:
            return real(*args, **kwargs)
        known = self._of(sock)
        try:
            answer = self._timed(call, sock, real, *args, **kwargs)
        except OSError as exc:
            self._failed(known, call, exc)
            raise
        data = answer[0] if isinstance(answer, tuple) else answer
        if isinstance(data, int):
            data = bytes(memoryview(args[0]).cast("B")[:data])
        if known.sort == "datagram":
            peer = answer[1] if call.startswith("recvfrom") else None
            self._tell("datagram received", who=known.name, size=len(data), data=data, peer=peer)
            return answer
        known = self._stream(sock)
        if not data and args[0] != 0:
            self._tell("ended", who=known.name, size=0, data=data)
            known.ended = self._turn if known.ended is None else known.ended
        elif data:
            self._tell("received", who=known.name, size=len(data), data=data)
        return answer

    # -- writing

    def _send(self, real: Callable[..., Any], sock: socket.socket, call: str, *args: Any, **kwargs: Any) -> Any:
        data = _bytes(args[0], call) if args else None
        known = self._of(sock)
        try:
            answer = self._timed(call, sock, real, *args, **kwargs)
        except OSError as exc:
            if data is not None:
                self._failed(known, call, exc, offered=len(data), taken=0, left=len(data), data=data)
            raise
        if data is not None:
            self._sent(sock, known, data, len(data) if answer is None else answer, args)
        return answer

    def _sent(self, sock: socket.socket, known: Known, data: Any, taken: int, args: Tuple[Any, ...] = ()) -> None:
        if known.sort == "datagram":
            peer = args[-1] if isinstance(args[-1], tuple) else None
            self._tell("datagram sent", who=known.name, size=taken, data=data, peer=peer)
            return
        known = self._stream(sock)
        known.left = len(data) - taken
        self._tell("partly sent" if known.left else "sent", who=known.name, offered=len(data), taken=taken,
                   left=known.left, data=data)

    def _sendfile(self, real: Callable[..., int], out: int, source: int, offset: Any, count: int, *args: Any,
                  **kwargs: Any) -> int:
        known = self._by_number.get(out)
        if known is None:
            return real(out, source, offset, count, *args, **kwargs)
        try:
            taken = real(out, source, offset, count, *args, **kwargs)
        except OSError as exc:
            self._failed(known, "send", exc, offered=count, taken=0, left=count, data=_OfAFile(count))
            raise
        # Whoever sends files asks for more than there is: what is left cannot be seen.
        self._tell("sent", who=known.name, offered=taken, taken=taken, left=0, data=_OfAFile(taken))
        return taken

    # -- coming and going

    def _socketpair(self, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        both = real(*args, **kwargs)
        for sock in both:
            self._of(sock)
        return both

    def _listen(self, real: Callable[..., Any], sock: socket.socket, *args: Any) -> None:
        real(*args)
        known = self._of(sock)
        if known.sort != "listener":
            known.sort = "listener"
            self._tell("listening", who=known.name, address=_address(sock.getsockname))

    def _accept(self, real: Callable[..., Any], sock: socket.socket) -> Any:
        known = self._of(sock)
        try:
            answer = self._timed("accept", sock, real)
        except OSError as exc:
            self._failed(known, "accept", exc)
            raise
        with self._lock:
            client = self._meet(answer[0], "connection")
        self._tell("accepted", who=known.name, connection=client.name, peer=shown(answer[1]), fd=client.fd)
        return answer

    def _connect(self, real: Callable[..., Any], sock: socket.socket, address: Any) -> None:
        known = self._connecting(sock, address)
        try:
            self._timed("connect", sock, real, address)
        except OSError as exc:
            self._attempted(known, exc.errno, str(exc), address)
            raise
        self._attempted(known, 0, "", address)

    def _connect_ex(self, real: Callable[..., Any], sock: socket.socket, address: Any) -> Any:
        known = self._connecting(sock, address)
        code = self._timed("connect", sock, real, address)
        self._attempted(known, code, os.strerror(code), address)
        return code

    def _connecting(self, sock: socket.socket, address: Any) -> Known:
        known = self._of(sock)
        if known.sort == "new":
            known.sort = "connector"
            self._tell("connecting", who=known.name, address=shown(address))
        return known

    def _attempted(self, known: Known, code: Optional[int], why: str, address: Any) -> None:
        if known.sort != "connector":
            return
        if code in (0, errno.EISCONN):
            self._connected(known, shown(address))
        elif code not in CONNECTING:
            self._tell("failed", who=known.name, why=why)
            known.name, known.sort = self._new_name(), "new"

    def _bind(self, real: Callable[..., Any], sock: socket.socket, *args: Any) -> None:
        real(*args)
        if sock.type == socket.SOCK_DGRAM:
            self._of(sock)

    def _shutdown(self, real: Callable[..., Any], sock: socket.socket, how: int) -> None:
        real(how)
        if how != socket.SHUT_RD:
            self._tell("half-closed", who=self._stream(sock).name)

    def _detach(self, real: Callable[..., Any], sock: socket.socket) -> Any:
        known = self._known.get(sock)
        if known is not None:
            self._gone(known, "detached: unseen from here on")
        return real()

    def _real_close(self, real: Callable[..., Any], sock: socket.socket, *args: Any) -> None:
        known = self._known.get(sock)
        if known is not None:
            if known.sort == "connection" and known.ended is None and _has_unread(sock):
                self._watch.closed_unread(known.name, self._turn)
            self._gone(known, "by us")
        real(*args)


class _OfAFile:
    """Bytes that never came into the program."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


_recv = socket.socket.recv  # as it was before install()


def _has_unread(sock: socket.socket) -> bool:
    try:
        return bool(_recv(sock, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except (AttributeError, OSError):
        return False  # nothing, or a system that cannot tell without waiting


def _number(one: Any) -> int:
    try:
        return one if isinstance(one, int) else int(one.fileno())
    except (AttributeError, OSError, TypeError, ValueError):
        return -1


def _bytes(data: Any, call: str) -> Any:
    # None for what the real call will refuse.
    try:
        if call == "sendmsg":
            return b"".join(data)
        return data if type(data) is bytes else bytes(memoryview(data).cast("B"))
    except TypeError:
        return None


def _address(ask: Callable[[], Any]) -> str:
    try:
        return shown(ask())
    except OSError:
        return "an unknown address"
