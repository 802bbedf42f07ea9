"""The ten experiments of the menu: what each does, what to look for, and what it shows.

Each brings its own servers, which listen on the observed loop on ports that nobody else has, and its own clients, which
run on the page's loop.  It ends by itself, or when somebody ends it or begins another one, and leaves nothing behind.
What the notes say while it runs is in stories.py; no figure in them was known before.
"""
from __future__ import annotations

from typing import Callable, List, NamedTuple

from . import again, stories
from .stage import Stage
from .story import Steps, Story


class Experiment(NamedTuple):
    """One line of the menu."""

    id: int
    title: str
    do: str
    look: str
    shows: str
    tell: Callable[[Story], Steps]

    def start(self, stage: Stage) -> None:
        """Begin; it ends by itself, or the stage ends it."""
        stage.note(self.do)
        Story(stage, self.tell).go_on()


EXPERIMENTS: List[Experiment] = [
    Experiment(
        1, "An idle server",
        "One client connects and says nothing. The server tells it the time once a second.",
        "The timeline: one column a second, each of them nearly all sleep. The list on the left: the listener and "
        "the client are in it all the time. The first box: what is left until the next second.",
        "A server that has nothing to do does nothing: it sleeps in select() until a socket is ready or a timer is "
        "due. However many clients are silent, they cost no time.",
        stories.idle),
    Experiment(
        2, "Half a line",
        "A client sends hel, waits five seconds, then sends lo and a newline.",
        "The client is readable twice, five seconds apart. After the first time nothing goes back, and the note says "
        "what the protocol's buffer holds. After the second time the whole line goes back in capitals.",
        "What recv() returns is a piece of a stream, not a message. The protocol keeps the pieces until it sees the "
        "end of a line, and meanwhile everybody else is served.",
        stories.half_a_line),
    Experiment(
        3, "A slow reader",
        "A client fetches a file of 2 MB and reads only 256 KB of it a second. Three others ask short questions all "
        "the time. The buffers of the kernel are made small, so that they are full at once.",
        "In the words: how much the kernel took of what it was offered. In the list for writing: the slow client is "
        "there while bytes are queued for it, and leaves when its queue is empty. The turns of the others stay as "
        "narrow as before.",
        "send() takes what the kernel has room for, and the rest is still yours. Put it in a queue and ask select() "
        "to tell when there is room; then one slow client keeps nobody waiting. A blocking server would stand still "
        "here.",
        stories.slow_reader),
    Experiment(
        4, "Always in the write list",
        "For two seconds select() is asked about writing to a client to whom there is nothing to write. Then it is "
        "not asked any more.",
        "The number of turns a second, before, meanwhile and after. The timeline is filled with the sign for "
        "spinning, and the findings name the connection and the line that is missing.",
        "A connected socket with room in its buffer is writable, always. So a loop that asks without need never "
        "sleeps: it uses all of the processor to learn again and again what it knows.",
        stories.always_writable),
    Experiment(
        5, "End of file is not heard",
        "A client connects and closes at once. First to a server that reads b'' and goes on; then to one that the "
        "reactor takes care of.",
        "First: the same socket is readable in turn after turn, and the findings say so. Then: one turn in which "
        "recv() says end of file, the socket leaves the list, and the connection is closed.",
        "End of file does not go away by being read: select() calls that socket readable for ever. Who gets b'' must "
        "take the socket out of the list, and close it.",
        stories.end_of_file),
    Experiment(
        6, "A chat with one who does not read",
        "Three members; one talks, one listens, one has stopped to read. Four times four seconds: nobody does "
        "anything about it; the talker is paused; what does not fit is dropped; the slow one is disconnected.",
        "The first bar of the member that does not read: it climbs to the high-water mark, and what happens there is "
        "different each time. The note has the bytes in our memory, and what it cost the others.",
        "A queue without a limit is memory that a stranger decides about. What to do at the mark is for the program "
        "to choose: everybody waits, or somebody loses something. There is no third way.",
        stories.broadcast),
    Experiment(
        7, "Connected is not accepted",
        "The loop is paused. A server listens with a backlog of 5, and eight clients connect. Then the loop goes on.",
        "While it is paused, the note counts who is connected although nobody called accept(). Then one turn in "
        "which all of these are accepted; the others come seconds later.",
        "The kernel completes connections by itself, as many as the backlog has room for: Linux one more than it "
        "says. The others try again after 1, 3 and 7 seconds. A loop that was away finds them all in one turn.",
        stories.accept_storm),
    Experiment(
        8, "A callback that blocks",
        "A client asks for an office, and the look-up takes two seconds: first in the callback, then in a thread.",
        "First: this page stands still for two seconds and says so, and then the turn is drawn that wide, with the "
        "name of the callback. Then: the same answer after the same time, and everything moves meanwhile.",
        "There is one thread, and it serves one callback at a time. What waits in a callback lets everybody wait, "
        "this page too. A thread can wait instead, and wake the loop when it has the answer.",
        stories.blocking),
    Experiment(
        9, "An answer before the end of the upload",
        "A client uploads 4 MB. The server refuses with the first piece and leaves: first it closes at once, then it "
        "half-closes, reads what still comes, and closes after that.",
        "How much of the answer arrives, in the note. In the words: first the connection ends at once; then "
        "half-closed, many more bytes received after it, and closed at the end.",
        "close() with unread input is a reset, and a reset destroys what the other side has not read yet. Say that "
        "you send no more, read until the other side is done, and then close: that is what close() of our transport "
        "does.",
        stories.early_refusal),
    Experiment(
        10, "The same again, without a network",
        "Experiment 3 is recorded. The recording is opened here, run again with the same program, and then with one "
        "line changed.",
        "The recording, in place of the live loop: step forwards and backwards through it. The note tells at which "
        "event the changed program does something else, and has the commands to do it yourself.",
        "What a program on the loop does depends on nothing but the answers of the kernel. Whoever has these answers "
        "can run it again, as often as needed, on another machine, and see the very turn that went wrong.",
        again.record_and_rerun)]
