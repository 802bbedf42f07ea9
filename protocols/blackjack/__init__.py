"""Blackjack for one player against the dealer.

    cards, rules   pure values
    table          what the player sees
    protocol       the conversation on a connection
"""
from __future__ import annotations

from .protocol import DROP_AFTER, WARN_AFTER, Blackjack, Tables

__all__ = ["DROP_AFTER", "WARN_AFTER", "Blackjack", "Tables"]
