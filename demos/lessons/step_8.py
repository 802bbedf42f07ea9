"""async/await: the story is one function again, and still nobody waits for anybody.

New        A coroutine that has to wait yields what it waits for; the Task asks the
           reactor for it and resumes the coroutine when it is there.  No second
           loop: add_reader, add_writer and call_later are all it takes.
Breaks     python3 -m demos.lessons 8
           --rude: a line WAIT pauses with time.sleep() instead of `await sleep()`.
           What does not await stops everybody; async repairs waiting, not working.
Repaired   by call_in_thread, and by knowing it.  Next: read asyncio, which has the same core.
"""
from __future__ import annotations

import argparse
import socket
import time
import types
from contextlib import suppress
from typing import Any, Callable, Coroutine, Generator, Optional, Sequence

from protocols.lines import LineBuffer
from reactor import Reactor

from .step_7 import capitals

Ask = Callable[[Reactor, Callable[[], None]], Any]  # arrange that the reactor resumes; the handle, to cancel that


class Task:
    """Runs a coroutine: each time that it waits, until what it waits for has come."""

    def __init__(self, reactor: Reactor, story: Coroutine[Any, Any, None]) -> None:
        self.reactor, self.story = reactor, story
        self.waiting: Sequence[Any] = [reactor.call_soon(self.resume)]

    def resume(self) -> None:
        """Go on to the next await; what was waited for is not watched meanwhile."""
        for handle in self.waiting:
            handle.cancel()
        with suppress(StopIteration):  # the story has ended
            self.waiting = [ask(self.reactor, self.resume) for ask in self.story.send(None)]


@types.coroutine
def first_of(*asks: Ask) -> Generator[Any, None, None]:
    """Wait for the first of what is asked for."""
    yield asks


async def sleep(seconds: float) -> None:
    """Let others run meanwhile."""
    await first_of(lambda reactor, resume: reactor.call_later(seconds, resume))


async def accept(listener: socket.socket) -> socket.socket:
    """The next client."""
    await first_of(lambda reactor, resume: reactor.add_reader(listener, resume))
    client, _ = listener.accept()
    client.setblocking(False)
    return client


async def recv(client: socket.socket, idle: float) -> bytes:
    """What comes next, b"" at its end; TimeoutError after `idle` seconds of nothing."""
    await first_of(lambda reactor, resume: reactor.add_reader(client, resume),
                   lambda reactor, resume: reactor.call_later(idle, resume))
    try:
        return client.recv(65536)
    except BlockingIOError:
        raise TimeoutError("the client is silent") from None


async def send(client: socket.socket, data: bytes) -> None:
    """Send all; whoever awaits this reads no more meanwhile, which is all the back pressure it takes."""
    while data:
        await first_of(lambda reactor, resume: reactor.add_writer(client, resume))
        data = data[client.send(data):]


async def talk(client: socket.socket, idle: float, rude: bool) -> None:
    """The conversation with one client, from hello to goodbye."""
    lines = LineBuffer()
    with client, suppress(OSError):  # gone, or silent for too long
        while data := await recv(client, idle):
            lines.feed(data)
            for line in lines:
                if line == b"WAIT":
                    time.sleep(0.6) if rude else await sleep(0.6)
                await send(client, capitals(line))


async def serve(reactor: Reactor, listener: socket.socket, idle: float, rude: bool) -> None:
    """Serve all clients, each in a task of its own."""
    while True:
        Task(reactor, talk(await accept(listener), idle, rude))


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_8", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="%(default)s by default; 0: a free one")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of silence that end a client")
    parser.add_argument("--rude", action="store_true", help="pause in a way that stops everybody")
    options = parser.parse_args(argv)
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except (OSError, OverflowError) as exc:
        parser.error(f"port {options.port}: {exc}; try --port 0")
    with suppress(KeyboardInterrupt), listener, Reactor() as reactor:  # Ctrl-C is how it ends
        listener.setblocking(False)
        Task(reactor, serve(reactor, listener, options.idle, options.rude))
        print(f"step_8 listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
        reactor.run()


if __name__ == "__main__":
    main()
