"""Blackjack on a connection: one player, one table, one shoe."""
from __future__ import annotations

import random
from typing import Callable, Dict, List, Optional

from ..base import CallLater, Cancellable, Transport
from ..request_reply import RequestReply
from ..telnet import Telnet, TelnetError, edited
from . import table
from .cards import Card, Shoe
from .rules import Outcome, Round

WARN_AFTER = 120.0
DROP_AFTER = 180.0

Reply = Optional[bytes]


class Blackjack(RequestReply):
    """One table.  Deals at once, then answers each line; `RequestReply` says where a line ends.

    The hidden card is in no byte written before the player stands, is over 21 or
    has a natural.  A player from whom no byte came for `warn_after` seconds is
    told, and dropped after `drop_after` in all.  Raises ValueError where the
    warning would not come first.
    """

    __slots__ = ("_shoe", "_round", "_counts", "_telnet", "_warn_after", "_drop_after", "_idle", "_ended")

    def __init__(self, *, shuffle: Callable[[List[Card]], None], call_later: CallLater,
                 warn_after: float = WARN_AFTER, drop_after: float = DROP_AFTER) -> None:
        super().__init__(call_later=call_later)
        if not 0 < warn_after < drop_after:
            raise ValueError(f"the warning after {warn_after} s must come before the end after {drop_after} s")
        self._shoe = Shoe(shuffle)
        self._counts = dict.fromkeys(Outcome, 0)
        self._telnet = Telnet()
        self._warn_after = warn_after
        self._drop_after = drop_after
        self._idle: Optional[Cancellable] = None
        self._ended = False  # our last word is said: nothing may be written any more

    def connection_made(self, transport: Transport) -> None:
        super().connection_made(transport)
        self._watch_idle()
        transport.write(_text([table.WELCOME]) + b"\r\n" + self.deal() + b"\r\n")

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._watch_idle()
        try:
            self._take(data)
        except TelnetError as exc:
            self._transport.write(b"%s; goodbye\r\n" % str(exc).encode())
            self._end()

    def _take(self, data: bytes) -> None:
        for typed, command_answer in self._telnet.feed(data):
            if command_answer:
                self._transport.write(command_answer)
            elif self._paused:
                self._lines.feed(typed)
            else:
                super().data_received(typed)
            if self._ended:
                return

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        super().connection_lost(exc)
        self._stop_idle()

    def answer(self, request: bytes) -> Reply:
        words = edited(request.decode("utf-8", "replace")).lower().split()
        if not words:
            return _text([table.choices(self._round)])
        action = (_TURN if self._round.outcome is None else _OVER).get(" ".join(words))
        if action is None:
            return _text(["That is not one of the choices.", table.choices(self._round)])
        return action(self)

    def deal(self) -> bytes:
        """Begin a round."""
        self._shoe.clear_table()
        self._round = Round(self._shoe.draw)
        return self._shown([])

    def hit(self) -> Reply:
        """Take a card."""
        self._round.hit()
        return self._shown([])

    def stand(self) -> Reply:
        """Let the dealer play."""
        self._round.stand()
        return self._shown([table.dealers_turn(self._round)])

    def help(self) -> Reply:
        """Say what can be typed."""
        return _text([*table.HELP, table.choices(self._round)])

    def quit(self) -> Reply:
        """Say goodbye, and no more."""
        self._transport.write(_text([table.score(self._counts), "Goodbye."]) + b"\r\n")
        return None

    def _shown(self, events: List[str]) -> bytes:
        outcome = self._round.outcome
        lines = ["", *events, *table.hands(self._round)]
        if outcome is not None:
            self._counts[outcome] += 1
            lines += [table.verdict(self._round), table.score(self._counts)]
        return _text([*lines, table.choices(self._round)])

    def _watch_idle(self) -> None:
        self._stop_idle()
        self._idle = self._call_later(self._warn_after, self._warn)

    def _stop_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _warn(self) -> None:
        left = self._drop_after - self._warn_after
        self._idle = self._call_later(left, self._drop)
        self._transport.write(f"Still there?  In {left:g} seconds the table closes.\r\n".encode())

    def _drop(self) -> None:
        self._idle = None
        # Bytes that the player has not taken since the warning will not be taken now, and close() would wait for it.
        if self._transport.get_write_buffer_size():
            self._transport.abort()
            return
        self._transport.write(b"Nothing was typed for too long.  Goodbye.\r\n")
        self._end()

    def _end(self) -> None:
        self._ended = True
        self._stop_waiting()
        self._stop_idle()
        super()._end()


def _text(lines: List[str]) -> bytes:
    """The lines without the last line ending, which `RequestReply` adds."""
    return "\r\n".join(lines).encode("ascii")


Action = Callable[[Blackjack], Reply]


_ALWAYS: Dict[str, Action] = {"q": Blackjack.quit, "quit": Blackjack.quit, "?": Blackjack.help, "help": Blackjack.help}
_TURN: Dict[str, Action] = {
    **_ALWAYS,
    **dict.fromkeys(("h", "hit"), Blackjack.hit),
    **dict.fromkeys(("s", "stand"), Blackjack.stand),
}
_OVER: Dict[str, Action] = {
    **_ALWAYS,
    **dict.fromkeys(("a", "again", "p", "play", "play again", "y", "yes"), Blackjack.deal),
    **dict.fromkeys(("n", "no"), Blackjack.quit),
}


class Tables:
    """A factory of tables, to be called once for each connection.

    With a `seed` the n-th table of a run has always the same shoe, on every
    machine; without one the shoes cannot be foretold.
    """

    __slots__ = ("_seed", "_opened", "_call_later", "_warn_after", "_drop_after")

    def __init__(self, *, call_later: CallLater, seed: Optional[int] = None,
                 warn_after: float = WARN_AFTER, drop_after: float = DROP_AFTER) -> None:
        self._seed = seed
        self._opened = 0
        self._call_later = call_later
        self._warn_after = warn_after
        self._drop_after = drop_after

    def __call__(self) -> Blackjack:
        """The next table."""
        self._opened += 1
        return Blackjack(shuffle=self._chance().shuffle, call_later=self._call_later,
                         warn_after=self._warn_after, drop_after=self._drop_after)

    def _chance(self) -> random.Random:
        if self._seed is None:
            return random.SystemRandom()
        # A sum of the two would deal the second table of one seed like the first of the next.
        return random.Random(f"{self._seed}/{self._opened}")
