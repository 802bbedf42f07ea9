"""The temporary servers of the experiments; they run on the observed loop."""
from __future__ import annotations

import socket
import threading
import time
from functools import partial
from typing import Any, Callable, List, Optional

from protocols.address_book import OFFICES
from protocols.base import CallLater, Cancellable, Transport
from protocols.lines import LineBuffer
from reactor import Reactor

from .story import HERE, Side

DOWNLOAD = 2 * 1024 * 1024  # bytes of the file
BUFFER = 64 * 1024  # of the kernel, for the one who sends the file
MARK = 64 * 1024  # bytes: the high-water mark of the chat
BLOCK = 2.0  # seconds of a look-up
ANSWER = b"413: this is too large for us, and here is at length why.\r\n" * 5000


class Ticker(Side):
    """Tells the time, each second."""

    def __init__(self, call_later: CallLater) -> None:
        self._call_later = call_later

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        self.tick()

    def tick(self) -> None:
        """Tell it now, and again in a second."""
        self._timer = self._call_later(1.0, self.tick)
        self.transport.write(time.strftime("%H:%M:%S\r\n").encode())

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        super().connection_lost(exc)
        self._timer.cancel()


class Lines(Side):
    """Answers each line in capitals; what came in each recv, and which messages that were, is kept."""

    def __init__(self) -> None:
        self.lines = LineBuffer()
        self.pieces: List[bytes] = []
        self.messages: List[bytes] = []

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        self.lines.feed(data)
        for line in self.lines:
            self.messages.append(line)
            self.transport.write(line.upper() + b"\n")


class Download(Side):
    """Sends a file as soon as somebody connects, piece by piece, each when the last one has left the queue."""

    piece = 64 * 1024

    def __init__(self, call_later: CallLater) -> None:
        self.left = DOWNLOAD
        self.cut = self.not_now = self.rejoined = 0
        self.taken = 0  # of the last piece, by the kernel, at once
        self._call_later = call_later
        self._timer: Optional[Cancellable] = None

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        self.shrink(socket.SO_SNDBUF, BUFFER)
        transport.set_write_buffer_limits(high=0)
        self.send()

    def send(self) -> None:
        """Write the next piece."""
        size = min(self.piece, self.left)
        if not size:
            self.transport.close()
            return
        self.left -= size
        self.transport.write(bytes(size))
        queued = self.transport.get_write_buffer_size()
        self.taken = size - queued
        if not queued:
            self.resume_writing()  # the kernel took all of it
        elif self.taken:
            self.cut += 1
        else:
            self.not_now += 1

    def pause_writing(self) -> None:
        self.rejoined += 1

    def resume_writing(self) -> None:
        self._timer = self._call_later(0, self.send)  # in the next turn: the others come first

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()


class SmallerPieces(Download):
    """Download, with one line changed."""

    piece = 16 * 1024


class AlwaysWriting:
    """The mistake: asks to be told that a connection is writable, and has nothing to write."""

    def __init__(self, reactor: Reactor, side: Side) -> None:
        self.name = side.name
        self.calls = 0
        self._watcher = reactor.add_writer(side.transport.get_extra_info("socket"), self.on_writable)

    def why(self, writing: bool) -> str:
        """The reason why select watches this."""
        return "for no reason"

    def on_writable(self) -> None:
        """Called in each turn, since there is always room."""
        self.calls += 1

    def close(self) -> None:
        """Ask no more.  Twice is once."""
        self._watcher.cancel()


class AlwaysWritable(Side):
    """A connection on which that mistake can be made: whoever makes it must be told of the end."""

    switch: Optional[AlwaysWriting] = None

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        super().connection_lost(exc)
        if self.switch is not None:
            self.switch.close()


