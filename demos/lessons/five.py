"""All servers of the lessons under the same five clients: one verdict for each, and what each server costs."""
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from . import clients
from .clients import Seen
from .experiments import STEPS, meanwhile
from .server import Server, growth, per_second

FIVE = ("silent", "slow", "resetting", "half-closing", "chopped")
# These two last long enough for another client to come meanwhile.
LONG: Dict[str, Tuple[Callable[..., Seen], Dict[str, float]]] = {
    "silent": (clients.silent, {"seconds": 1.0}),
    "slow": (clients.slow, {"size": 24_000_000, "pause": 1.0, "patience": 1.0}),
}
SHORT: Dict[str, Callable[[str, int], Seen]] = {
    "resetting": clients.resetting, "half-closing": clients.half_closing, "chopped": clients.chopped,
}
# For the slow reader only: the kernel would hide what these two do.
BUFFER = {"4": " --buffer 4096", "4_mended": " --buffer 4096"}
PATIENCE = 0.7  # seconds that another client waits for its answer
SPINNING = 0.03  # CPU seconds per second; idle ones need a tenth of that, and a busy machine gives no more
HOARD = 14_000_000  # bytes that a server should not take from who reads none; kernels alone take up to ten million
VERDICTS = {
    "fine": "nobody notices",
    "waits": "others are not served meanwhile",
    "spins": "a whole processor, to do nothing",
    "loses": "a part of the answer never arrives",
    "hoards": "what this client does not read yet is all in memory",
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
    """Play one of the five and see who is still served."""
    before = server.cost()
    result, other = play(server, name)
    after = server.cost()
    cpu, memory = per_second(before, after), growth(before, after)
    if not server.play(clients.polite).intact:
        verdict = "dies"
    elif name == "silent" and cpu is not None and cpu > SPINNING:
        verdict = "spins"
    else:
        verdict = judge(name, result, other)
    return Trial(verdict, cpu, memory)


def play(server: Server, name: str) -> Tuple[Seen, Seen]:
    """What one of the five sees, and what another client that comes meanwhile."""
    if name in LONG:
        client, options = LONG[name]
        with meanwhile(server, client, **options) as seen:
            other = server.play(clients.polite, patience=PATIENCE)
            return seen(), other
    return server.play(SHORT[name]), server.play(clients.polite)


def judge(name: str, seen: Seen, other: Seen) -> str:
    """The verdict on a server that lives, from what the client and another one saw."""
    if not other.intact:
        return "waits"
    if name == "resetting" or seen.intact:
        return "hoards" if name == "slow" and seen.ahead > HOARD else "fine"
    return "loses" if name == "slow" else "cuts off"


def row(step: str) -> Row:
    """Play the five against one step."""
    trials = survived(f"step_{step}", [name for name in FIVE if name != "slow"])
    trials.update(survived(f"step_{step}{BUFFER.get(step, '')}", ["slow"]))
    return Row(step, {name: trials[name].verdict for name in FIVE}, trials["silent"].cpu, trials["slow"].memory)


def survived(command: str, names: List[str]) -> Dict[str, Trial]:
    """Play some of the five against one server, which is started anew whenever it died."""
    trials: Dict[str, Trial] = {}
    while names:
        with Server(command) as server:
            while names:
                name = names.pop(0)
                trials[name] = try_out(server, name)
                if trials[name].verdict == "dies":
                    break
    return trials


def rows() -> List[Row]:
    """All steps; several at once, since most of the time they wait."""
    pool = ThreadPoolExecutor(6)
    try:
        return list(pool.map(row, STEPS))
    finally:
        pool.shutdown(cancel_futures=True)
