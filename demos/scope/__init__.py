"""The page: watch, pause and step a live event loop in the browser."""
from __future__ import annotations

import secrets
import socket
from typing import Any, List, Optional

from protocols.http.server import HttpServer, Limits
from reactor import Reactor
from reactor.endpoint import Watcher
from reactor.listener import Listener, bind

from ..hostile import Spared
from ..scope_option import PORT
from .controls import Controls
from .experiments import EXPERIMENTS
from .gate import Gate
from .hub import Hub
from .page import Application

GRACE = 2.0  # seconds without a browser, until nobody looks any more: a page may be loaded again
MOST_CONNECTIONS = 32


class Scope:
    """The page of one reactor, from here to close().  OSError where it cannot listen.

    To be made before anybody keeps `reactor.time`.  While nobody looks, the loop runs as if there were no page, but
    for one more socket that it watches.
    """

    name = "the page"

    def __init__(self, reactor: Reactor, program: str, port: int = PORT, idle: Optional[float] = None) -> None:
        sockets: List[socket.socket] = [Spared.instead_of(sock) for sock in bind("127.0.0.1", port)]
        self._reactor = reactor
        self._gate = Gate(reactor)
        self._page = page = self._gate.page
        self._hub = Hub(reactor, self._gate, idle)
        self._controls = Controls(reactor, self._gate, self._hub, EXPERIMENTS)
        token = secrets.token_urlsafe(16)
        self._socket = sockets[0]
        port = self._socket.getsockname()[1]
        application = Application(token, port, program, self._hub, self._controls, page.call_later, self._left)
        limits = Limits(body=application.most_body)
        self._listener = Listener(page, sockets, lambda: HttpServer(application, call_later=page.call_later,
                                                                    time=page.time, limits=limits), MOST_CONNECTIONS)
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}/{token}/"
        self._watcher: Optional[Watcher] = None
        self._wait_for_a_browser()

    def why(self, writing: bool) -> str:
        """The reason why select watches this."""
        return "its listener: nobody looks at it"

    def close(self) -> None:
        """Let the loop go on without a page.  Twice is once."""
        self._controls.end()
        self._controls.tape.close()
        self._controls.close_replay()
        self._hub.close()
        self._gate.close()
        if self._watcher is not None:
            self._watcher.cancel()
        self._page.close()

    def __enter__(self) -> Scope:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.close()

    # -- with nobody who looks, and with somebody

    def _wait_for_a_browser(self) -> None:
        self._watcher = self._reactor.add_reader(self._socket, self._begin)

    def _begin(self) -> None:
        """Somebody knocks: from the next turn on the page is served."""
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None
        self._gate.open()
        self._hub.begin()
        self._left()

    def _left(self) -> None:
        """Nobody is here, perhaps only for a moment."""
        self._page.call_later(GRACE, self._look_around)

    def _look_around(self) -> None:
        if self._hub.browsers or not self._gate.is_open:
            return
        self._controls.end()
        if self._is_deserted():
            self._reactor.call_soon(self._end)
            self._gate.nudge()
        else:
            self._page.waiting.add(self._left)

    def _is_deserted(self) -> bool:
        # Who has come and not asked yet, or is being answered, would be cut off.
        return self._page.endpoints == {self._listener}

    def _end(self) -> None:
        """Nobody looks any more: serve no page, from the next turn on."""
        if not self._gate.is_open:
            return
        if not self._is_deserted():
            self._left()
            return
        self._hub.end()
        self._gate.close()
        self._wait_for_a_browser()
