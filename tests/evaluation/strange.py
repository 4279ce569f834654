"""Losses that return, raise and write the strangest things, in a file that a child process can import."""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn


class Exits:
    """Ends the program wherever it is looked at."""

    def __float__(self) -> float:
        raise SystemExit(0)

    def __repr__(self) -> str:
        raise SystemExit(0)


class BadDict(dict[str, float]):
    """A mapping that cannot be read."""

    def items(self) -> Any:
        raise LookupError("no items")


class BadList(list[float]):
    """A list that cannot be read."""

    def __iter__(self) -> Iterator[float]:
        raise LookupError("no members")


class BadProperty:
    """An object whose attributes cannot be read."""

    @property
    def dtype(self) -> NoReturn:
        raise LookupError("no type")


class BadClass:
    """An object that does not say of which class it is."""

    @property
    def __class__(self) -> Any:
        raise LookupError("no class")


class BadKey:
    """A key that has no text."""

    def __str__(self) -> str:
        raise LookupError("no text")


class Mute(Exception):  # noqa: N818 (it says what it does)
    """An exception that cannot be shown."""

    def __str__(self) -> str:
        raise LookupError("no text")


class Endless(Exception):  # noqa: N818 (it says what it does)
    """An exception that is shown for ever."""

    def __str__(self) -> str:
        return str(self)


class Placeless(Exception):  # noqa: N818 (it says what it does)
    """An exception of no module."""

    __module__ = 7  # type: ignore[assignment]


def chained(depth: int) -> Exception:
    """Return an exception with a long history."""
    error = ValueError("the first")
    for _ in range(depth):
        later = ValueError("a later one")
        later.__context__, error = error, later
    return error


def itself(size: int) -> list[Any]:
    """Return a list that has itself as its members."""
    whole: list[Any] = []
    whole.extend([whole] * size)
    return whole


def shared(depth: int) -> list[Any]:
    """Return lists in lists, which have few members each and very many in all."""
    whole: list[Any] = [1.0] * 30
    for _ in range(depth):
        whole = [whole] * 30
    return whole


def deep(depth: int) -> dict[str, Any]:
    """Return a mapping in mappings."""
    whole: dict[str, Any] = {}
    for _ in range(depth):
        whole = {"a": whole}
    return whole


RETURNED: dict[str, tuple[str, Callable[[], Any]]] = {
    "a list of itself": ("invalid", lambda: itself(10)),
    "a metric of itself": ("ok", lambda: {"loss": 1.0, "metric": itself(10)}),
    "a metric of many members": ("ok", lambda: {"loss": 1.0, "metric": shared(12)}),
    "a deep metric": ("ok", lambda: {"loss": 1.0, "metric": deep(10_000)}),
    "a deep mapping": ("invalid", lambda: deep(10_000)),
    "a wide list": ("invalid", lambda: shared(12)),
    "what exits": ("error", Exits),
    "a metric that exits": ("error", lambda: {"loss": 1.0, "metric": Exits()}),
    "a bad mapping": ("error", lambda: BadDict(loss=1.0)),
    "a bad list": ("error", lambda: BadList([1.0])),
    "a bad property": ("invalid", BadProperty),
    "a bad class": ("error", BadClass),
    "a bad key": ("ok", lambda: {"loss": 1.0, BadKey(): 1.0}),
    "many metrics": ("ok", lambda: {"loss": 1.0, **{f"metric-{n}": n for n in range(100_000)}}),
    "a long number": ("invalid", lambda: 10**10_000),
    "a metric that is a long number": ("ok", lambda: {"loss": 1.0, "metric": 10**10_000}),
}
RAISED: dict[str, Callable[[], BaseException]] = {
    "without text": Mute,
    "with endless text": Endless,
    "of no module": Placeless,
    "with a long history": lambda: chained(3000),
    "that exits": SystemExit,
    "with a long text": lambda: ValueError("x" * 10_000_000),
    "that is a group": lambda: BaseExceptionGroup("g", [Mute(), Endless(), SystemExit()]),
}


def returns(kind: str) -> Any:
    """Return something strange."""
    return RETURNED[kind][1]()


def raises(kind: str) -> Any:
    """Raise something strange."""
    make = RAISED[kind]
    raise make()


def trial_returns(trial: Any) -> Any:
    """Return something strange, after a trial was asked."""
    return returns(trial.suggest_categorical("kind", sorted(RETURNED)))


def trial_raises(trial: Any) -> Any:
    """Raise something strange, after a trial was asked."""
    raises(trial.suggest_categorical("kind", sorted(RAISED)))


def connection() -> int:
    """Return the descriptor of the connection to the rank."""
    return next(number for number in range(3, 64) if _is_socket(number))


def _is_socket(number: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(number).st_mode)
    except OSError:
        return False


def message(content: bytes) -> bytes:
    """Return a message as the connection has it."""
    return struct.pack("!i", len(content)) + content


def forged(**outcome: Any) -> bytes:
    """Return a message with an outcome."""
    import msgspec

    return message(msgspec.msgpack.encode({"type": "Done", "outcome": outcome, "left": False}))


WRITTEN: dict[str, tuple[str, Callable[[], bytes]]] = {
    "the length of a huge message": ("crashed", lambda: struct.pack("!i", 2**31 - 1) + b"x" * 1000),
    "a negative length": ("crashed", lambda: struct.pack("!i", -5)),
    "a long length": ("crashed", lambda: struct.pack("!iQ", -1, 2**60)),
    "the beginning of a message": ("timeout", lambda: struct.pack("!i", 1000) + b"x"),
    "no message": ("crashed", lambda: message(b"\xc1\xff")),
    "a deep message": ("crashed", lambda: message(b"\x91" * 100_000)),
    "another message": ("crashed", lambda: message(b"\x81\xa4type\xa6Loaded")),
    "no outcome": ("crashed", lambda: forged(status="bred")),
    "a loss that is none": ("crashed", lambda: forged(status="ok", loss=float("nan"))),
    "two losses": ("crashed", lambda: forged(status="ok", loss=1.0, losses=[1.0, 2.0])),
    "a space": ("crashed", lambda: forged(status="ok", loss=1.0, asked={"space": "[" * 9999, "genome": [3.0]})),
    "odd metrics": ("ok", lambda: forged(status="ok", loss=1.0, metrics={"a": {1: b"\xff", "b": 2**64 - 1}})),
    "a step below zero": ("crashed", lambda: message(b"\x83\xa4type\xa8Reported\xa4step\xff\xa4loss\xcb" + b"\0" * 8)),
    "reports without end": ("timeout", lambda: b""),
    "reports that are not waited for": ("timeout", lambda: b""),
}


def writes(kind: str, evaluation: Any) -> float:
    """Write something strange into the connection to the rank, and wait."""
    if kind == "reports without end":
        while True:
            evaluation.report(1.0)
    report = message(b"\x83\xa4type\xa8Reported\xa4step\x01\xa4loss\xcb" + b"\0" * 8)
    while kind == "reports that are not waited for":
        os.write(connection(), report * 100)
    os.write(connection(), WRITTEN[kind][1]())
    time.sleep(1000)
    return 1.0
