"""All servers of the lessons under the same five clients: one verdict for each, and what each server costs."""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Dict, List, NamedTuple, Optional

from . import clients
from .clients import Seen
from .experiments import STEPS, meanwhile
from .server import Server, growth, per_second

# Each with options that make it last long enough for another client to come meanwhile.
FIVE = {
    "silent": (clients.silent, {"seconds": 1.2}),
    "slow": (clients.slow, {"pause": 1.0, "patience": 1.0}),
    "resetting": (clients.resetting, {}),
    "half-closing": (clients.half_closing, {}),
    "chopped": (clients.chopped, {}),
}
OPTIONS = {"4": " --buffer 4096", "4_mended": " --buffer 4096"}
PATIENCE = 0.7  # seconds that another client waits for its answer
HOARD = 4.0  # megabytes that a server should not need for one client
VERDICTS = {
    "fine": "nobody notices",
    "waits": "others are not served meanwhile",
    "spins": "a whole processor, to do nothing",
    "loses": "a part of the answer never arrives",
    "hoards": "the whole answer is in memory",
    "cuts off": "this client is ended without its answer, no other",
    "dies": "nobody is served any more",
}


class Row(NamedTuple):
    """What the five clients made of one server."""

    step: str
    verdicts: Dict[str, str]  # by client, a key of VERDICTS
    cpu: Optional[float]  # seconds per second with one silent client
    memory: Optional[float]  # megabytes for one slow reader


class Trial(NamedTuple):
    """One client and one server."""

    verdict: str
    cpu: Optional[float]
    memory: Optional[float]


def try_out(server: Server, name: str) -> Trial:
    """Play one of the five while another client comes, and a third one afterwards."""
    client, options = FIVE[name]
    before = server.cost()
    with meanwhile(server, client, **options) as seen:  # type: ignore[arg-type]
        other = server.play(clients.polite, patience=PATIENCE)
        result = seen()
    after = server.cost()
    cpu, memory = per_second(before, after), growth(before, after)
    if not server.play(clients.polite).intact:
        verdict = "dies"
    elif name == "silent" and cpu is not None and cpu > 0.3:
        verdict = "spins"
    else:
        verdict = judge(name, result, other, memory or 0.0)
    return Trial(verdict, cpu, memory)


def judge(name: str, seen: Seen, other: Seen, memory: float) -> str:
    """The verdict on a server that lives, from what the client and another one saw."""
    if not other.intact:
        return "waits"
    if name == "resetting" or seen.intact:
        return "hoards" if name == "slow" and memory > HOARD else "fine"
    return "loses" if name == "slow" else "cuts off"


def row(step: str) -> Row:
    """Play the five against one step, which is started anew whenever it died."""
    trials: Dict[str, Trial] = {}
    names = list(FIVE)
    while names:
        with Server(f"step_{step}{OPTIONS.get(step, '')}") as server:
            while names:
                name = names.pop(0)
                trials[name] = try_out(server, name)
                if trials[name].verdict == "dies":
                    break
    return Row(step, {name: trial.verdict for name, trial in trials.items()}, trials["silent"].cpu,
               trials["slow"].memory)


def rows() -> List[Row]:
    """All steps; several at once, since most of the time they wait."""
    pool = ThreadPoolExecutor(6)
    try:
        return list(pool.map(row, STEPS))
    finally:
        pool.shutdown(cancel_futures=True)
