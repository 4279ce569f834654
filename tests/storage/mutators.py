"""Mutators: what damage and an enemy may make of bytes, of JSON lines and of what stands in YAML."""

import json
import math
from copy import deepcopy

CONTROL = "\x1b]0;owned\x07\x1b[31m[/red][link=x]\u202e\x00\r\n\t\ud800"
NUMBERS = [
    -1,
    0,
    1.5,
    -0.0,
    1e308,
    -1e308,
    5e-324,
    2**31,
    2**53,
    2**63,
    -(2**63) - 1,
    2**64,
    10**30,
    math.nan,
    math.inf,
    -math.inf,
]
WORDS = [
    "",
    "ok",
    "nan",
    "../../../etc/passwd",
    "%s%n",
    "=cmd|' /C calc'!A0",
    "a" * 5000,
    CONTROL,
    "\u00b2",
    "__import__",
]


def flipped(generator, content):
    """Change, add, remove or repeat some bytes."""
    content = bytearray(content)
    for _ in range(generator.choice([1, 1, 1, 2, 5, 20])):
        place = generator.randrange(len(content) + 1)
        end = min(place + generator.choice([0, 1, 1, 8, 64]), len(content))
        piece = generator.choice(
            [b"", bytes([generator.randrange(256)]), generator.randbytes(5), b"\x00" * 9, bytes(content[place:end]) * 3]
        )
        content[place:end] = piece
    return bytes(content)


def nested(generator):
    """Return something nested, at times far too deeply."""
    value = generator.choice([1, "x", None])
    for _ in range(generator.choice([3, 60, 400])):
        value = [value] if generator.random() < 0.5 else {"a": value}
    return value


def anything(generator):
    """Return a value that nobody expects."""
    kind = generator.randrange(8)
    if kind < 3:
        return generator.choice(NUMBERS)
    if kind < 5:
        return generator.choice(WORDS)
    return generator.choice(
        [
            None,
            True,
            False,
            [],
            {},
            [1] * 3000,
            [[0, 0, 1] for _ in range(3000)],
            {str(n): n for n in range(500)},
            nested(generator),
        ]
    )


def places(value, found=None):
    """Return every container in a value, itself included."""
    found = [] if found is None else found
    if isinstance(value, dict | list):
        found.append(value)
        for inner in value.values() if isinstance(value, dict) else value:
            places(inner, found)
    return found


def restructured(generator, value):
    """Change some of what a structure holds, in place: values, keys, their order and number."""
    for _ in range(generator.choice([1, 1, 2, 4])):
        container = generator.choice(places(value))
        keys = list(container) if isinstance(container, dict) else list(range(len(container)))
        if not keys or generator.random() < 0.15:
            if isinstance(container, dict):
                container[generator.choice(WORDS)] = anything(generator)
            else:
                container.append(anything(generator))
            continue
        key = generator.choice(keys)
        what = generator.randrange(4)
        if what == 0:
            del container[key]
        elif what == 1 and isinstance(container, dict):
            container[generator.choice(WORDS)] = container.pop(key)
        elif what == 1:
            container.insert(key, deepcopy(container[key]))
        else:
            container[key] = anything(generator)
    return value


def rewritten(generator, lines):
    """Change one or some of a journal's lines; give the lines, and which of the old ones are whole."""
    lines, whole = list(lines), set(range(len(lines)))
    for _ in range(generator.choice([1, 1, 3, 10])):
        number = generator.randrange(len(lines))
        what = generator.randrange(6)
        if what < 3 and number in whole:
            changed = restructured(generator, json.loads(lines[number]))
            lines[number] = json.dumps(changed).encode() + b"\n"
        elif what == 3:
            lines[number] = flipped(generator, lines[number]).replace(b"\n", b" ") + b"\n"
        elif what == 4:
            lines[number] = generator.choice(
                [b"\n", b"\x00" * 50 + b"\n", b"[" * 50_000 + b"\n", b"\xff\xfe\n", b"{}\n"]
            )
        else:  # torn, and closed off
            lines[number] = lines[number][: generator.randrange(len(lines[number]))] + b"\n"
        whole.discard(number)
    return lines, whole
