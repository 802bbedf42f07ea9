"""Connecting without blocking: the only file that calls connect_ex.

connect() on a non-blocking socket answers "in progress".  The socket becomes writable when the
attempt is over, well or not; SO_ERROR tells which, once (reading it clears it).  On Linux a refused
connection also becomes readable, on Windows it shows in select's third list alone: neither is asked.

The look-up of a name may take seconds, so it happens in a thread and comes back through the wake-up
socket; a literal address needs none.  A name with several addresses is tried in their order.
"""
from __future__ import annotations

import os
import socket
from typing import Any, Callable, List, Optional

from .endpoint import Endpoint, Watcher
from .errors import CONNECTING
from .listener import no_delay, shown
from .loop import EventLoop
from .trace import log
from .transport import StreamTransport


class Connector(Endpoint):
    """One attempt to connect.  It ends in the protocol's connection_made, or in one call of on_error."""

    def __init__(self, loop: EventLoop, factory: Callable[[], Any], where: str, timeout: float,
                 on_error: Optional[Callable[[OSError], object]] = None) -> None:
        super().__init__(loop)
        self._factory = factory
        self._where = where
        self._on_error = on_error
        self._sock: Optional[socket.socket] = None
        self._writer: Optional[Watcher] = None
        self._addresses: List[Any] = []
        self._done = False
        try:
            late = TimeoutError(f"no connection to {where} within {timeout} seconds")
            self._timer = loop.call_later(timeout, self.fail, late)
        except BaseException:
            loop.forget(self)
            raise

    def __repr__(self) -> str:
        return f"<Connector {self.name} to {self._where}>"

    def why(self, writing: bool) -> str:
        """The reason why select watches this."""
        return "connect pending"

    def found(self, addresses: Any) -> None:
        """The look-up's answer: what getaddrinfo returned, or the exception that it raised."""
        if isinstance(addresses, BaseException):
            why = getattr(addresses, "strerror", None) or addresses
            self.fail(OSError(f"cannot find {self._where}: {why}"))
        elif not self._done:
            self._addresses = list(dict.fromkeys(addresses))
            self._try_next(None)

    def _try_next(self, exc: Optional[OSError]) -> None:
        if not self._addresses:
            return self.fail(exc)
        family, kind, proto, _, address = self._addresses.pop(0)
        self.tell("connecting", address=shown(address))
        try:
            self._sock = socket.socket(family, kind, proto)
            self._sock.setblocking(False)
            code = self._sock.connect_ex(address)
            if code and code not in CONNECTING:
                raise self._refusal(code, address)
            self._writer = self.loop.add_writer(self._sock, self._on_writable, address)
        except (OSError, ValueError) as problem:
            self._drop()
            self._try_next(problem if isinstance(problem, OSError) else OSError(str(problem)))

    def _on_writable(self, address: Any) -> None:
        assert self._sock is not None
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._drop()
            self._try_next(self._refusal(code, address))
        else:
            self._succeed(self._sock)

    def _refusal(self, code: int, address: Any) -> OSError:
        return OSError(code, f"cannot connect to {shown(address)}: {os.strerror(code)}")

    def _succeed(self, sock: socket.socket) -> None:
        no_delay(sock)
        protocol = self._factory()
        self._sock = None  # the transport's from here on
        self._leave()
        transport = StreamTransport(self.loop, sock, protocol)
        self.tell("connected", connection=transport.name, where=self._where)
        self.loop.call_now(transport.begin)

    def cancel(self) -> None:
        """Give up; on_error is called with a ConnectionAbortedError, unless the attempt is over."""
        self.fail(None)

    def fail(self, exc: Optional[BaseException]) -> None:
        """End the attempt; on_error is called once, from the loop."""
        if not self._done:
            self._leave()
            self.loop.call_soon(self._report, exc or ConnectionAbortedError(f"gave up connecting to {self._where}"))

    def _report(self, exc: OSError) -> None:
        self.tell("failed", why=str(exc))
        if self._on_error is None:
            log.error("%s", exc)
        else:
            self._on_error(exc)

    def _leave(self) -> None:
        self._done = True
        self._timer.cancel()
        self._drop()
        self.loop.forget(self)

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
            self._writer = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None
