"""The address book: a name is asked, its office is answered."""
from __future__ import annotations

from typing import Mapping, Optional

from .base import CallLater
from .request_reply import RequestReply


class Book:
    """Names and offices; one book serves any number of connections.

    Letter case and the amount of white space in a name do not matter.  Raises
    ValueError for an entry that is not one line of text.
    """

    def __init__(self, entries: Mapping[str, str]) -> None:
        for entry in entries.items():
            if not all(isinstance(text, str) and text.isprintable() for text in entry):
                raise ValueError(f"not one line of text: {entry!r}")
        self._offices = {_key(name): office for name, office in entries.items()}

    def find(self, name: str) -> Optional[str]:
        """The office of `name`, None where it is not in the book."""
        return self._offices.get(_key(name))


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()


OFFICES = Book({"John": "C45", "Denise": "C44", "Phoebe": "D52", "Adam": "B23"})


class AddressBook(RequestReply):
    """`John` is answered `C45`; a name that is not in the book, by a sentence, and the connection stays."""

    __slots__ = ("_book",)

    def __init__(self, *, call_later: CallLater, book: Book = OFFICES) -> None:
        super().__init__(call_later=call_later)
        self._book = book

    def answer(self, request: bytes) -> bytes:
        name = request.decode("utf-8", "replace")
        office = self._book.find(name)
        if office is None:
            # As repr(), so that control characters cannot play tricks on a terminal.
            office = f"{name!r} is not in the address book"
        return office.encode()
