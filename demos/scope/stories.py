"""What the experiments do, in the order of their numbers, and what they say about it: every figure was taken here."""
from __future__ import annotations

from functools import partial
from typing import Generator, List, Tuple

from reactor.transport import StreamTransport

from .clients import Asker, Client, Passer, SlowReader, Talker, Uploader
from .servers import (ANSWER, BLOCK, DOWNLOAD, MARK, AlwaysWritable, AlwaysWriting, Deaf, Download, Leaver, Lines,
                      Member, Offices, Refuser, Room, Ticker)
from .story import Once, Server, Side, Steps, Story, Wait

READ = 5.0  # seconds that it takes to read a note
MOMENT = 2.0  # seconds in which something is seen, or counted
TICK = 0.1
RATE = 256 * 1024  # bytes a second of a slow reader
WORDS = b"blah" * 4096  # what is said in the chat, ten times a second
CLIENTS, BACKLOG = 8, 5
UPLOAD = 4 * 1024 * 1024  # bytes


def idle(story: Story) -> Steps:
    """One client, one timer, and nothing else."""
    reactor = story.reactor
    server = Server(story, partial(Ticker, reactor.call_later))
    client = story.connect(Client(), server)
    yield lambda: client.received
    story.note(f"{server.sides[0].name} is told the time, once a second, and says nothing. Now we do nothing either.")
    yield 1.0
    before, began, received = reactor.counters(), reactor.time(), client.received
    yield READ
    after, seconds = reactor.counters(), reactor.time() - began
    story.note(f"In {seconds:.1f} seconds the loop made {after.turns - before.turns} turns, and "
               f"{client.received - received:,} bytes came to the client. The thread worked "
               f"{after.awake - before.awake:.3f} s of CPU time, this page included, since it is served by the same "
               "thread; the rest of the time it was asleep in select().")


def half_a_line(story: Story) -> Steps:
    """One line in two pieces."""
    server = Server(story, Lines)
    client = story.connect(Client(), server)
    yield lambda: client.transport and server.sides
    side = server.sides[0]
    story.note(f"{side.name} has connected. Now it sends three bytes, b'hel', and no newline.")
    yield MOMENT
    client.say(b"hel")
    yield lambda: side.pieces
    story.note(f"{side.name} was readable, recv gave {side.pieces[0]!r}. That is no line yet: the protocol's buffer "
               f"holds {side.lines.pending} bytes, {len(side.messages)} messages were delivered. Nobody waits for the "
               "rest: the loop sleeps, or serves others.")
    yield READ
    client.say(b"lo\n")
    yield lambda: client.last
    story.note(f"{side.name} was readable {len(side.pieces)} times: {side.pieces!r}. With the newline the line is "
               f"whole: {len(side.messages)} message, {side.messages[0]!r}, and {client.last!r} went back. The buffer "
               f"holds {side.lines.pending} bytes.")


def slow_reader(story: Story) -> Steps:
    """A file for a client that is slow, and answers for three that are not."""
    server = Server(story, partial(Download, story.reactor.call_later))
    yield from read_slowly(story, server)


def read_slowly(story: Story, server: Server) -> Steps:
    """Download the file from the server, while three others ask another one."""
    lines = Server(story, Lines)
    reader = story.connect(SlowReader(), server)
    askers: List[Asker] = [story.connect(Asker(), lines) for _ in range(3)]
    yield lambda: server.sides and reader.transport and all(asker.transport for asker in askers)
    ticks = 0
    while not reader.ended:
        if ticks % 20 == 10:
            story.note(progress(server.sides[0], reader, askers))
        ticks += 1
        reader.allow(RATE * TICK)
        for asker in askers:
            asker.ask()
        yield TICK
    story.note(progress(server.sides[0], reader, askers))


def progress(side: Download, reader: SlowReader, askers: List[Asker]) -> str:
    """How far that is."""
    seconds = sorted(seconds for asker in askers for seconds in asker.seconds) or [0.0]
    waiting = sum(asker.waits for asker in askers)
    not_now = f" and answered EAGAIN to {side.not_now}" if side.not_now else ""
    return (f"{reader.received:,} of {DOWNLOAD:,} bytes have arrived. Of the last piece of {side.piece:,} bytes the "
            f"kernel took {side.taken:,} at once. So far it cut {side.cut} sends short{not_now}. {side.name} joined "
            f"the write list {side.rejoined} times, and left it each time that its queue was empty. The three others "
            f"asked {len(seconds)} times: half of the answers came within {seconds[len(seconds) // 2] * 1000:.1f} ms, "
            f"the slowest took {seconds[-1] * 1000:.1f} ms" + (f"; {waiting} wait." if waiting else "."))


