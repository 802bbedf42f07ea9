"""The part of telnet (RFC 854) that a server of text lines needs: take its commands out, refuse its options.

A telnet client mixes commands with what its user types, each introduced by the
byte 255, "interpret as command" (IAC).  A `Telnet` separates the two and says
what is to be answered.  It never asks for an option itself, so no two ends can
answer each other for ever.
"""
from __future__ import annotations

from typing import Iterator, Tuple

IAC, DONT, DO, WONT, WILL, SB, EL, EC, AYT, SE = 255, 254, 253, 252, 251, 250, 248, 247, 246, 240

SUBNEGOTIATION_LIMIT = 1024  # one whose end never comes would swallow all input for ever

ERASE_CHARACTER, ERASE_LINE = "\b", "\x15"
_TYPED = {EC: ERASE_CHARACTER.encode(), EL: ERASE_LINE.encode()}
_REFUSALS = {DO: WONT, WILL: DONT}
_HERE = b"[yes, still here]\r\n"

# What the next byte is:
_TEXT, _COMMAND, _OPTION, _SUBNEGOTIATION, _SUBNEGOTIATION_COMMAND = range(5)


class TelnetError(ValueError):
    """A subnegotiation is longer than `SUBNEGOTIATION_LIMIT`."""


class Telnet:
    """Separate one client's commands from its text; the borders of what is fed make no difference.

    A client that speaks no telnet is understood too, unless it sends 255: in
    UTF-8 that byte does not occur.
    """

    __slots__ = ("_next", "_verb", "_skipped", "_after_cr")

    def __init__(self) -> None:
        self._next = _TEXT
        self._verb = 0  # DO, DONT, WILL or WONT, while its option is awaited
        self._skipped = 0  # bytes of the subnegotiation so far
        self._after_cr = False

    def feed(self, data: bytes) -> Iterator[Tuple[bytes, bytes]]:
        """Yield pairs (text, answer) in the order of the stream: what was typed, and what to send back; one is empty.

        CR NUL, telnet's other way to end a line, becomes CR LF, and any other
        NUL is dropped.  The commands EC and EL become the control characters
        that `edited` knows.  Raises TelnetError after every good pair before it.
        """
        start = 0
        while start < len(data):
            if self._next == _TEXT:
                end = data.find(IAC, start)
                if end < 0:
                    end = len(data)
                else:
                    self._next = _COMMAND
                text, answer = self._printed(data[start:end]), b""
                start = end + 1
            else:
                text, answer = self._commanded(data[start])
                start += 1
            if text or answer:
                yield text, answer

    def _printed(self, text: bytes) -> bytes:
        if not text:
            return text
        if self._after_cr and text.startswith(b"\0"):
            text = b"\n" + text[1:]
        self._after_cr = text.endswith(b"\r")
        return text.replace(b"\r\0", b"\r\n").replace(b"\0", b"")

    def _commanded(self, byte: int) -> Tuple[bytes, bytes]:
        if self._next == _COMMAND:
            return self._command(byte)
        if self._next == _OPTION:
            self._next = _TEXT
            refusal = _REFUSALS.get(self._verb)
            # DONT and WONT ask for what already is, and RFC 854 forbids to answer those.
            return b"", bytes((IAC, refusal, byte)) if refusal else b""
        self._skip(byte)
        return b"", b""

    def _command(self, byte: int) -> Tuple[bytes, bytes]:
        self._next = _TEXT
        if DONT >= byte >= WILL:
            self._next, self._verb = _OPTION, byte
        elif byte == SB:
            self._next, self._skipped = _SUBNEGOTIATION, 0
        elif byte == AYT:
            return b"", _HERE
        elif byte == IAC or byte < SE:  # below SE there are no commands: the 255 was a stray byte, this one is text
            return self._printed(bytes((byte,))), b""
        return _TYPED.get(byte, b""), b""

    def _skip(self, byte: int) -> None:
        self._skipped += 1
        if self._skipped > SUBNEGOTIATION_LIMIT:
            raise TelnetError(f"a telnet subnegotiation is longer than {SUBNEGOTIATION_LIMIT} bytes")
        if self._next == _SUBNEGOTIATION_COMMAND:
            self._next = _TEXT if byte == SE else _SUBNEGOTIATION
        elif byte == IAC:
            self._next = _SUBNEGOTIATION_COMMAND


def edited(line: str) -> str:
    """`line` as its typist saw it in the end: backspace and DEL take a character back, Ctrl-U all of them."""
    kept = []
    for character in line[line.rfind(ERASE_LINE) + 1:]:
        if character not in "\b\x7f":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)
