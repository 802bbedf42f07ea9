"""--hostile SEED: every connection of this process in the hands of a hostile kernel, the same one for the same seed."""
from __future__ import annotations

import argparse
import functools
import os
import socket
import time
import weakref
from typing import Any, Callable, Optional

from reactor.testing import Hostility, Whims

now = time.monotonic
KNOBS = {"most": int, "not_now": float, "ends_at": int, "resets_at": int}


def add_option(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument("--hostile", type=hostility, metavar="SEED[,KNOB=N...]",
                        help="cut what is sent and received anywhere, and say EAGAIN now and then, as this number "
                        "decides; knobs: most=BYTES a piece, not_now=CHANCE, ends_at=BYTE, resets_at=BYTE")


def hostility(text: str) -> Hostility:
    """A seed and knobs, as `7` or `7,most=1,resets_at=1000`."""
    seed, *settings = text.split(",")
    try:
        pairs = [setting.split("=") for setting in settings]
        return Hostility(int(seed), **{name: KNOBS[name](value) for name, value in pairs})
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no seed with knobs, such as 7 or 7,most=1,resets_at=1000") from None


class Spared(socket.socket):
    """A listener that --hostile leaves alone: its accept() is the one from before, and so is what comes of it."""

    __slots__ = ()
    accept = socket.socket.accept

    @classmethod
    def instead_of(cls, sock: socket.socket) -> Spared:
        """The same socket, spared, and not blocking either: PyPy makes one that is taken by its number block."""
        spared = cls(fileno=sock.detach())
        spared.setblocking(False)
        return spared


class _Hands:
    """The sockets that are connections or listeners, and how their calls are changed."""

    def __init__(self, hostility: Hostility) -> None:
        self._hostility = hostility
        self._known: weakref.WeakKeyDictionary[socket.socket, Whims] = weakref.WeakKeyDictionary()

    def of(self, sock: socket.socket) -> Whims:
        """What is done to this one."""
        if sock not in self._known:
            self._known[sock] = self._hostility.towards_next()
        return self._known[sock]

    def accept(self, real: Callable[..., Any], sock: socket.socket) -> Any:
        answer = self.of(sock).accept(sock, lambda: real(sock))
        self.of(answer[0])
        return answer

    def connect(self, real: Callable[..., Any], sock: socket.socket, address: Any) -> Any:
        if sock.type == socket.SOCK_STREAM:
            self.of(sock)
        return real(sock, address)

    def recv(self, real: Callable[..., Any], sock: socket.socket, size: int, flags: int = 0) -> Any:
        if flags or sock not in self._known or size < 1:
            return real(sock, size, flags)
        return self._known[sock].receive(sock, size, lambda room: real(sock, room), b"")

    def recv_into(self, real: Callable[..., Any], sock: socket.socket, buffer: Any, nbytes: int = 0,
                  flags: int = 0) -> Any:
        size = nbytes or memoryview(buffer).nbytes
        if flags or sock not in self._known or size < 1:
            return real(sock, buffer, nbytes, flags)
        return self._known[sock].receive(sock, size, lambda room: real(sock, buffer, room), 0)

    def send(self, real: Callable[..., Any], sock: socket.socket, data: Any, flags: int = 0) -> Any:
        if flags or sock not in self._known or isinstance(data, str) or not len(data):
            return real(sock, data, flags)
        view = memoryview(data).cast("B")
        return self._known[sock].send(sock, len(view), lambda room: real(sock, view[:room]))

    def sendall(self, real: Callable[..., Any], sock: socket.socket, data: Any, flags: int = 0) -> Any:
        if sock not in self._known or sock.gettimeout() != 0.0:
            return real(sock, data, flags)
        view = memoryview(data).cast("B")
        while view:
            view = view[sock.send(view, flags):]

    def sendfile(self, real: Callable[..., Any], out: int, source: int, offset: Any, count: int, *more: Any) -> Any:
        for sock, whims in list(self._known.items()):
            if sock.fileno() == out:
                return whims.send(sock, count, lambda room: real(out, source, offset, room, *more))
        return real(out, source, offset, count, *more)


def unleash(hostility: Optional[Hostility]) -> None:
    """Let it have, for good, what is connected or accepted from now on, by whomever in this process; None: nobody."""
    if hostility is None:
        return
    hands = _Hands(hostility)
    for name, change in (("accept", hands.accept), ("connect", hands.connect), ("connect_ex", hands.connect),
                         ("recv", hands.recv), ("recv_into", hands.recv_into), ("send", hands.send),
                         ("sendall", hands.sendall)):
        setattr(socket.socket, name, _changed(getattr(socket.socket, name), change))
    if hasattr(os, "sendfile"):
        setattr(os, "sendfile", _changed(os.sendfile, hands.sendfile))


def _changed(real: Callable[..., Any], change: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        return change(real, *args, **kwargs)
    return call
