"""Fingerprints of losses: whether two processes were given the same one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from types import CodeType
from typing import Any

from propulate_like.evaluation import loading

_DEEPEST = 20  # wrappers around a function


def fingerprint(loss: Any) -> str:
    """Return a text by which a loss is told from others, whatever process it is in.

    It has the loss's name and a checksum of its code: of a wrapped or partial function all of it, of an object its
    class's. The data that it holds does not count. Of a loss that is not imported yet it has the name alone.
    """
    if isinstance(loss, str):
        return loading.name_of(loss)
    checksum = 0
    for code in _codes(loss):
        checksum = zlib.crc32(repr(_plain(code)).encode("utf-8", "backslashreplace"), checksum)
    return f"{loading.name_of(_named(loss))} {checksum:08x}"


def _named(loss: Any) -> Any:
    """Return what has the loss's name: the function within a partial one."""
    while isinstance(loss, partial):
        loss = loss.func
    return loss


def _codes(loss: Any) -> Iterator[CodeType]:
    """Yield the code of a loss, and of what it wraps."""
    for _ in range(_DEEPEST):
        loss = getattr(_named(loss), "__func__", _named(loss))
        function = loss
        if not isinstance(getattr(loss, "__code__", None), CodeType):
            function = vars(loss).get("__init__") if isinstance(loss, type) else type(loss).__call__
        code = getattr(function, "__code__", None)
        if isinstance(code, CodeType):
            yield code
        loss = getattr(loss, "__wrapped__", None)
        if loss is None:
            return


def _plain(constant: Any) -> Any:
    """Return a constant of a code in a form that has the same text in every process: sets have an order in none."""
    if isinstance(constant, CodeType):
        return constant.co_code, constant.co_names, constant.co_varnames, [*map(_plain, constant.co_consts)]
    if isinstance(constant, frozenset):
        return sorted(map(repr, constant))
    return tuple(map(_plain, constant)) if isinstance(constant, tuple) else constant
