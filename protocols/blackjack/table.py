"""What the player sees, as lines of ASCII of at most 80 columns."""
from __future__ import annotations

from typing import Iterable, List, Mapping, Sequence

from .cards import Card
from .rules import Outcome, Round, is_bust, is_natural, total

WELCOME = "Blackjack: closest to 21 without going over wins; the dealer draws below 17."

HELP = [
    "hit (h)        take one more card",
    "stand (s)      take no more; the dealer plays, and the hands are compared",
    "again (a)      play again, after a round; yes (y) too",
    "quit (q)       leave the table; after a round no (n) too",
    "help (?)       this text",
    "Cards are written as rank and suit: spades, hearts, diamonds or clubs.",
    "An ace counts 11 while that does not go over 21 (a soft total), else 1.",
    "21 with the first two cards is a natural; it beats every other 21.",
]

_HIDDEN = "??"


def describe(hand: Sequence[Card]) -> str:
    """The total in words."""
    if is_natural(hand):
        return "21, a natural"
    return f"{total(hand)}, over 21" if is_bust(hand) else str(total(hand))


def hands(round_: Round) -> List[str]:
    """Both hands with their totals; the dealer's second card is hidden while it is the player's turn."""
    if round_.outcome is None:
        shown = round_.dealer[:1]
        dealer = _row("Dealer", [*map(str, shown), _HIDDEN], f"{total(shown)} and a hidden card")
    else:
        dealer = _row("Dealer", map(str, round_.dealer), describe(round_.dealer))
    return [dealer, _row("You", map(str, round_.player), describe(round_.player))]


def _row(name: str, cards: Iterable[str], worth: str) -> str:
    return f"{name:8}{' '.join(cards):20} {worth}"


def dealers_turn(round_: Round) -> str:
    """What the dealer did after the player stood."""
    _, hidden, *drawn = map(str, round_.dealer)
    return f"Dealer's turn: turns over {hidden}" + (f", draws {' '.join(drawn)}." if drawn else ", stands.")


def verdict(round_: Round) -> str:
    """How the round ended, and why."""
    if round_.outcome is Outcome.PUSH:
        return "Push: nobody wins."
    if round_.outcome is Outcome.WIN:
        return "You win" + _reason(round_.player, round_.dealer, "the dealer is")
    return "The dealer wins" + _reason(round_.dealer, round_.player, "you are")


def _reason(winner: Sequence[Card], loser: Sequence[Card], loser_is: str) -> str:
    if is_bust(loser):
        return f": {loser_is} over 21."
    if is_natural(winner):
        return " with a natural."
    return f", {total(winner).value} to {total(loser).value}."


def score(counts: Mapping[Outcome, int]) -> str:
    """The running score."""
    return f"Score   you {counts[Outcome.WIN]}, dealer {counts[Outcome.LOSS]}, pushes {counts[Outcome.PUSH]}"


def choices(round_: Round) -> str:
    """Whose turn it is, and what can be typed."""
    if round_.outcome is None:
        return "Your turn: hit (h), stand (s), quit (q) or help (?)."
    return "Round over: again (a), quit (q) or help (?)."
