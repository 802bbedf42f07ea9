"""A part of a recording: what concerns some listeners and the connections that they accepted, as if they were alone.

It is itself a series of events as a loop tells them: whoever is not meant is neither asked about nor ready in it.  So
one server of several can be run again (rerun.py), also where it listened already when the recording began; a
connection that was there already has no beginning, and is left out.
"""
from __future__ import annotations

from typing import Any, Iterable, Iterator, List, Set

from reactor.trace import Event
from reactor.wakeup import Wakeup

from .words import concerned


def excerpt(events: Iterable[Event], listeners: Set[str]) -> Iterator[Event]:
    """The events of these listeners, by name, and of whom they accept."""
    ours = set(listeners)
    for event in events:
        facts = event.facts
        if event.kind == "turn":
            yield _only(event, ours | {Wakeup.name}, "reading", "writing")
        elif event.kind == "ready":
            yield _only(event, ours, "readable", "writable")
        elif event.kind == "end" or concerned(event) & ours:
            if event.kind == "accepted":
                ours.add(facts["connection"])
            yield _begun(event) if event.kind == "found" else event


def _begun(event: Event) -> Event:
    facts = event.facts
    return event._replace(kind="listening", facts={"who": facts["who"], "address": facts["peer"]})


def _only(event: Event, ours: Set[str], *sides: str) -> Event:
    return event._replace(facts={**event.facts, **{side: _of(ours, event.facts[side]) for side in sides}})


def _of(ours: Set[str], members: List[Any]) -> List[Any]:
    return [member for member in members if (member if isinstance(member, str) else member[0]) in ours]
