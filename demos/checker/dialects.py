"""What each profile's clients say and are owed: the bytes of the small request, and of the eight megabytes.

`echo` and `uppercase` know the answer; `lines` learns it from the server itself, so that any protocol of one
line for one line can be checked.  http.py has the fourth.
"""
from __future__ import annotations

import shlex
import time
from functools import lru_cache
from typing import Dict, Sequence

from .client import CLOSED, SILENT, WRONG, Client, Trouble

MUCH = 8 * 1000 * 1000
SOME = 20 * 1000
FULL = 0.6  # seconds without room after which a socket counts as full: a busy server may not read for a while
LF, CRLF = b"\n", b"\r\n"


class Dialect:
    """One profile.  `newline` is what ends its lines; where the server refuses it, the runner tries `other`."""

    name = ""
    newline, other = LF, CRLF
    lasting = True  # a connection serves any number of requests
    told: Sequence[str] = ()  # options of the command line that made it what it is

    def __init__(self, say: str = "") -> None:
        self._say = (say or "Hello, world").encode()

    @property
    def request(self) -> bytes:
        """The small request."""
        return self._say + self.newline

    @property
    def strange(self) -> bytes:
        """A request with a byte that is not UTF-8."""
        return b"\xff" + self.request

    def learn(self, client: Client) -> bool:
        """Ask once what is not known beforehand; True if this client may ask on.  Raises Trouble."""
        return True

    def ask_some(self, client: Client) -> None:
        """Ask for less than MUCH, and read it at once: whether it understands many at once.  Raises Trouble."""

    def take(self, client: Client) -> None:
        """Receive the answer to one small request.  Raises Trouble where it is not the right one."""
        raise NotImplementedError

    def ask(self, client: Client) -> None:
        """One small request and its answer.  Raises Trouble."""
        client.send(self.request)
        self.take(client)

    def ask_much(self, client: Client) -> memoryview:
        """Ask for MUCH, reading nothing, until nothing more can be sent; what could not be.  Raises Trouble."""
        raise NotImplementedError

    def take_much(self, client: Client, unsent: memoryview) -> None:
        """Send the rest, receive all of it, exact in every byte.  Raises Trouble."""
        raise NotImplementedError

    def by_hand(self, where: str) -> Dict[str, str]:
        """What a shell says to the server at `where`, by the names that stand in the commands of the checks."""
        return {"ask": printf(self.request), "ask2": printf(2 * self.request), "stay": "2", "slowly": "",
                "other": printf(self.request.replace(self.newline, self.other)),
                "ask_much": f"yes 'hello, hello, hello' | head -c {MUCH}"}


