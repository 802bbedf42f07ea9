"""A stderr that waits for nobody: a stopped terminal, or a pipe whose reader sleeps, must not stop a server.

Python cannot write to a pipe "as much as fits" without changing the pipe for everybody who shares it.  But
select() calls a pipe writable only where it would take select.PIPE_BUF bytes, so who asks before each piece
of that size is never kept waiting.
"""
from __future__ import annotations

import contextlib
import select
import sys
from typing import Any, ContextManager

PIECE = getattr(select, "PIPE_BUF", 512)  # bytes; not on Windows, where select() cannot be asked about pipes
PATIENCE = 0.02  # seconds for a reader who is only slow, once each time that it falls behind


def stderr_waits_for_nobody() -> ContextManager[Any]:
    """While inside, whatever is printed to stderr, logged lines and tracebacks too, keeps nobody waiting."""
    return contextlib.redirect_stderr(sys.stderr and Unhurried(sys.stderr))  # None, where the program has none


class Unhurried:
    """A text stream that leaves out what `stream` does not take, and says how many lines that were once it does.

    Raises what `stream` raises, except that it would block.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left_out = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Print it at once, or as much of it as is taken."""
        note = f"\n({self._left_out} lines are left out here: nobody read them)\n" if self._left_out else ""
        rest = note + text
        size = PIECE if rest.isascii() else PIECE // 4
        while rest and self._is_taken():
            self._stream.write(rest[:size])
            self._stream.flush()
            self._left_out = 0
            rest = rest[size:]
        self._left_out += rest[-len(text):].count("\n") if text else 0
        return len(text)

    def _is_taken(self) -> bool:
        try:
            return bool(select.select([], [self._stream], [], 0 if self._left_out else PATIENCE)[1])
        except (OSError, ValueError):
            return True  # not something that select() can be asked about
