"""What an objective's source code asks of its trial that is there in Optuna alone, found without running it."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from propulate_like.evaluation.trial_study import reason

_PARTS = {
    ("trial", "study"): "trial.study",
    ("trial", "storage"): "trial.storage",
    ("trial.study", "_storage"): "trial.storage",
}
"""What is reached by an attribute of what."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_PERHAPS: dict[type[ast.AST], tuple[str, ...]] = {
    ast.If: ("body", "orelse"),
    ast.IfExp: ("body", "orelse"),
    ast.For: ("body", "orelse"),
    ast.AsyncFor: ("body", "orelse"),
    ast.While: ("body", "orelse"),
    ast.FunctionDef: ("body",),
    ast.AsyncFunctionDef: ("body",),
    ast.Lambda: ("body",),
    ast.BoolOp: ("values",),
    ast.Try: ("handlers", "orelse"),
    ast.Match: ("cases",),
}
"""The parts of code that may never run."""
_CATCHING = {"AttributeError", "Exception", "BaseException"}


class Lack(msgspec.Struct, frozen=True):
    """What an objective asks of its trial that is not there.

    Attributes:
        certain: A message about what every evaluation asks for, or "".
        possible: A message about what only some may ask for, or "".
    """

    certain: str = ""
    possible: str = ""


def lack(loss: Callable[..., Any], name: str) -> Lack:
    """Return what a loss asks of its trial and will not find, as far as that is known.

    Only what its own code says is looked at, not what it calls.

    Args:
        loss: A function, or an object that is called.
        name: The name of its parameter for the trial.
    """
    while isinstance(loss, functools.partial):
        loss = loss.func
    if not (inspect.isroutine(loss) or isinstance(loss, type)):
        loss = type(loss).__call__
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(loss))
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError):
        return Lack()
    for node in ast.walk(tree):
        if isinstance(node, _Function) and name in _names(node):
            return lack_in(node, name, max(first, 1) - 1)
    return Lack()


def lack_in(function: _Function, name: str, before: int = 0) -> Lack:
    """Return the same for a function as it was parsed, with the number of lines before what was parsed."""
    if any(isinstance(node, ast.Name) and node.id == name and _is_bound(node) for node in ast.walk(function)):
        return Lack()
    body = function.body if isinstance(function.body, list) else [function.body]
    found = {True: "", False: ""}
    for use in _uses(body, {name: "trial"}, certain=True):
        why = reason(use.place, use.attribute)
        if why is not None and not found[use.certain]:
            message = f"uses {use.place}.{use.attribute} in line {before + use.line}, which is not there: {why}"
            found[use.certain] = message
    return Lack(found[True], found[False])


class _Use(NamedTuple):
    """An attribute that is read of the trial or of a part of it, and whether every evaluation comes to that."""

    place: str
    attribute: str
    line: int
    certain: bool


def _uses(nodes: list[Any], known: Mapping[str, str], *, certain: bool) -> Iterator[_Use]:
    """Yield each use of the trial or a part of it.

    Args:
        nodes: Pieces of code, in their order.
        known: The trial, and its parts that have a name of their own, by these names.
        certain: Whether every evaluation comes to the code.
    """
    known = dict(known)
    for node in nodes:
        inner = known
        if isinstance(node, _Function):
            inner = {name: place for name, place in known.items() if name not in _names(node)}
        elif isinstance(node, ast.Assign):
            place = _place(node.value, known)
            known |= {target.id: place or "" for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            place = _place(node.value, known)
            if place:
                yield _Use(place, node.attr, node.lineno, certain)
        guarded = isinstance(node, ast.Try) and any(map(_catches, node.handlers))
        for part, field in ast.iter_fields(node):
            members = field if isinstance(field, list) and not (guarded and part == "body") else [field]
            surely = certain and part not in _PERHAPS.get(type(node), ())
            yield from _uses([member for member in members if isinstance(member, ast.AST)], inner, certain=surely)


def _place(node: ast.expr, known: Mapping[str, str]) -> str:
    """Return which part of a trial an expression is, or "" for anything else."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute):
        return _PARTS.get((_place(node.value, known), node.attr), "")
    return ""


def _names(function: _Function) -> set[str]:
    """Return the names of a function's parameters."""
    arguments = function.args
    several = [arguments.vararg, arguments.kwarg]
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *(each for each in several if each)]
    return {each.arg for each in every}


def _is_bound(node: ast.Name) -> bool:
    """Return whether the name is given to something here."""
    return not isinstance(node.ctx, ast.Load)


def _catches(handler: ast.ExceptHandler) -> bool:
    """Return whether a handler takes the error of an attribute that is not there."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _CATCHING) for kind in kinds)