@lru_cache(maxsize=None)
def numbered_lines() -> bytes:
    """MUCH bytes of lines that are all different."""
    return b"".join(b"%07d hello, hello, hello, hello, hello, hello\n" % number for number in range(MUCH // 50))


class Stream(Dialect):
    """Every byte comes back: as it is, or in capitals."""

    def __init__(self, name: str, say: str = "") -> None:
        super().__init__(say)
        self.name = name

    def reply(self, data: bytes) -> bytes:
        """What the server owes for these bytes."""
        return data.upper() if self.name == "uppercase" else data

    def take(self, client: Client) -> None:
        take_exactly(client, self.reply(self.request))

    def much(self) -> bytes:
        """MUCH bytes, in lines that are all different, so that a gap shows."""
        return numbered_lines()

    def much_back(self, data: bytes) -> bytes:
        """What the server owes for some of it, whole lines."""
        return self.reply(data)

    def ask_much(self, client: Client) -> memoryview:
        rest = memoryview(self.much())
        while rest:
            sent = client.send_some(rest, FULL)
            if not sent:
                break
            rest = rest[sent:]
        return rest

    def take_much(self, client: Client, unsent: memoryview) -> None:
        self._exchange(client, unsent, memoryview(self.much_back(self.much())))

    def _exchange(self, client: Client, unsent: memoryview, owed: memoryview) -> None:
        got = 0
        end = time.monotonic() + client.patience
        while got < len(owed):
            sent = client.send_some(unsent, 0) if unsent else 0
            unsent = unsent[sent:]
            if client.readable(0 if sent else 0.05):
                got += compare(client, owed, got)
            elif not sent and time.monotonic() > end:
                raise Trouble(SILENT, f"{got:,} bytes of {len(owed):,}, then nothing more for {client.patience:g} s")
            else:
                continue
            end = time.monotonic() + client.patience


class Lines(Stream):
    """One line for each line, whatever it says: the first answer is the measure of all the others."""

    def __init__(self, say: str = "") -> None:
        super().__init__("lines", say)
        self._reply = self._long_reply = b""

    @property
    def _long(self) -> bytes:
        return b"hello " * 166 + self.newline

    def learn(self, client: Client) -> bool:
        client.send(self.request)
        self._reply = take_line(client)
        client.send(self._long)
        self._long_reply = take_line(client)
        return True

    def reply(self, data: bytes) -> bytes:
        return self._reply * data.count(b"\n")

    def ask_some(self, client: Client) -> None:
        some = self.much()[:SOME]
        some = some[:some.rindex(b"\n") + 1]
        self._exchange(client, memoryview(some), memoryview(self.much_back(some)))

    def much(self) -> bytes:
        return self._long * (MUCH // len(self._long))

    def much_back(self, data: bytes) -> bytes:
        return self._long_reply * data.count(b"\n")


class Page(Dialect):
    """One long answer to whatever is said, and then the end of the connection.

    What the answer is, the user says; or the first client gets it, which reads as fast as it can.  A client that has
    room for all of it could hide that the server does not look at what send() took, so the next has hardly any.
    """

    name = "page"
    lasting = False

    def __init__(self, say: str = "", expected: bytes = b"") -> None:
        super().__init__(say)
        self._expected = expected

    def learn(self, client: Client) -> bool:
        if not self._expected:
            client.send(self.request)
            self._expected = client.expect_end()
        return False

    def take(self, client: Client) -> None:
        owed, got = memoryview(self._expected), 0
        while got < len(owed):
            got += compare(client, owed, got)
        if client.expect_end():
            raise Trouble(WRONG, f"more than the {len(owed):,} bytes that are right")

    def ask_much(self, client: Client) -> memoryview:
        client.send(self.request)
        client.wait_until_stuck()
        return memoryview(b"")

    def take_much(self, client: Client, unsent: memoryview) -> None:
        self.take(client)

    def by_hand(self, where: str) -> Dict[str, str]:
        said = super().by_hand(where)
        return {**said, "ask_much": said["ask"], "stay": "9", "slowly": " --slow 50000 | wc -c"}


def take_line(client: Client) -> bytes:
    """Receive up to and with the next LF.  Raises Trouble."""
    line = b""
    while not line.endswith(b"\n"):
        piece = client.receive(1)
        if not piece:
            raise Trouble(CLOSED, f"the end of the connection after {line!r}")
        line += piece
        if len(line) > 65536:
            raise Trouble(WRONG, "more than 65,536 bytes without a newline")
    return line


def take_exactly(client: Client, owed: bytes) -> None:
    """Receive these very bytes.  Raises Trouble."""
    got = b""
    while got != owed:
        try:
            piece = client.receive(len(owed) - len(got))
        except Trouble as trouble:
            raise Trouble(trouble.kind, f"{shown(got)} and then {trouble}" if got else str(trouble)) from None
        if not piece:
            raise Trouble(CLOSED, f"{shown(got) if got else 'nothing'} and then the end of the connection")
        got += piece
        if not owed.startswith(got):
            raise Trouble(WRONG, f"{shown(got)} instead of {shown(owed)}")


def compare(client: Client, owed: memoryview, got: int) -> int:
    """Receive some of the bytes owed from `got` on; how many.  Raises Trouble where they are others, or end."""
    try:
        data = client.receive(min(262144, len(owed) - got))
    except Trouble as trouble:
        raise Trouble(trouble.kind, f"{got:,} bytes of {len(owed):,}, then {trouble}") from None
    if not data:
        raise Trouble(CLOSED, f"{got:,} bytes of {len(owed):,}, then the end of the connection")
    if data != owed[got:got + len(data)]:
        same = got + next(n for n, byte in enumerate(data) if byte != owed[got + n])
        raise Trouble(WRONG, f"{same:,} right bytes of {len(owed):,}, then others")
    return len(data)


def shown(data: bytes) -> str:
    """Bytes for people, the first of them."""
    return repr(data[:60]) + ("..." if len(data) > 60 else "")


def printf(data: bytes) -> str:
    """The shell command that writes them."""
    text = data.decode("latin-1").replace("\\", "\\\\").replace("%", "%%").replace("\r", "\\r").replace("\n", "\\n")
    return f"printf {shlex.quote(text)}"
