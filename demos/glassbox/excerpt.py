"""A part of a recording: what concerns some listeners and the connections that they accepted, as if they were alone.

It is itself a series of events as a loop tells them: whoever is not meant is neither asked about nor ready in it.  So
one server of several can be run again (rerun.py), and a recording may begin when it was listening already.
"""
from __future__ import annotations

from typing import Any, Iterable, Iterator, List, Set

from reactor.trace import Event
from reactor.wakeup import Wakeup

from .words import concerned


def excerpt(events: Iterable[Event], listeners: Set[str]) -> Iterator[Event]:
    """The events of these listeners, by name, and of whom they accept from here on."""
    ours, silent = set(listeners), set(listeners)  # silent: who has not told that it listens
    for event in events:
        facts = event.facts
        if event.kind == "turn":
            for name in sorted(silent.intersection(name for name, _ in facts["reading"])):
                silent.discard(name)
                yield event._replace(kind="listening", facts={"who": name, "address": ""})
            yield _only(event, ours | {Wakeup.name}, "reading", "writing")
        elif event.kind == "ready":
            yield _only(event, ours, "readable", "writable")
        elif event.kind == "end" or concerned(event) & ours:
            silent.discard(facts.get("who", ""))
            if event.kind == "accepted":
                ours.add(facts["connection"])
            yield event


def _only(event: Event, ours: Set[str], *sides: str) -> Event:
    return event._replace(facts={**event.facts, **{side: _of(ours, event.facts[side]) for side in sides}})


def _of(ours: Set[str], members: List[Any]) -> List[Any]:
    return [member for member in members if (member if isinstance(member, str) else member[0]) in ours]
