"""The checks that every profile shares.  Each is a short play: what its clients do, and what they are owed.

A check returns where all is well, raises Finding where a fault was seen, NotChecked where it can say nothing.
It asks no more clients on the stage than its story needs, so that one fault is found by one check.
"""
from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Callable, Dict, List, Tuple

from .client import CLOSED, RESET, Client, Trouble
from .program import pause
from .stage import CannotCheck, Finding, NotChecked, Stage

EVERY = ("echo", "uppercase", "lines", "page", "http")
FRAMED = ("echo", "uppercase", "lines", "http")
STREAMS = ("echo", "uppercase")
TEXT = ("echo", "uppercase", "lines")
WITH_LINES = ("lines", "http")

GAP = 0.1  # seconds between two halves: longer than any delay on loopback, far below what a server may take for silence
KEY = 0.01  # seconds between two bytes
TOO_LONG = 0.3  # a gap that a busy machine has made so long says nothing about the server
CROWD = 60
TOGETHER = 4
A_WHILE = 0.2  # seconds that an answer has to take, for anybody to notice who waits for whom
TO_END = 5.0  # seconds that a server may take to end after Ctrl-C
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Check:
    """One check: its name, what its client does, its weight, its play, and the command that shows the same by hand.

    In `command`, {talk} is our telnet connected to the server, {check} the checker, for this check alone; the other
    names are those of Dialect.by_hand().
    """

    name: str
    does: str
    weight: int
    profiles: Tuple[str, ...]
    command: str
    play: Callable[[Stage], None]


CHECKS: Dict[str, Check] = {}
AGAIN = "{check}"
CPU = "ps -A -o stat,time,args | grep {port}; sleep 2; ps -A -o stat,time,args | grep {port}"  # R: awake, S: asleep