def always_writable(story: Story) -> Steps:
    """A connection that is always writable, in and out of the write list."""
    reactor = story.reactor
    server = Server(story, AlwaysWritable)
    story.connect(Client(), server)
    yield lambda: server.sides
    side = server.sides[0]
    story.note(f"{side.name} is connected and has nothing to say. Now we count turns for a moment.")
    yield from counted(story, f"Before: in {{}}. Now somebody writes add_writer({side.name}, ...) and has nothing to "
                       "write.")
    yield MOMENT
    side.switch = story.stage.opened(AlwaysWriting(reactor, side))
    yield from counted(story, f"{side.name} in the write list: in {{}}. select() never sleeps, because there is always "
                       "room. Look at the findings. Next: watcher.cancel(), the missing line.")
    calls = side.switch.calls
    side.switch.close()
    yield READ
    yield from counted(story, f"{side.name} was found writable {calls:,} times, for nothing. Out of the write list: "
                       "in {}.")


def counted(story: Story, text: str) -> Steps:
    """Count turns and CPU time for a moment; a note with both in the place of {}."""
    before, began = story.reactor.counters(), story.reactor.time()
    yield MOMENT
    after, seconds = story.reactor.counters(), story.reactor.time() - began
    story.note(text.format(f"{seconds:.1f} s {after.turns - before.turns:,} turns and "
                           f"{after.awake - before.awake:.2f} s of CPU time, this page included"))


def end_of_file(story: Story) -> Steps:
    """The end of a connection, unheard and heard."""
    deaf = Deaf(story.reactor)
    story.stage.opened(deaf)
    story.note("In a moment a client connects to a server that pays no attention to end of file, and closes at once, "
               "as nc -z does.")
    yield MOMENT
    turns = story.reactor.turns
    story.connect(Passer(), deaf)
    yield lambda: deaf.empty
    yield MOMENT
    story.note(f"recv() has answered b'' {deaf.empty:,} times in {story.reactor.turns - turns:,} turns, and select() "
               "says readable again and again: end of file does not go away by being read. Look at the findings.")
    yield READ
    deaf.close()
    server = Server(story, partial(Leaver, story.reactor))
    story.note("That server is gone. Next the same client, with the reactor's own way to take it.")
    yield READ
    story.connect(Passer(), server)
    yield lambda: server.sides and server.sides[0].ended
    side, turns = server.sides[0], story.reactor.turns
    yield MOMENT
    story.note(f"{side.name} said end of file in turn {side.end_of_file:,}: it was taken out of the list at once, and "
               f"closed in turn {side.over:,}. Since then the loop has made {story.reactor.turns - turns} turns more: "
               "it sleeps.")


def broadcast(story: Story) -> Steps:
    """One member of a chat does not read: four ways to take it."""
    for policy in POLICIES:
        yield from chat(story, policy)


POLICIES = {
    "nothing": "Nobody does anything about it: it grows for as long as somebody talks.",
    "pause": "Pause the talker: the server reads no more from it, so all wait for the slowest one.",
    "drop": "Drop what does not fit: the others hear everything, this one has gaps.",
    "disconnect": "Disconnect whoever is too slow: its queue is thrown away with it."}


def chat(story: Story, policy: str) -> Steps:
    """Four seconds of talk, one of three members having stopped to read."""
    room = Room(policy)
    server = Server(story, partial(Member, room))
    stopped = story.connect(SlowReader(), server)
    yield lambda: server.sides
    listener, talker = story.connect(Client(), server), story.connect(Talker(), server)
    yield lambda: len(room.members) == 3 and talker.transport and listener.transport
    slow = server.sides[0]
    for tick in range(40):
        talker.say(WORDS)
        if tick % 10 == 9:
            queued = slow.transport.get_write_buffer_size()
            story.note(f"{POLICIES[policy]} {slow.name} does not read: {queued:,} bytes wait for it in our memory, the "
                       f"high-water mark is {MARK:,}.")
        yield TICK
    end = "was disconnected" if slow.ended else "is still there"
    story.note(f"{POLICIES[policy]} The talker spoke {talker.said} times and found no room {talker.silent} times; "
               f"{room.dropped} pieces were dropped; {slow.name} {end}. The other reader got {listener.received:,} "
               f"bytes. At most {room.most:,} bytes were queued in our memory.")
    yield READ
    for side in (server, stopped, listener, talker):
        side.close()


