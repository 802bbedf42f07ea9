"""The checks of the http profile alone: static files over HTTP/1.0 and 1.1, as courses ask for them."""
from __future__ import annotations

from .checks import AGAIN, check
from .client import CLOSED, RESET, Client, Trouble
from .http import HELLO, PICTURE, Http
from .program import pause
from .stage import Finding, NotChecked, Stage

ONLY = ("http",)
QUIET = 0.5  # seconds after which no more of an answer is expected


def dialect_of(stage: Stage) -> Http:
    """The stage's dialect, which is this profile's."""
    assert isinstance(stage.dialect, Http)
    return stage.dialect


@check("binary", "asks for a picture", "curl -s {url}/picture.png | cmp - {site}/picture.png", weight=2,
       profiles=ONLY)
def binary(stage: Stage) -> None:
    """Every byte value, and CR and LF as they are."""
    dialect = dialect_of(stage)
    client = stage.connect()
    with stage.blame("text_mode", "A client asked for a file of all byte values (picture.png) and got: {trouble}."):
        client.send(dialect.get("/picture.png"))
        dialect.take_file(client, PICTURE)


@check("missing", "asks for a file that is not there", "curl -i {url}/nothing.html; curl -i {url}/hello.txt", weight=2,
       profiles=ONLY)
def missing(stage: Stage) -> None:
    """404, and life goes on."""
    expect_status(stage, dialect_of(stage).get("/nothing.html"), range(404, 405), "missing_file",
                  "A client asked for a file that is not there")
    stage.others_are_served("missing_file", "After a client had asked for a file that is not there")


@check("bad-request", "asks with a method that does not exist",
       "curl -i -X BREW {url}/hello.txt; curl -i {url}/hello.txt", profiles=ONLY)
def bad_request(stage: Stage) -> None:
    """400, 405 or 501: the texts differ."""
    dialect = dialect_of(stage)
    expect_status(stage, dialect.request.replace(b"GET", b"BREW"), range(400, 600), "bad_request",
                  "A client asked with the method BREW, which does not exist")
    stage.others_are_served("bad_request", "After a client had asked with the method BREW, which does not exist")


def expect_status(stage: Stage, request: bytes, right: range, fault: str, when: str) -> None:
    """A client, gone afterwards, sends the request and gets one of these statuses."""
    client = stage.connect()
    with stage.blame(fault, f"{when} and got: {{trouble}}."):
        client.send(request)
        status = dialect_of(stage).take_head(client).status
    if status not in right:
        raise Finding(fault, f"{when} and got status {status}.")
    client.close()
    pause(0.05)


@check("directory", "asks for a folder", "curl -i {url}/folder; curl -i {url}/hello.txt", profiles=ONLY)
def directory(stage: Stage) -> None:
    """Whatever it answers, it lives."""
    client = stage.connect()
    client.send(dialect_of(stage).get("/folder"))
    client.drain(QUIET)
    client.close()
    stage.others_are_served("missing_file", "After a client had asked for a folder")


@check("outside", "asks for a file outside the folder", "{out}", weight=3, profiles=ONLY)
def outside(stage: Stage) -> None:
    """No way out of the folder, however it is written."""
    dialect = dialect_of(stage)
    for path in dialect.ways_out():
        client = stage.connect()
        client.send(dialect.get(path))
        if dialect.site.secret in received(client):
            raise Finding("path_traversal", f"A client asked for {path} and got the file, which lies outside the "
                          "folder that is served.", sure=True)
        client.close()


def received(client: Client) -> bytes:
    """What comes until the end, or a silence."""
    data = b""
    while len(data) < 65536 and client.readable(QUIET):
        try:
            piece = client.receive()
        except Trouble:
            break
        if not piece:
            break
        data += piece
    return data


@check("closes", "asks in HTTP/1.0, without keep-alive", AGAIN, profiles=ONLY)
def closes(stage: Stage) -> None:
    """The end of the answer is the end of the connection."""
    client = stage.ask()
    with stage.blame("kept_open", "A client asked in HTTP/1.0 without keep-alive, got its answer, and then: {trouble}, "
                     "where the server should have closed."):
        client.expect_end()


@check("keep-alive", "asks twice on one connection", "({modern}; sleep 2; {modern}) | {talk}", weight=2, profiles=ONLY)
def keep_alive(stage: Stage) -> None:
    """What is promised is kept; a server that promises nothing may close."""
    dialect = dialect_of(stage)
    client = stage.connect()
    request = dialect.modern(stage.target.where(stage.port))
    with stage.blame("wrong_answer", "A client asked in HTTP/1.1 and got: {trouble}."):
        client.send(request)
        response = dialect.take_file(client, HELLO)
    with stage.blame("not_kept_alive", "A client asked twice on a connection that was promised to stay open. The "
                     "second time it got: {trouble}."):
        try:
            client.send(request)
            dialect.take(client)
        except Trouble as trouble:
            if response.stays or trouble.kind not in (CLOSED, RESET):
                raise


@check("pipelined-gets", "sends two requests at once", "{modern2} | {talk}", profiles=ONLY)
def pipelined_gets(stage: Stage) -> None:
    """Where the connection stays open, both are answered, in order."""
    dialect = dialect_of(stage)
    client = stage.connect()
    request = dialect.modern(stage.target.where(stage.port))
    with stage.blame("one_recv_is_one_request", "Two requests that came in one piece got: {trouble}."):
        client.send(2 * request)
        if not dialect.take_file(client, HELLO).stays:
            raise NotChecked("it keeps no connection open")
    with stage.blame("one_recv_is_one_request", "Two requests came in one piece. The second got: {trouble}.",
                     **{CLOSED: "not_kept_alive", RESET: "not_kept_alive"}):
        dialect.take(client)
