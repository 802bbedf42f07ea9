"""The faults that a check can name: the misconception behind each, and the lesson that shows it.

Those with a file in demos/lessons/broken/ bear its name.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Pattern, Tuple

BROKEN = "python3 -m demos.lessons.broken {}"


@dataclass(frozen=True)
class Fault:
    """One misconception: `cause` is what usually stands behind what was seen."""

    name: str
    cause: str
    lesson: str


def _step(number: int) -> str:
    return f"python3 -m demos.lessons {number}"


_FAULTS = [
    # -- with a file of that name in demos/lessons/broken/
    ("always_writable",
     "A connected socket with room in its buffer is always writable: watched for writing while there is "
     "nothing to write, it makes select() return at once, for ever.", ""),
    ("end_of_file_ignored",
     "recv() returning b'' means that the client has left. A socket at end of file stays readable: if it is "
     "not closed, select() returns it at once, for ever.", ""),
    ("short_send_ignored",
     "send() takes what fits and returns how much that was; the rest is still yours. Whoever does not look "
     "at the result loses the rest.", ""),
    ("eagain_as_error",
     "BlockingIOError (EAGAIN) is an answer, not an error: the buffer is full now. Keep the bytes and wait "
     "until select() says writable.", ""),
    ("decode_each_recv",
     "recv() returns bytes, cut anywhere, of any kind: decoding each piece breaks on a character cut in two,"
     " or on a byte that is not UTF-8.", ""),
    ("lf_only",
     "Lines end with CRLF from telnet and browsers, with LF from nc: a server has to take both.", ""),
    ("closed_but_listed",
     "A closed socket was left in a list given to select(), where its descriptor is -1. Remove it from every"
     " list first, then close it.", ""),
    ("closed_twice",
     "The lists that select() returned are a snapshot: a client closed by the reading half of a turn may "
     "stand in the writing half too, and is closed or looked up a second time.", ""),
    ("close_with_unread_input",
     "close() with input left unread sends a reset, which destroys what was still under way. Shut down "
     "writing, read to the end, then close.", ""),
    ("sendall_nonblocking",
     "sendall() on a non-blocking socket raises half-way, and nobody can know where. Keep a queue and send()"
     " what fits.", ""),
    ("blocking_lookup",
     "Something in the loop waits (a look-up of a name, a sleep, a file): until it is done nobody is served.", ""),
    ("unbounded_queue",
     "A client that does not read makes the queue of its answers grow without end. Stop reading from it "
     "while more than a high-water mark is queued.", ""),
    # -- shown by a step of the ladder
    ("one_client_at_a_time",
     "While one client is served with blocking accept() and recv(), nobody else is.", _step(0)),
    ("blocking_send",
     "send() on a blocking socket waits for its reader: one slow client stops everybody.", _step(3)),
    ("busy_loop",
     "The loop asks again and again instead of waiting in select(): a whole processor spent on nothing.", _step(2)),
    ("one_recv_is_one_request",
     "TCP is a stream: one recv() may hold half a request, or two. Collect the bytes of each client until "
     "the request is complete.", _step(6)),
    ("half_close_is_the_end",
     "A client that has said all it will say still reads: end of file ends the requests, not the answers "
     "that are owed.", _step(4)),
    ("reset_unhandled",
     "recv() and send() raise where a client has left with a reset: it is one client's end, not the "
     "server's.", _step(4)),
    ("address_in_use",
     "The server that closes first leaves its port in TIME_WAIT: set SO_REUSEADDR before bind().",
     "python3 -m demos.lessons.kernel time_wait"),
    ("interrupt_unhandled",
     "Ctrl-C is how a server is stopped: catch KeyboardInterrupt around the loop, close what is open, and "
     "end.", _step(1)),
    ("died",
     "An exception that one client causes has to end that client alone: catch it where it is served.", _step(5)),
    ("wrong_answer",
     "What came back is not what the profile asks for.", "demos/checker/README.md"),
    ("crlf_only",
     "Lines end with LF from nc and from many programs, with CRLF from telnet: a server has to take both.",
     BROKEN.format("lf_only")),
    # -- of HTTP
    ("text_mode",
     "A file opened as text is decoded, and its newlines translated: open with 'rb' and send bytes.",
     "protocols/http/files.py"),
    ("path_traversal",
     "The path was joined to the folder as it came: resolve it, and serve it only if it still lies below the"
     " folder.", "protocols/http/paths.py"),
    ("missing_file",
     "What a client may ask for is not always there: a file that cannot be opened is a 404, not an end.",
     "protocols/http/files.py"),
    ("bad_request",
     "A request line that is not one deserves 400 and the end of that connection alone.", "protocols/http/parser.py"),
    ("kept_open",
     "Without keep-alive the end of the connection is what tells an HTTP/1.0 client that all has come.",
     "protocols/http/server.py"),
    ("not_kept_alive",
     "A connection that was promised to stay open has to answer the next request too.", "protocols/http/server.py"),
]

FAULTS: Dict[str, Fault] = {name: Fault(name, cause, lesson or BROKEN.format(name)) for name, cause, lesson in _FAULTS}

# What a program's last words tell of the fault, the more telling first.
_SIGNS: List[Tuple[Pattern[str], str]] = [(re.compile(sign), name) for sign, name in [
    (r"UnicodeDecodeError", "decode_each_recv"),
    (r"sendall\([^\n]*\n(?:[^\n]*\n)?[^\n]*BlockingIOError", "sendall_nonblocking"),
    (r"BlockingIOError|Resource temporarily unavailable|EAGAIN", "eagain_as_error"),
    (r"file ?descriptor cannot be a negative integer|Bad file descriptor", "closed_but_listed"),
    (r"list\.remove\(x\)|KeyError", "closed_twice"),
    (r"ConnectionResetError|BrokenPipeError|ConnectionAbortedError", "reset_unhandled"),
    (r"Address already in use", "address_in_use"),
    (r"FileNotFoundError|IsADirectoryError", "missing_file"),
]]


def sign_of(words: str) -> Optional[str]:
    """The name of the fault that a program's output gives away, if it does."""
    for pattern, name in _SIGNS:
        if pattern.search(words):
            return name
    return None