def accept_storm(story: Story) -> Steps:
    """The kernel connects who nobody accepts."""
    turns: List[int] = []
    times: List[float] = []

    def accepted() -> Side:
        turns.append(story.reactor.turns)
        times.append(story.page.time())
        return Side()

    server = Server(story, accepted, BACKLOG)
    hold = story.stage.opened(Once(story.stage.scope.resume))
    story.stage.scope.pause()
    clients = [story.connect(Client(), server) for _ in range(CLIENTS)]
    began = story.page.time()
    yield lambda: story.page.time() > began + MOMENT
    ready = sum(client.transport is not None for client in clients)
    story.note(f"The loop is held, and {server.name} listens with a backlog of {BACKLOG}. Of {CLIENTS} clients {ready} "
               f"are connected: the kernel did that alone, the loop has accepted {len(turns)}. Who is not connected "
               "found no room in the backlog and tries again.")
    began = story.page.time()
    yield lambda: story.page.time() > began + 3.5
    before = story.reactor.turns
    hold.close()
    yield lambda: turns
    first = turns.count(turns[0])
    story.note(f"The loop goes on, from turn {before:,}. In turn {turns[0]:,} it accepted {first} clients, one after "
               "the other: an accept storm. Who found no room comes later.")
    yield MOMENT
    if first == CLIENTS:
        return
    yield lambda: len(turns) == CLIENTS
    story.note(f"Turn {turns[0]:,} accepted {first} clients. The other {CLIENTS - first} came within "
               f"{times[-1] - times[0]:.1f} s after it, the last one in turn {turns[-1]:,}: their first packet "
               "had found no room, and is sent again after 1, 3, 7 ... seconds.")


def blocking(story: Story) -> Steps:
    """The same look-up in a callback and in a thread."""
    story.note(f"In a moment somebody asks for the office of John. The look-up takes {BLOCK:g} s, and the callback "
               "waits for it. Look at this page: does it still move?")
    yield MOMENT
    late, seconds = yield from look_up(story, Server(story, Offices))
    story.note(f"The answer took {seconds:.2f} s. A timer of {TICK:g} s was {late:.2f} s late meanwhile: no client, no "
               "timer, not even this page got a turn. Find that turn in the timeline: it is that wide. Next the same "
               "look-up in a thread.")
    yield READ
    late, seconds = yield from look_up(story, Server(story, partial(Offices, story.reactor.call_in_thread)))
    story.note(f"In a thread the answer took {seconds:.2f} s too, but the timer of {TICK:g} s was never more than "
               f"{late * 1000:.0f} ms late: the thread waited, and woke the loop through its wake-up socket when it "
               "had the answer.")


def look_up(story: Story, server: Server) -> Generator[Wait, None, Tuple[float, float]]:
    """Ask for an office; by how much a timer was late meanwhile, at most, and how long the answer took."""
    client = story.connect(Asker(), server)
    yield lambda: client.transport and server.sides
    client.ask(b"John\n")
    before, latest = story.page.time(), 0.0
    while client.waits and not client.ended:
        yield TICK
        now = story.page.time()
        latest, before = max(latest, now - before - TICK), now
    yield lambda: client.seconds
    return latest, client.seconds[-1]


def early_refusal(story: Story) -> Steps:
    """The same answer before the end of an upload, then closed at once and closed in peace."""
    for leave, plan, how in (
            (StreamTransport.abort, "closes at once", "Closed at once, with the upload unread"),
            (StreamTransport.close, "says that it sends no more, and reads until the client is done",
             "Half-closed, what still came read and thrown away, then closed")):
        server = Server(story, partial(Refuser, leave))
        story.note(f"A client begins to upload {UPLOAD:,} bytes. The server refuses it in {len(ANSWER):,} bytes, with "
                   f"the first piece, and {plan}.")
        yield MOMENT
        client = story.connect(Uploader(UPLOAD), server)
        yield lambda: client.ended
        end = "the end of file" if client.why is None else str(client.why)
        story.note(f"{how}: {client.received:,} of {len(ANSWER):,} bytes of the answer arrived "
                   f"({100 * client.received / len(ANSWER):.0f} %), and then: {end}.")
        yield READ
