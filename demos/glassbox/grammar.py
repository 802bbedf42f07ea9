"""The grammar of README.md, for a reader of files that anybody may have written: what each event must have."""
from __future__ import annotations

from typing import Any, Callable, Dict

FAR = 1e12  # seconds; JSON has no infinity

# A fact in brackets in README.md is not here: it may be missing.
MUST = {kind: frozenset(facts.split()) for kind, facts in {
    "turn": "timeout why writing", "quick look": "busy all", "ready": "readable writable slept",
    "ran": "callback milliseconds", "raised": "callback error",
    "listening": "who address", "accepted": "who connection peer fd", "full": "who connections why",
    "connecting": "who address", "connected": "who connection where", "failed": "who why",
    "adopted": "who", "opened": "who address", "half-closing": "who depth", "half-closed": "who",
    "closing": "who depth", "lost": "who why", "closed": "who why",
    "received": "who size head", "ended": "who", "sent": "who offered taken left head",
    "partly sent": "who offered taken left head", "blocked": "who call", "error": "who call errno why",
    "queued": "who size depth", "dropped": "who size why", "datagram received": "who size head peer",
    "datagram sent": "who size head peer", "datagram queued": "who size depth",
    "reading paused": "who", "reading resumed": "who", "writing paused": "who depth", "writing resumed": "who depth",
    "timer set": "callback due delay", "timer fired": "callback due late", "timer cancelled": "callback due",
    "found": "who sort peer server states depth received sent", "end": "why"}.items()}


def fault(event: Dict[str, Any]) -> str:
    """What is wrong with a line of a recording, by the name of a fact; empty where nothing is."""
    must = MUST.get(event["event"]) if _text(event.get("event")) else None
    if must is None:
        return "event"
    for name, value in event.items():
        if name in _IS and not _IS[name](value):
            return name
    return ", ".join(sorted({"t", "turn", *must}.difference(event)))


def _text(value: Any) -> bool:
    return type(value) is str


def _name(value: Any) -> bool:
    return type(value) is str and value.isprintable()


def _number(value: Any) -> bool:
    return type(value) in (int, float) and -FAR <= value <= FAR


def _whole(value: Any) -> bool:
    return type(value) is int


def _names(value: Any) -> bool:
    return type(value) is list and all(map(_name, value))


def _watched(value: Any) -> bool:
    return type(value) is list and all(type(pair) is list and len(pair) == 2 and _name(pair[0]) and _text(pair[1])
                                       for pair in value)


def _or_null(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


_IS: Dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys("callback why error address where call server bytes".split(), _text),
    **dict.fromkeys("who connection sort".split(), _name), **dict.fromkeys("readable writable states".split(), _names),
    **dict.fromkeys("reading writing".split(), _watched),
    **dict.fromkeys("t slept delay late due milliseconds".split(), _number), "timeout": _or_null(_number),
    **dict.fromkeys("turn size depth offered taken left fd connections busy all".split(), _whole),
    **dict.fromkeys("errno received sent".split(), _or_null(_whole)), "head": _or_null(_text),
    "peer": lambda value: value is None or _text(value) or type(value) is list and len(value) in (2, 4)}
