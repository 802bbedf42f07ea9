"""How an experiment is told: step by step, on the page's loop, so that it goes on while the observed loop is held.

A story is a generator.  It does something, says in a note what has happened, and yields what it waits for: a number
of seconds, or a condition.  Seconds are those of the observed loop's clock, which stands still while that loop is held:
so a teacher can pause in the middle and talk.  The end of the generator is the end of the experiment.
"""
from __future__ import annotations

import socket
from typing import Any, Callable, Generator, List, Optional, Union

from protocols.base import Protocol, Transport
from reactor.listener import Listener, bind

from .stage import Stage

HERE = "127.0.0.1"
LOOK = 0.05  # seconds from one look at a condition to the next
AFTER = 5.0  # seconds for which all stays open after the last note, so that one sees what it says
PATIENCE = 20.0  # seconds until a condition will not come true any more
CONNECT = 60.0  # seconds until a connection must be there
SMALL = 32 * 1024  # bytes of a kernel's buffer, where nobody shall have to wait until megabytes are full

Wait = Union[float, Callable[[], object]]
Steps = Generator[Wait, None, None]


class Side(Protocol):
    """One end of a connection, as a story needs to know it."""

    _transport: Any = None  # by this name the loop knows whose a callback of ours is
    ended = False
    why: Optional[BaseException] = None  # it ended, as connection_lost says it

    def connection_made(self, transport: Transport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self.ended, self.why = True, exc

    @property
    def transport(self) -> Any:
        """None until there is one."""
        return self._transport

    @property
    def name(self) -> str:
        """#5, say: as the page calls it, if it is an end on the observed loop."""
        name: str = self.transport.name
        return name

    def shrink(self, buffer: int, size: int = SMALL) -> None:
        """Ask for a small buffer (SO_SNDBUF, SO_RCVBUF) in our kernel."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, buffer, size)

    def close(self) -> None:
        """End at once.  Twice is once."""
        if self.transport is not None:
            self.transport.abort()


class Once:
    """Its close() undoes something, the first time only: what somebody else has set since is not ours."""

    def __init__(self, undo: Callable[[], object]) -> None:
        self._undo: Optional[Callable[[], object]] = undo

    def close(self) -> None:
        """Undo it."""
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()


class Server:
    """Listens on the observed loop until close(), which ends its connections too; `sides` are theirs, in order."""

    def __init__(self, story: Story, factory: Callable[[], Side], backlog: int = 0) -> None:
        self.sides: List[Any] = []
        self._factory = factory
        sockets = bind(HERE, 0)
        if backlog:
            sockets[0].listen(backlog)
        self._listener = Listener(story.reactor, sockets, self._make)
        self.name, self.port = self._listener.name, self._listener.port
        story.stage.opened(self)

    def _make(self) -> Side:
        self.sides.append(side := self._factory())
        return side

    def close(self) -> None:
        """End all of it at once.  Twice is once."""
        self._listener.close()
        for side in self.sides:
            side.close()


class Story:
    """One that is being told."""

    def __init__(self, stage: Stage, tell: Callable[[Story], Steps]) -> None:
        self.stage = stage
        self.reactor = stage.reactor
        self.page = stage.page
        self.note = stage.note
        self.is_over = False
        self._timer: Any = None
        self._steps = self._all(tell)
        stage.opened(self)

    def connect(self, client: Any, server: Any) -> Any:
        """Let `client`, a Side, connect to a server from the page's loop; the client."""
        connector = self.page.connect(lambda: client, HERE, server.port, timeout=CONNECT,
                                      on_error=client.connection_lost)
        self.stage.opened(connector)
        self.stage.opened(client)
        return client

    def _all(self, tell: Callable[[Story], Steps]) -> Steps:
        yield from tell(self)
        yield AFTER

    def go_on(self) -> None:
        """Tell the next step."""
        try:
            wait = next(self._steps)
        except StopIteration:
            gap = "\n" if "\n" in self.stage.text else " "  # a command has a line of its own
            self.note(f"{self.stage.text}{gap}The experiment is over.")
            self._end()
        except Exception as exc:
            self.note(f"This experiment ended early: {exc}")
            self._end()
            raise
        else:
            now = self.reactor.time()
            if callable(wait):
                self._look(wait, now + PATIENCE)
            else:
                self._sleep(now + wait)

    def _look(self, condition: Callable[[], object], until: float) -> None:
        if condition():
            self.go_on()
        elif self.reactor.time() > until:
            self.note(f"What comes next did not come within {PATIENCE:.0f} seconds, so this experiment ends here.")
            self._end()
        else:
            self._timer = self.page.call_later(LOOK, self._look, condition, until)

    def _sleep(self, until: float) -> None:
        left = until - self.reactor.time()
        if left <= 0:
            self.go_on()
        else:
            self._timer = self.page.call_later(max(left, LOOK / 2), self._sleep, until)

    def _end(self) -> None:
        self.stage.end()
        self.stage.nudge()

    def close(self) -> None:
        """Tell no more.  Twice is once."""
        self.is_over = True
        if self._timer is not None:
            self._timer.cancel()
        self._steps.close()
