"""The address book: a name is asked, its office is answered."""
from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial

from protocols.address_book import OFFICES, AddressBook, Book
from reactor import Reactor

from .commandline import Factory, Server


def book(path: str) -> Book:
    """The book in a JSON file, one object: {"John": "C45", ...}."""
    try:
        with open(path, encoding="utf-8") as file:
            entries = json.load(file)
        if not isinstance(entries, dict):
            raise ValueError("it is not one object")
        return Book(entries)
    except (OSError, ValueError, RecursionError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else exc
        raise ArgumentTypeError(f'{path}: {why}; a file with {{"name": "office", ...}} is needed') from None


def arguments(parser: ArgumentParser) -> None:
    """Which book."""
    parser.add_argument("--book", type=book, default=OFFICES, metavar="FILE", help="JSON: {\"name\": \"office\", ...}")


def make(reactor: Reactor, options: Namespace) -> Factory:
    """One book for all connections."""
    return partial(AddressBook, call_later=reactor.call_later, book=options.book)


SERVER = Server("address_book", 8084, "python3 -m demos.address_book_client {host} {port}", make, arguments)

if __name__ == "__main__":
    SERVER.main()