class Deaf:
    """A server with bare sockets for one client, written like many: end of file means nothing to it."""

    def __init__(self, reactor: Reactor) -> None:
        self.empty = 0  # how often recv answered b""
        self._reactor = reactor
        self._sockets = [socket.create_server((HERE, 0))]
        self._sockets[0].setblocking(False)
        self._watchers = [reactor.add_reader(self._sockets[0], self.on_client)]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._sockets[0].getsockname()[1])

    def on_client(self) -> None:
        """Somebody connects."""
        client, _ = self._sockets[0].accept()
        client.setblocking(False)
        self._watchers.pop().cancel()
        self._sockets.append(client)
        self._watchers.append(self._reactor.add_reader(client, self.on_readable))

    def on_readable(self) -> None:
        """Read, and pay no attention to what that means."""
        data = self._sockets[-1].recv(100)
        self.empty += not data

    def close(self) -> None:
        """What was missing.  Twice is once."""
        for watcher in self._watchers:
            watcher.cancel()
        for sock in self._sockets:
            sock.close()


class Leaver(Side):
    """Notes in which turns of its loop the peer said end of file, and the connection was over."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self.end_of_file = self.over = -1

    def eof_received(self) -> None:
        self.end_of_file = self._reactor.turns

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        super().connection_lost(exc)
        self.over = self._reactor.turns


class Room:
    """A chat: what one member says, all others get.  `policy` is what is done about a member whose queue is full."""

    def __init__(self, policy: str) -> None:
        self.policy = policy  # "nothing", "pause", "drop", "disconnect"
        self.members: List[Member] = []
        self.dropped = self.paused = 0
        self.most = 0  # bytes that were queued for all, at most
        self._talker: Any = None

    def say(self, talker: Member, data: bytes) -> None:
        """Tell the others."""
        self._talker = talker.transport
        for member in self.members:
            if member is not talker and not member.transport.is_closing():
                self._tell(member, data)
        self._measure()

    def _measure(self) -> None:
        self.most = max(self.most, sum(member.transport.get_write_buffer_size() for member in self.members))

    def _tell(self, member: Member, data: bytes) -> None:
        if member.is_full and self.policy == "drop":
            self.dropped += 1
        else:
            member.transport.write(data)

    def filled(self, member: Member) -> None:
        """The queue of a member rose above the mark."""
        self._measure()
        if self.policy == "pause":
            self.paused += 1
            self._talker.pause_reading()
        elif self.policy == "disconnect":
            member.transport.abort()

    def drained(self) -> None:
        """It is empty enough again."""
        if self.policy == "pause" and not any(member.is_full for member in self.members):
            self._talker.resume_reading()


class Member(Side):
    """One connection of a chat."""

    def __init__(self, room: Room) -> None:
        self.is_full = False
        self._room = room

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        self.shrink(socket.SO_SNDBUF)
        self.shrink(socket.SO_RCVBUF)
        transport.set_write_buffer_limits(high=MARK)
        self._room.members.append(self)

    def data_received(self, data: bytes) -> None:
        self._room.say(self, data)

    def pause_writing(self) -> None:
        self.is_full = True
        self._room.filled(self)

    def resume_writing(self) -> None:
        self.is_full = False
        self._room.drained()

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        super().connection_lost(exc)
        self._room.members.remove(self)


class Offices(Side):
    """The address book, from a disk that is slow.  `in_thread` is the loop's call_in_thread, or None to block."""

    def __init__(self, in_thread: Optional[Callable[..., object]] = None) -> None:
        self._in_thread = in_thread
        self._lines = LineBuffer()
        self._over = threading.Event()

    def data_received(self, data: bytes) -> None:
        self._lines.feed(data)
        for line in self._lines:
            if self._in_thread is None:
                self.answer(self.look_up(line))
            else:
                self._in_thread(partial(self.look_up, line), self.answer)

    def look_up(self, name: bytes) -> bytes:
        """Takes its time, unless the connection is over."""
        self._over.wait(BLOCK)
        return (OFFICES.find(name.decode("utf-8", "replace")) or "unknown").encode()

    def answer(self, office: Any) -> None:
        """What was found."""
        if not self.transport.is_closing():
            self.transport.write(office + b"\n")

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        super().connection_lost(exc)
        self._over.set()


class Refuser(Side):
    """Answers an upload as soon as it begins, and leaves, as `leave` does it."""

    def __init__(self, leave: Callable[[Any], object]) -> None:
        self._leave = leave

    def data_received(self, data: bytes) -> None:
        self.transport.write(ANSWER)
        self._leave(self.transport)
