"""The page over HTTP: who may ask, what there is, and the stream of events.

Whoever asks must know the token, which stands in the address that the program printed, and must have come by
the very name of this server.  A site that the browser visits can send requests here, but it knows no token, and a
name of its own that leads here is not ours.  Whatever is not in order gets 403, and nothing happens.
"""
from __future__ import annotations

import hmac
import io
import json
import logging
import os
import re
from typing import Any, Callable, Dict, Tuple
from urllib.parse import parse_qs

from protocols.http.message import Answer, FileSlice, Later, Request, RequestHead, Response, text_response
from protocols.http.representation import error_response

from .controls import Controls, Refused
from .hub import Browser, Hub, encode
from .replay import Replay, read_all

FILES = {"": ("index.html", "text/html; charset=utf-8"), "scope.css": ("scope.css", "text/css; charset=utf-8"),
         "scope.js": ("scope.js", "text/javascript; charset=utf-8")}
FOLDER = os.path.dirname(os.path.abspath(__file__))
MOST_BODY = 64 * 1024 * 1024 + 1024 * 1024  # bytes: a recording of the greatest size
MOST_CONTROL = 64 * 1024
HEADERS = (("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"),
           ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
           # One that is kept may be closed just as the next request arrives; and while there is one, somebody is here.
           ("Connection", "close"))


log = logging.getLogger("demos.scope")


class Application:
    """Answers the requests to `/TOKEN/...` of the server at 127.0.0.1:`port`."""

    def __init__(self, token: str, port: int, program: str, hub: Hub, controls: Controls,
                 call_later: Callable[..., Any], left: Callable[[], object]) -> None:
        self._token = token.encode()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._origins = {f"http://{host}" for host in self._hosts}
        self._hello = {"program": program, "address": f"127.0.0.1:{port}", "pid": os.getpid()}
        self._hub = hub
        self._controls = controls
        self._call_later = call_later
        self._left = left
        self._routes: Dict[Tuple[str, str], Callable[[Request, str], Answer]] = {
            ("GET", "events"): self._events, ("GET", "turn"): self._turn, ("GET", "recording"): self._recording,
            ("GET", "replay"): self._replay, ("POST", "control"): self._control, ("POST", "open"): self._open,
            **{("GET", name): self._file for name in FILES}}

    def __call__(self, request: Request) -> Answer:
        """The answer to one request."""
        if not self._is_welcome(request.head):
            return text_response("this is not for you: open the address that the program printed\n", 403, HEADERS)
        first, _, more = _below(request).partition("/")
        route = self._routes.get((request.method, first))
        if route is not None:
            try:
                return route(request, more)
            except Exception:  # the HTTP server would log it with the path, which has the token in it
                log.exception("the page failed on %s", first)
                return error_response(500, HEADERS)
        other = next((method for method, name in self._routes if name == first), None)
        return error_response(404 if other is None else 405, HEADERS + ((("Allow", other),) if other else ()))

    def most_body(self, head: RequestHead) -> int:
        """How long the body of a request may be: only who is welcome may send a recording."""
        is_recording = head.method == "POST" and head.path.endswith("/open") and self._is_welcome(head)
        return MOST_BODY if is_recording else MOST_CONTROL

    def _is_welcome(self, head: RequestHead) -> bool:
        token, origin = head.path.split("/", 2)[1:2], head.headers.get("origin")
        return (hmac.compare_digest("".join(token).encode("latin-1"), self._token) and head.host in self._hosts
                and head.headers.get("host") in self._hosts and (origin is None or origin in self._origins))

    # -- what there is to get

    def _file(self, request: Request, more: str) -> Answer:
        if request.path.count("/") < 2:  # then a browser would look for our files beside the token, not below it
            return Response(301, (("Location", request.path + "/"), *HEADERS))
        name, kind = FILES.get(_below(request), ("", ""))
        try:
            with open(os.path.join(FOLDER, name), "rb") as file:
                return Response(200, (("Content-Type", kind), *HEADERS), file.read())
        except OSError:
            return error_response(404, HEADERS)

    def _events(self, request: Request, more: str) -> Answer:
        browser = Browser(self._hub, {**self._hello, **self._controls.menu()}, self._controls.state, self._left)
        return Response(200, (("Content-Type", "text/event-stream"), *HEADERS), browser.stream)

    def _turn(self, request: Request, number: str) -> Answer:
        found = self._hub.old_frame(int(number)) if _is_number(number) else None
        return _json(found) if found is not None else _json({"error": f"turn {number} is not kept (any more)"}, 404)

    def _recording(self, request: Request, more: str) -> Answer:
        file = self._controls.tape.open()
        if file is None:
            return _json({"error": "nothing has been recorded"}, 404)
        name = re.sub(r"[^A-Za-z0-9.-]+", "_", str(self._hello["program"])).strip("_")
        return Response(200, (("Content-Type", "application/x-ndjson"), *HEADERS,
                              ("Content-Disposition", f'attachment; filename="{name}.rec"')),
                        FileSlice(file, 0, os.fstat(file.fileno()).st_size))

    def _replay(self, request: Request, more: str) -> Answer:
        replay = self._controls.replay
        if replay is None:
            return _json({"error": "no recording is open"}, 404)
        try:
            return self._of_replay(replay, request, *more.partition("/")[::2])
        except ValueError as exc:
            return _json({"error": str(exc)}, 400)

    def _of_replay(self, replay: Replay, request: Request, what: str, number: str) -> Answer:
        if what == "turn" and _is_number(number):
            found = replay.frame(int(number))
            return _json(found) if found else _json({"error": f"there is no turn {number} in it"}, 404)
        asked = {name: values[-1] for name, values in parse_qs(request.query).items()}
        first, count = asked.get("from", "0"), asked.get("count", "400")
        if what == "columns" and _is_number(first) and _is_number(count):
            return _json({"columns": replay.columns(int(first), int(count))})
        return error_response(404, HEADERS)

    # -- what can be done

    def _control(self, request: Request, more: str) -> Answer:
        kind = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return _json({"error": "that is no application/json"}, 415)
        try:
            self._controls.do(json.loads(request.body))
        except (ValueError, RecursionError):
            return _json({"error": "that is no JSON"}, 400)
        except Refused as exc:
            return _json({"error": str(exc)}, 400)
        self._hub.tell()  # whoever clicked waits for it
        return _json({"ok": True})

    def _open(self, request: Request, more: str) -> Answer:
        name = parse_qs(request.query).get("name", ["a recording"])[-1][:200]
        later = Later()

        def done(result: Any) -> None:
            if isinstance(result, Replay):
                self._controls.close_replay()
                self._controls.replay = result
                later.answer(_json({name: value for name, value in result.summary().items() if name != "name"}))
            else:
                later.answer(_json({"error": str(result)}, 400))
        read_all(io.BytesIO(request.body), name, self._call_later, done)
        return later


def _below(request: Request) -> str:
    """The path behind the token and its slash."""
    return "".join(request.path.split("/", 2)[2:])


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _json(data: Any, status: int = 200) -> Response:
    return Response(status, (("Content-Type", "application/json"), *HEADERS), encode(data).encode())
