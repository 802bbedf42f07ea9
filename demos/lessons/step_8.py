"""async/await: the story is one function again, and nobody waits for others.

New        A coroutine that has to wait yields what it waits for; its Task asks
           the reactor for that and resumes the coroutine when it is there.  No
           second loop: add_reader, add_writer and call_later are all it takes.
Breaks     python3 -m demos.lessons 8
           --rude: the line WAIT pauses with time.sleep(), not `await sleep()`.
           What does not await stops everybody.
Repaired   by call_in_thread, and by knowing it.  Next: read asyncio, which has
           the same core.
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

# Arranges that the reactor resumes; what it returns can be cancelled.
Ask = Callable[[Reactor, Callable[[], None]], Any]
Story = Coroutine[Any, Any, None]


class Task:
    """Runs a coroutine, with a pause at each await."""

    def __init__(self, reactor: Reactor, story: Story) -> None:
        self.reactor, self.story = reactor, story
        self.waiting: Sequence[Any] = [reactor.call_soon(self.resume)]

    def resume(self) -> None:
        """Go on to the next await; what was waited for is not watched now."""
        for handle in self.waiting:
            handle.cancel()
        with suppress(StopIteration):  # the story has ended
            asks = self.story.send(None)
            self.waiting = [ask(self.reactor, self.resume) for ask in asks]


@types.coroutine
def first_of(*asks: Ask) -> Generator[Any, None, None]:
    """Wait for the first of what is asked for."""
    yield asks


async def sleep(seconds: float) -> None:
    """Let others run meanwhile."""
    await first_of(lambda loop, wake: loop.call_later(seconds, wake))


async def accept(listener: socket.socket) -> socket.socket:
    """The next client."""
    await first_of(lambda loop, wake: loop.add_reader(listener, wake))
    client, _ = listener.accept()
    client.setblocking(False)
    return client


async def recv(client: socket.socket, idle: float) -> bytes:
    """What comes next, b"" at the end; BlockingIOError after `idle`."""
    await first_of(lambda loop, wake: loop.add_reader(client, wake),
                   lambda loop, wake: loop.call_later(idle, wake))
    return client.recv(65536)


async def send(client: socket.socket, data: bytes) -> None:
    """Send all.  Who awaits this does not read: that is back pressure."""
    while data:
        try:
            data = data[client.send(data):]
        except BlockingIOError:
            await first_of(lambda loop, wake: loop.add_writer(client, wake))


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


async def serve(reactor: Reactor, listener: socket.socket,
                idle: float, rude: bool) -> None:
    """Serve all clients, each in a task of its own."""
    while True:
        Task(reactor, talk(await accept(listener), idle, rude))


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Listen, say so, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="step_8", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=12000, help="0: any")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds")
    parser.add_argument("--rude", action="store_true", help="stop all")
    options = parser.parse_args(argv)
    try:
        listener = socket.create_server(("127.0.0.1", options.port))
    except (OSError, OverflowError) as exc:
        parser.error(f"port {options.port}: {exc}; try --port 0")
    # Ctrl-C is how it ends.
    with suppress(KeyboardInterrupt), listener, Reactor() as reactor:
        listener.setblocking(False)
        Task(reactor, serve(reactor, listener, options.idle, options.rude))
        print("step_8 listening on %s:%d" % listener.getsockname(), flush=True)
        reactor.run()


if __name__ == "__main__":
    main()
