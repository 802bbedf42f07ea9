"""The grammar of a recording, read from where it is written down: the two tables of demos/glassbox/README.md."""
import base64
import json
import os
import re

README = os.path.join(os.path.dirname(__file__), "..", "..", "..", "demos", "glassbox", "README.md")


def text(value):
    return isinstance(value, str)


def whole(value):
    return type(value) is int


def number(value):
    return type(value) in (int, float)


def texts(value):
    return isinstance(value, list) and all(map(text, value))


def pairs(value):
    return isinstance(value, list) and all(texts(pair) and len(pair) == 2 for pair in value)


def address(value):
    return value is None or text(value) or isinstance(value, list) and len(value) in (2, 4)


# How the description of a fact begins, and what that means.
CHECKS = [
    ("text, or null", lambda value: value is None or text(value)),
    ("text", text),
    ("an address", address),
    ("base64", lambda value: base64.b64decode(value, validate=True) != b""),
    ("a list of pairs of texts", pairs),
    ("a list of texts", texts),
    ("a number of seconds, or null", lambda value: value is None or number(value)),
    ("a number", number),
    ("a whole number, or null", lambda value: value is None or whole(value)),
    ("a whole number", whole),
]
HEADER = {"recording": whole, "program": text, "arguments": texts, "date": text, "python": text, "platform": text,
          "bytes": lambda value: type(value) is bool}


def rows(heading):
    """The rows of the table with this heading, as lists of cells."""
    with open(README, encoding="utf-8") as readme:
        table = readme.read().split(heading)[1].split("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| `")]


EVENTS = {}  # by event: the facts that it must have, and those that it may
for event, facts, _ in rows("| event | facts | when |"):
    optional = set(re.findall(r"\[`(\w+)`\]", facts))
    EVENTS[event.strip("`")] = set(re.findall(r"`(\w+)`", facts)) - optional, optional
FACTS = {}  # by fact: whether a value is one
for names, description in rows("| fact | what it is |"):
    for name in re.findall(r"`(\w+)`", names):
        FACTS[name] = next(check for start, check in CHECKS if description.startswith(start))


def no_constant(name):
    """Python reads and writes NaN and Infinity, which JSON does not have."""
    raise AssertionError(f"{name} is not JSON")


def hold(line, number):
    """AssertionError unless this is line `number`, from 0, of a recording by the letter of the grammar."""
    parsed = json.loads(line, parse_constant=no_constant)
    assert line.isascii() and line.endswith("\n"), line
    if number == 0:
        wrong = [name for name, check in HEADER.items() if not check(parsed.pop(name))]
        assert not wrong and not parsed, f"header: {wrong or parsed} in {line}"
        return
    when, turn, event = parsed.pop("t"), parsed.pop("turn"), parsed.pop("event")
    assert type(when) is float and when >= 0 and type(turn) is int and turn >= 0, line
    must, may = EVENTS[event]
    assert must <= set(parsed) <= must | may, f"facts of {event} are {set(parsed)} in {line}"
    wrong = [name for name, value in parsed.items() if not FACTS[name](value)]
    assert not wrong, f"{wrong} in {line}"
