"""Cards, and the shoe that they are drawn from."""
from __future__ import annotations

from typing import Callable, List, NamedTuple

RANKS = ("A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K")
SUITS = ("S", "H", "D", "C")


class Card(NamedTuple):
    """A rank and a suit; as text `10H`, in ASCII because every terminal has that."""

    rank: str
    suit: str

    def __str__(self) -> str:
        return self.rank + self.suit


DECK = tuple(Card(rank, suit) for suit in SUITS for rank in RANKS)


class Shoe:
    """One deck, drawn from without replacement.

    `shuffle` puts a list into random order in place, as `random.Random().shuffle`
    does.  It is the only source of chance: the same shuffle gives the same cards.
    """

    __slots__ = ("_shuffle", "_left", "_on_table", "_discarded")

    def __init__(self, shuffle: Callable[[List[Card]], None]) -> None:
        self._shuffle = shuffle
        self._left: List[Card] = []
        self._on_table: List[Card] = []
        self._discarded: List[Card] = []
        self._reshuffle()

    def __len__(self) -> int:
        """How many cards can be drawn before the next shuffle."""
        return len(self._left)

    def clear_table(self) -> None:
        """To be called between rounds: what was drawn is discarded.

        Where under a quarter of the deck is left, all of it is shuffled.
        """
        self._discarded += self._on_table
        self._on_table = []
        if len(self._left) < len(DECK) / 4:
            self._reshuffle()

    def draw(self) -> Card:
        """The next card.

        A round of many small cards may empty the shoe.  Then the discarded cards
        are shuffled; no card is ever on the table twice.
        """
        if not self._left:
            self._left, self._discarded = self._discarded, []
            self._shuffle(self._left)
        card = self._left.pop()
        self._on_table.append(card)
        return card

    def _reshuffle(self) -> None:
        self._left, self._discarded = list(DECK), []
        self._shuffle(self._left)
