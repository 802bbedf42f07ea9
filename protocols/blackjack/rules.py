"""The rules: what hands are worth, how the dealer plays, who wins.

Closest to 21 without going over wins.  The dealer draws below 17 and stands on
17 and above, soft or not.  An ace and a ten of the first two cards, a natural,
beats every other 21.  Nothing here knows who plays or how the cards are shown.
"""
from __future__ import annotations

import enum
from typing import Callable, List, NamedTuple, Sequence

from .cards import Card

LIMIT = 21
DEALER_STANDS = 17


class Total(NamedTuple):
    """What a hand is worth; `soft` while an ace in it counts 11.  As text `17` or `soft 17`."""

    value: int
    soft: bool

    def __str__(self) -> str:
        return f"soft {self.value}" if self.soft else str(self.value)


class Outcome(enum.Enum):
    """How a round ended, for the player."""

    WIN = "win"
    LOSS = "loss"
    PUSH = "push"


def points(card: Card) -> int:
    """2 to 10 for the numbers, 10 for a face, 1 for an ace."""
    if card.rank == "A":
        return 1
    return 10 if card.rank in "JQK" else int(card.rank)


def total(hand: Sequence[Card]) -> Total:
    """The best total: one ace counts 11 where that does not go over 21, every other ace 1."""
    low = sum(map(points, hand))
    if low + 10 <= LIMIT and any(card.rank == "A" for card in hand):
        return Total(low + 10, True)
    return Total(low, False)


def is_bust(hand: Sequence[Card]) -> bool:
    """True where the hand is over 21."""
    return total(hand).value > LIMIT


def is_natural(hand: Sequence[Card]) -> bool:
    """True for 21 with two cards."""
    return len(hand) == 2 and total(hand).value == LIMIT


def play_dealer(hand: List[Card], draw: Callable[[], Card]) -> None:
    """Add cards to the dealer's hand until the dealer stands or is over 21."""
    while total(hand).value < DEALER_STANDS:
        hand.append(draw())


def judge(player: Sequence[Card], dealer: Sequence[Card]) -> Outcome:
    """Who won, both hands being complete.  A player over 21 has lost, whatever the dealer holds."""
    ours, theirs = _strength(player), _strength(dealer)
    if is_bust(player) or ours < theirs:
        return Outcome.LOSS
    return Outcome.WIN if ours > theirs else Outcome.PUSH


def _strength(hand: Sequence[Card]) -> int:
    if is_bust(hand):
        return 0
    return total(hand).value + is_natural(hand)


class Round:
    """One round: both hands, and `outcome`, None while it is the player's turn.

    The cards are dealt in turn, player first; the dealer's second is the hidden
    one.  A natural of the player ends the round at once.  A natural of the dealer
    shows when the player stands: to end the round for it would betray the hidden
    card.
    """

    __slots__ = ("player", "dealer", "outcome", "_draw")

    def __init__(self, draw: Callable[[], Card]) -> None:
        self._draw = draw
        self.player: List[Card] = []
        self.dealer: List[Card] = []
        for hand in (self.player, self.dealer) * 2:
            hand.append(draw())
        self.outcome = judge(self.player, self.dealer) if is_natural(self.player) else None

    def hit(self) -> None:
        """The player takes a card; over 21 the round is lost.  Raises ValueError once the round has ended."""
        self._require_turn()
        self.player.append(self._draw())
        if is_bust(self.player):
            self.outcome = Outcome.LOSS

    def stand(self) -> None:
        """The dealer plays, and the round ends.  Raises ValueError once the round has ended."""
        self._require_turn()
        play_dealer(self.dealer, self._draw)
        self.outcome = judge(self.player, self.dealer)

    def _require_turn(self) -> None:
        if self.outcome is not None:
            raise ValueError("the round has ended")