def check(name: str, does: str, command: str, *, weight: int = 1,
          profiles: Tuple[str, ...] = EVERY) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Enter a play into CHECKS."""
    def enter(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
        CHECKS[name] = Check(name, does, weight, profiles, command, play)
        return play
    return enter


@check("answers", "asks, and waits for the answer", "{asks}{slowly}", weight=3)
def answers(stage: Stage) -> None:
    """The plain request."""
    with stage.blame("wrong_answer", "A plain request, sent whole, got: {trouble}."):
        client = stage.connect()
        if stage.dialect.learn(client):
            return stage.dialect.ask(client)
    with stage.blame("wrong_answer", "A client that has hardly room to receive in asked, waited, and read. It got: "
                     "{trouble}.", **{CLOSED: "short_send_ignored", RESET: "eagain_as_error"}):
        client = stage.connect(small=True)
        stage.dialect.take_much(client, stage.dialect.ask_much(client))


# -- how requests arrive

def in_pieces(stage: Stage, pieces: List[bytes], gap: float, how: str) -> None:
    """One request in pieces, and its answer: right is right however late they came, wrong only where they did not."""
    client = stage.connect()
    last, late = time.monotonic(), False
    with stage.blame("one_recv_is_one_request", f"A request that came {how} got: {{trouble}}."):
        try:
            for piece in pieces:
                client.send(piece)
                pause(gap)
                last, before = time.monotonic(), last
                late = late or last - before > TOO_LONG + gap
            stage.dialect.take(client)
        except Trouble:
            if late or time.monotonic() - last > TOO_LONG + client.patience:
                raise NotChecked("this machine was too busy to send one piece soon after the other") from None
            raise


@check("split", "sends a request in two halves", "{asks} --chop 7", weight=2, profiles=FRAMED)
def split(stage: Stage) -> None:
    """Two halves."""
    request = stage.dialect.request
    middle = len(request) // 2
    in_pieces(stage, [request[:middle], request[middle:]], GAP, f"in two halves, {GAP:g} s apart,")


@check("byte-by-byte", "sends a request one byte at a time", "{asks} --chop 1", weight=2, profiles=FRAMED)
def byte_by_byte(stage: Stage) -> None:
    """One byte in each segment."""
    request = stage.dialect.request
    in_pieces(stage, [request[n:n + 1] for n in range(len(request))], KEY, "one byte at a time")


@check("pipelined", "sends two requests at once", "({ask2}; sleep 2) | {talk}", weight=2, profiles=TEXT)
def pipelined(stage: Stage) -> None:
    """Two requests in one segment."""
    client = stage.connect()
    with stage.blame("one_recv_is_one_request", "Two requests that came in one piece got: {trouble}."):
        client.send(2 * stage.dialect.request)
        for _ in range(2):
            stage.dialect.take(client)


@check("half-close", "asks, says that it will send nothing more, and reads on", "{ask} | {talk} --half-close", weight=2)
def half_close(stage: Stage) -> None:
    """The answer is owed all the same, and then the end."""
    client = stage.connect()
    with stage.blame("half_close_is_the_end", "A client asked and half-closed (as `nc -N` does). It got: {trouble}."):
        client.send_last(stage.dialect.request)
        stage.dialect.take(client)
    with stage.blame("end_of_file_ignored", "A client asked, half-closed, and got its answer; the server should then "
                     "close, but the client got: {trouble}."):
        client.expect_end()


@check("not-utf-8", "sends a byte that is not UTF-8", "printf '\\377\\n\\n' | {talk}; {asks}", weight=2)
def not_utf_8(stage: Stage) -> None:
    """One strange byte harms at most the connection that it came on."""
    client = stage.connect()
    with stage.blame("decode_each_recv", "A client sent the byte 0xff, which is not UTF-8. {trouble}."):
        client.send(stage.dialect.strange)
    client.drain(GAP)  # whatever is said to it
    client.close()
    stage.others_are_served("decode_each_recv", "After one client had sent the byte 0xff, which is not UTF-8")


@check("character-in-two", "sends a UTF-8 character cut in two",
       "(printf 'h\\303\\251\\n'; sleep 2) | {talk} --chop 2", profiles=STREAMS)
def character_in_two(stage: Stage) -> None:
    """é is two bytes, and they may arrive one by one."""
    client = stage.connect()
    with stage.blame("decode_each_recv", "The letter é came in two pieces (it is two bytes in UTF-8). The answer: "
                     "{trouble}."):
        client.send(b"h\xc3")
        pause(GAP)
        client.send(b"\xa9\n")
        got = b""
        while not got.endswith(b"\n"):
            piece = client.receive()
            if not piece:
                raise Trouble(CLOSED, f"{got!r} and then the end of the connection")
            got += piece
    # Capitals may be those of ASCII, or of Unicode.
    right = {"echo": ("hé\n",), "uppercase": ("Hé\n", "HÉ\n")}[stage.dialect.name]
    if got not in [text.encode() for text in right]:
        raise Finding("decode_each_recv", f"The letter é came in two pieces (it is two bytes in UTF-8) and went back "
                      f"as {got!r}.")


@check("other-newline", "ends its lines the other way: LF for CRLF, or CRLF for LF", "({other}; sleep 2) | {talk}",
       weight=2, profiles=WITH_LINES)
def other_newline(stage: Stage) -> None:
    """CRLF (telnet, browsers) and LF (nc) mean the same."""
    dialect = stage.dialect
    sent = dialect.request.replace(dialect.newline, dialect.other)
    fault = "lf_only" if dialect.other == b"\r\n" else "crlf_only"
    ends = "CRLF, as telnet and browsers do" if dialect.other == b"\r\n" else "LF alone, as nc does"
    client = stage.connect()
    with stage.blame(fault, f"A request whose lines end with {ends}, got: {{trouble}}."):
        client.send(sent)
        dialect.take(client)


# -- one client and the others

@check("silent", "connects and says nothing, while another asks", "(sleep 30 | {talk}) & sleep 2; {asks}",
       weight=3)
def silent(stage: Stage) -> None:
    """Who says nothing holds nobody up."""
    stage.connect()
    pause(GAP)
    stage.others_are_served("one_client_at_a_time", "While one client was connected and said nothing")


@check("many", f"comes {CROWD} times, and stays",
       "for i in 1 2 3 4 5 6 7 8 9 10; do ({ask}; sleep 9) | {talk} & done; wait", weight=2)
def many(stage: Stage) -> None:
    """Each is served while those before it are connected; then, where connections last, all ask at once.

    They come one after the other: how many may wait to be accepted is listen()'s number, and not the question here.
    """
    clients: List[Client] = []
    story = f"With {{count}} of {CROWD} clients connected, another came, asked, and got: {{trouble}}."
    end = time.monotonic() + 2 * stage.patience
    for count in range(CROWD):
        if time.monotonic() > end:
            raise NotChecked(f"it takes too long: {count} clients in {2 * stage.patience:g} s")
        with stage.blame("one_client_at_a_time", story.replace("{count}", str(count))):
            clients.append(stage.ask())
    if not stage.dialect.lasting:
        return
    story = f"{CROWD} clients, all connected, asked at once. One of them got: {{trouble}}."
    with stage.blame("one_client_at_a_time", story):
        for client in clients:
            client.send(stage.dialect.request)
        for client in clients:
            stage.dialect.take(client)


@check("together", f"asks while {TOGETHER - 1} others do, where an answer takes a while",
       "for i in 1 2 3 4; do ({ask}; sleep 6) | {talk} & done; wait", weight=2)
def together(stage: Stage) -> None:
    """Answers that take long do not wait for each other."""
    try:
        stage.ask()
        alone = min(timed(stage, 1), timed(stage, 1))
        took = timed(stage, TOGETHER) if alone > A_WHILE else 0.0
    except Trouble as trouble:
        raise NotChecked(f"clients side by side are not served at all: {trouble}") from None
    if took > 0.6 * TOGETHER * alone:
        raise Finding("blocking_lookup", f"The answer took {alone:.2f} s for one client alone, and {took:.2f} s for "
                      f"the last of {TOGETHER} who asked at once: they were served one after the other.")


def timed(stage: Stage, count: int) -> float:
    """Seconds until `count` new clients, asking at once, have all been answered."""
    clients = [stage.connect() for _ in range(count)]
    start = time.monotonic()
    for client in clients:
        client.wait_longer(count)
        client.send(stage.dialect.request)
    for client in clients:
        stage.dialect.take(client)
    return time.monotonic() - start


@check("connect-and-leave", "connects and leaves without a word",
       "{talk} </dev/null; {asks}; " + CPU, weight=3)
def connect_and_leave(stage: Stage) -> None:
    """An end of file and nothing before it."""
    stage.connect()
    before = stage.spins()
    stage.leave()
    pause(GAP)
    stage.others_are_served("closed_but_listed", "After a client had connected and left without a word")
    if before is None:  # else it spins for another reason, which idle-cpu tells
        stage.leave()
        spins = stage.spins()
        if spins:
            raise Finding("end_of_file_ignored", f"After all clients had left, {spins}.")


@check("ask-and-leave", "asks and leaves without reading the answer",
       "for i in 1 2 3 4 5; do {ask} | {talk} --half-close; done; {asks}", weight=2)
def ask_and_leave(stage: Stage) -> None:
    """One turn has both their end and room for their answers."""
    for _ in range(5):
        client = stage.connect()
        with stage.blame("reset_unhandled", "A client asked and left at once; the next got: {trouble}."):
            client.send_last(stage.dialect.request)
        client.close()
    pause(GAP)
    stage.others_are_served("closed_twice", "After clients had asked and left without reading their answers")


@check("reset-in-request", "resets the connection in the middle of its request",
       "printf 'Hel' | {talk} --reset; {asks}", weight=2)
def reset_in_request(stage: Stage) -> None:
    """recv() may raise."""
    client = stage.connect()
    client.send(stage.dialect.request[:3])
    pause(GAP)
    client.reset()
    pause(GAP)
    stage.others_are_served("reset_unhandled", "After a client had reset its connection in the middle of a request")


@check("reset-in-response", "asks for 8 MB and resets the connection while it is sent",
       "{ask_much} | head -c 3000000 | {talk} --reset >/dev/null; {asks}", weight=2)
def reset_in_response(stage: Stage) -> None:
    """send() may raise, in the same turn in which recv() does."""
    client = stage.connect(small=True)
    try:
        stage.dialect.ask_much(client)
        pause(GAP)
    except Trouble:
        pass  # whether it gets its answer is another check
    client.reset()
    pause(GAP)
    stage.others_are_served("reset_unhandled", "After a client had asked for 8 MB and reset the connection meanwhile")


# -- slow readers

@check("slow-reader", "asks for 8 MB, waits, and only then reads them",
       "({ask_much}; sleep 9) | {talk} --slow 2000000 | wc -c", weight=3, profiles=FRAMED)
def slow_reader(stage: Stage) -> None:
    """Every byte arrives, in order."""
    client = stage.connect()
    try:
        stage.dialect.ask_some(client)
    except Trouble as trouble:
        raise NotChecked(f"many requests at once are not answered rightly even to a fast reader: {trouble}") from None
    with stage.blame("short_send_ignored", "A client asked for 8 MB, waited, and read them. It got: {trouble}.",
                     **{CLOSED: "eagain_as_error", RESET: "eagain_as_error"}):
        unsent = stage.dialect.ask_much(client)
        pause(GAP)
        stage.dialect.take_much(client, unsent)


@check("others-while-slow", "asks for 8 MB and does not read, while another asks",
       "({ask_much}; sleep 30) | {talk} --slow 1 >/dev/null & sleep 2; {asks}", weight=3)
def others_while_slow(stage: Stage) -> None:
    """Who does not read holds nobody else up."""
    client = stage.connect(small=True)
    with stage.blame("short_send_ignored", "A client asked for 8 MB and did not read. It got: {trouble}.",
                     **{CLOSED: "eagain_as_error", RESET: "eagain_as_error"}):
        stage.dialect.ask_much(client)
    pause(GAP)
    stage.others_are_served("blocking_send", "While one client, which had asked for 8 MB, did not read them")


@check("unread-answers", "asks without end and never reads",
       "(for i in 1 2 3 4 5; do {ask_much}; done; sleep 9) | {talk} --slow 1 >/dev/null & sleep 5; "
       "ps -A -o rss,args | grep {port}; kill $!", profiles=TEXT)
def unread_answers(stage: Stage) -> None:
    """At some point it has to stop reading.

    The kernels at both ends hold some megabytes, so that what counts is the program's memory; where the system
    does not tell, 64 MB, which is more than kernels hold.
    """
    client = stage.connect(small=True)
    memory = stage.program.memory() if stage.program else None
    taken, chunk = 0, stage.dialect.request * (MEGABYTE // len(stage.dialect.request))
    most = (32 if memory else 64) * MEGABYTE
    end = time.monotonic() + 8.0
    rest = memoryview(b"")
    while taken < most and time.monotonic() < end:
        rest = rest or memoryview(chunk)
        try:
            sent = client.send_some(rest, 0.5)
        except Trouble:
            return  # it has cut the client off, which is one policy
        if not sent:
            return
        taken, rest = taken + sent, rest[sent:]
    held = stage.program.memory() if stage.program else None
    if taken >= most and (memory is None or held is not None and held - memory > 0.75 * most):
        grown = f", its memory grew by {(held - memory) / MEGABYTE:.0f} MB" if memory and held else ""
        raise Finding("unbounded_queue", f"A client sent {taken / MEGABYTE:.0f} MB and read nothing: all of it was "
                      f"taken{grown}.", sure=True)


@check("upload", "sends more than is read, and then reads the answer",
       "({ask}; head -c 65536 /dev/zero) | {talk} --slow 50000 | wc -c", weight=2, profiles=("page",))
def upload(stage: Stage) -> None:
    """The answer survives what the server did not care to read."""
    client = stage.connect(small=True)
    with stage.blame("close_with_unread_input", "A client sent its request and 64 KB more, and then read. It got: "
                     "{trouble}."):
        client.send(stage.dialect.request + bytes(65536))
        pause(2 * GAP)
        stage.dialect.take(client)


# -- the program itself

@check("idle-cpu", "is connected, and nobody says anything",
       "(sleep 9 | {talk}) & sleep 2; " + CPU, weight=3)
def idle_cpu(stage: Stage) -> None:
    """A server with nothing to do does nothing."""
    program = stage.own_program("its CPU time")
    stage.connect()
    if program.cpu() is None:
        raise NotChecked("this system does not tell the CPU time of other programs")
    spins = stage.spins()
    if spins:
        stage.leave()
        alone = stage.spins()
        raise Finding("busy_loop" if alone else "always_writable",
                      f"While one client was connected and silent, {spins}" +
                      (", and no less after it had left." if alone else "; after it had left, it slept."), sure=True)


@check("restart", "is connected while the server is stopped and started again at once", AGAIN, weight=2)
def restart(stage: Stage) -> None:
    """The same port, straight away."""
    program = stage.own_program("stopping it")
    client = stage.ask()
    program.interrupt()
    if program.wait(1.0) is None:
        program.kill()
    client.drain(1.0)  # its end is read before its own: the server was the first to close
    stage.leave()
    stage.again()
    try:
        stage.ask()
    except CannotCheck as exc:
        if re.search("in use|EADDRINUSE|10048", str(exc)):
            raise Finding("address_in_use", "Stopped with a client connected and started again at once, on the same "
                          "port, it said that the address is in use.") from None
        raise NotChecked(f"the second start failed: {exc}") from None
    except Trouble as trouble:
        raise NotChecked(f"after the second start a client got: {trouble}") from None


@check("ctrl-c", "is connected while somebody presses Ctrl-C", AGAIN)
def ctrl_c(stage: Stage) -> None:
    """It ends, soon and in peace."""
    program = stage.own_program("Ctrl-C")
    stage.connect()
    pause(GAP)
    program.interrupt()
    status = program.wait(max(TO_END, stage.patience))
    if status is None:
        raise Finding("interrupt_unhandled", f"After Ctrl-C it still runs, {TO_END:g} s later.", sure=True)
    if status and re.search(r"Traceback \(most[^\0]*^KeyboardInterrupt", program.all_words(), re.MULTILINE):
        raise Finding("interrupt_unhandled", "Ctrl-C ended it with a traceback.", sure=True)
