"""A progress bar on one line of a terminal."""
from __future__ import annotations

from typing import Any, TextIO

WIDTH = 40


class Progress:
    """A context manager that draws how much of `total` is done, once for each percent; nothing unless `shown`."""

    def __init__(self, total: int, stream: TextIO, shown: bool = True) -> None:
        self._total = max(total, 1)
        self._stream = stream
        self._shown = shown
        self._percent = -1

    def reached(self, done: int, word: str = "") -> None:
        """So much is done."""
        percent = min(done * 100 // self._total, 100)
        if self._shown and percent != self._percent:
            self._percent = percent
            full = percent * WIDTH // 100
            self._say(f"\r[{'#' * full}{'.' * (WIDTH - full)}] {percent:3} %  {word}")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc_info: Any) -> None:
        if self._percent >= 0:
            self._say("\n")

    def _say(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._shown = False  # nobody looks any more
