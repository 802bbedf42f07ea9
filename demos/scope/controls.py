"""What each button of the page does."""
from __future__ import annotations

import socket
import struct
from typing import Any, Callable, Dict, List, Optional, Tuple

from reactor import Reactor
from reactor.endpoint import Endpoint
from reactor.loop import WINDOWS
from reactor.transport import StreamTransport

from .frames import LETTERS
from .gate import Gate, PageLoop
from .hub import Browser, Hub
from .replay import Replay
from .snapshot import endpoint_of
from .stage import Stage
from .throttle import Throttle

FASTEST = 1e9  # bytes a second that a throttle may let through
SLOWEST = 1000  # milliseconds from one turn to the next
AT_ONCE = struct.pack("hh" if WINDOWS else "ii", 1, 0)  # SO_LINGER: close() resets


class Refused(Exception):
    """That cannot be done; says why, in one sentence."""


class Controls:
    """Everything that can be done to the observed loop from the page.  All of it raises Refused where it cannot be."""

    def __init__(self, reactor: Reactor, gate: Gate, hub: Hub, experiments: List[Any]) -> None:
        self.tape = hub.tape
        self.replay: Optional[Replay] = None
        self.experiments = experiments
        self._reactor = reactor
        self._gate = gate
        self._hub = hub
        self._throttles: Dict[str, Throttle] = {}
        self._shows_own = False
        self._stage: Optional[Stage] = None
        self._actions: Dict[str, Tuple[Callable[..., object], Dict[str, Any]]] = {
            "pause": (self.pause, {}), "resume": (self.resume, {}), "step": (self.step, {}),
            "speed": (self.speed, {"factor": (int, float)}), "record": (self.record, {"on": bool}),
            "close": (self.close, {"who": str}), "reset": (self.reset, {"who": str}),
            "throttle": (self.throttle, {"who": str, "rate": (int, float, type(None))}),
            "show": (self.show, {"on": bool}), "experiment": (self.experiment, {"id": int}),
            "end experiment": (self.end_experiment, {}), "close replay": (self.close_replay, {})}

    def do(self, wanted: Any) -> None:
        """What a message from the page asks for."""
        name = wanted.get("do") if isinstance(wanted, dict) else None
        if not isinstance(name, str) or name not in self._actions:
            raise Refused(f"nothing here is called {name!r}")
        action, fields = self._actions[name]
        for field, kinds in fields.items():
            value = wanted.get(field)
            if not isinstance(value, kinds) or isinstance(value, bool) and kinds is not bool:
                raise Refused(f"{name} needs {field!r}, and {value!r} is none")
        action(*[wanted[field] for field in fields])

    # -- time

    def pause(self) -> None:
        """Hold the observed loop."""
        self._gate.pause()

    def resume(self) -> None:
        """Let it run as fast as it can."""
        self._gate.resume()

    def step(self) -> None:
        """Let it make one turn, and hold it then."""
        self._gate.step()

    def speed(self, factor: float) -> None:
        """1 is as fast as it can; 1/N of it, N up to 1,000: no more than one turn in N milliseconds."""
        if not 1 / SLOWEST <= factor <= 1:
            raise Refused(f"a speed is from 1/{SLOWEST} to 1, not {factor!r}")
        self._gate.resume()
        self._gate.pace = 0.0 if factor == 1 else round(1 / factor) / 1000

    # -- recording

    def record(self, on: bool) -> None:
        """Record every event from the next turn on; or no more."""
        if on and not self.tape.is_on:
            try:
                self.tape.begin(self._hub.begun())
            except OSError as exc:
                raise Refused(f"there is no room for a recording: {exc.strerror}") from None
        elif not on:
            self.tape.end()
        self._hub.wire()

    def close_replay(self) -> None:
        """Forget the recording that was opened.  Twice is once."""
        if self.replay is not None:
            self.replay.close()
            self.replay = None

    # -- connections

    def close(self, who: str) -> None:
        """close() it, in the next turn of the observed loop."""
        self._soon(self._endpoint(who).close)

    def reset(self, who: str) -> None:
        """Abort it so that its peer gets a reset, in the next turn of the observed loop."""
        self._soon(_Reset(self._stream(who)).do)

    def throttle(self, who: str, rate: Optional[float]) -> None:
        """Read at most so many bytes a second from it; None: as fast as they come."""
        transport = self._stream(who)
        if rate is not None and not 1 <= rate <= FASTEST:
            raise Refused(f"a rate is from 1 to {FASTEST:,.0f} bytes a second, not {rate!r}")
        before = self._throttles.pop(who, None)
        if before is not None:
            before.end()
        if rate is not None:
            self._throttles[who] = Throttle(transport, rate)
        self._gate.nudge()

    def _endpoint(self, who: str) -> Endpoint:
        endpoint = endpoint_of(self._reactor, who)
        if endpoint is None:
            raise Refused(f"{who} is not there any more")
        return endpoint

    def _stream(self, who: str) -> StreamTransport:
        endpoint = self._endpoint(who)
        if not isinstance(endpoint, StreamTransport):
            raise Refused(f"{who} is no connection")
        return endpoint

    def _soon(self, callback: Callable[[], object]) -> None:
        self._reactor.call_soon(callback)
        self._gate.nudge()

    # -- the page itself, and the experiments

    def show(self, on: bool) -> None:
        """Whether the page's own sockets are listed; they are counted in any case."""
        self._shows_own = on

    def experiment(self, id: int) -> None:
        """Begin this one, in place of the one that runs."""
        found = next((one for one in self.experiments if one.id == id), None)
        if found is None:
            raise Refused(f"there is no experiment {id}")
        self.end_experiment()
        self._stage = Stage(found.id, self._reactor, self._gate, self)
        try:
            found.start(self._stage)
        except Exception as exc:
            self.end_experiment()
            raise Refused(f"experiment {id} cannot begin: {exc}") from exc
        self._gate.nudge()

    def end_experiment(self) -> None:
        """End the one that runs, and all that it opened.  Twice is once."""
        stage, self._stage = self._stage, None
        if stage is not None:
            stage.end()
            self._gate.nudge()

    def end(self) -> None:
        """Nobody looks any more: hold, slow down, throttle nothing, end the experiment; a recording ends too."""
        self.end_experiment()
        for throttle in self._throttles.values():
            throttle.end()
        self._throttles.clear()
        self._shows_own = False
        self._gate.resume()
        self.record(False)

    # -- in words

    def menu(self) -> Dict[str, Any]:
        """What there is to choose from, and what the letters of the timeline mean."""
        return {"marks": LETTERS, "experiments": [
            {"id": one.id, "title": one.title, "do": one.do, "look": one.look, "shows": one.shows}
            for one in self.experiments]}

    def state(self, browser: Browser) -> Dict[str, Any]:
        """What the page says about itself."""
        gate = self._gate
        self._throttles = {who: throttle for who, throttle in self._throttles.items() if not throttle.is_over}
        return {
            "mode": "paused" if gate.paused else "slow" if gate.pace else "running",
            "speed": round(1 / (gate.pace * 1000), 6) if gate.pace else 1,
            "recording": self.tape.is_on, "recorded": self.tape.size,
            "replay": None if self.replay is None else self.replay.summary(),
            "browsers": len(self._hub.browsers), "page": self._own_sockets(), "dropped": browser.dropped,
            "throttled": {who: throttle.rate for who, throttle in self._throttles.items()},
            "experiment": None if self._stage is None else {"id": self._stage.id, "note": self._stage.text}}

    def _own_sockets(self) -> Dict[str, Any]:
        page: PageLoop = self._gate.page
        lines = [["the page's loop", page.wakeup.why(False)]]
        for endpoint in sorted(page.endpoints, key=lambda endpoint: endpoint.number):
            lines.append([f"the page's {endpoint.name}", endpoint.why(False)])
        return {"sockets": len(lines), "lines": lines if self._shows_own else []}


class _Reset:
    """A reset that was asked for on the page."""

    def __init__(self, transport: StreamTransport) -> None:
        self._transport = transport

    def do(self) -> None:
        """Do it."""
        try:
            self._transport.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        except OSError:
            pass  # it is closed already, or a kind of socket that knows no resets
        self._transport.abort()
