"""What an objective's source code asks of its trial that is there in Optuna alone, found without running it."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from propulate_like.evaluation.trial_study import reason

_PARTS = {
    ("trial", "study"): "trial.study",
    ("trial", "storage"): "trial.storage",
    ("trial.study", "_storage"): "trial.storage",
}
"""What is reached by an attribute of what."""
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_CATCHING = {"AttributeError", "Exception", "BaseException"}


def lack(loss: Callable[..., Any], name: str) -> str:
    """Return a message about what a loss asks of its trial and will not find; "" where nothing is known.

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
        return ""
    for node in ast.walk(tree):
        if isinstance(node, _Function) and name in _names(node):
            return lack_in(node, name, max(first, 1) - 1)
    return ""


def lack_in(function: _Function, name: str, before: int = 0) -> str:
    """Return the same for a function as it was parsed, with the number of lines before what was parsed."""
    if any(isinstance(node, ast.Name) and node.id == name and _is_bound(node) for node in ast.walk(function)):
        return ""
    body = function.body if isinstance(function.body, list) else [function.body]
    for place, attribute, line in _uses(body, {name: "trial"}):
        why = reason(place, attribute)
        if why is not None:
            return f"uses {place}.{attribute} in line {before + line}, which is not there: {why}"
    return ""


def _uses(nodes: list[Any], known: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
    """Yield each attribute that is read of the trial or a part of it: that part, the attribute and the line.

    Args:
        nodes: Pieces of code, in their order.
        known: The trial, and its parts that have a name of their own, by these names.
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
                yield place, node.attr, node.lineno
        guarded = isinstance(node, ast.Try) and any(map(_catches, node.handlers))
        for part, field in ast.iter_fields(node):
            members = field if isinstance(field, list) and not (guarded and part == "body") else [field]
            yield from _uses([member for member in members if isinstance(member, ast.AST)], inner)


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
