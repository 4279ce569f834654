"""Functions as source code declares them: their signatures and spaces, read without running anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from inspect import Parameter, Signature, _ParameterKind
from typing import TypeGuard

import msgspec

from propulate_like.evaluation.trial_uses import Lack, lack_in

_LONGEST_CHAIN = 10
_SAME_SIGNATURE = {f"{module}{name}" for module in ("", "functools.") for name in ("cache", "lru_cache")}


class Declared(msgspec.Struct, frozen=True):
    """A function at the top of a file.

    Attributes:
        name: Its name.
        signature: Its signature, with annotations as texts.
        space: The outermost names of the parameters that it is decorated with, or None where it is not decorated.
        lack: What it asks of a trial that is not there.
    """

    name: str
    signature: Signature
    space: tuple[str, ...] | None
    lack: Lack = Lack()


def declared(tree: ast.Module, name: str) -> Declared | None:
    """Return the function of a name, or None where only running the code would tell what has the name.

    Raises:
        ValueError: It is the name of a constant.
    """
    return _declared(tree, name, name, _LONGEST_CHAIN)


def _declared(tree: ast.Module, name: str, shown: str, left: int) -> Declared | None:
    """Return the function of a name, which is at the end of at most `left` names that stand for each other."""
    last = _last(tree, name)
    if isinstance(last, ast.Assign):
        if isinstance(last.value, ast.Constant):
            message = f"{shown!r} is no function"
            raise ValueError(message)
        if isinstance(last.value, ast.Lambda):
            return Declared(shown, _signature(last.value.args), None)
        return _declared(tree, last.value.id, shown, left - 1) if isinstance(last.value, ast.Name) and left else None
    if not isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    space = None
    for decorator in last.decorator_list:
        if len(last.decorator_list) == 1 and ast.unparse(decorator).partition("(")[0] in _SAME_SIGNATURE:
            break
        space = _space(decorator)
        if space is None or len(last.decorator_list) > 1:
            return None
    positional = [each.arg for each in (*last.args.posonlyargs, *last.args.args) if each.arg != "evaluation"]
    lack = lack_in(last, positional[0]) if positional else Lack()
    return Declared(shown, _signature(last.args), space, lack)


def _last(tree: ast.Module, name: str) -> ast.AST | None:
    """Return what gives something the name last, or None where that is unknown."""
    given = [node for node in at_the_top(tree) if _binds(node, name)]
    everywhere = any(name in node.names for node in ast.walk(tree) if isinstance(node, ast.Global))
    known = len(given) == 1 or (given and all(node in tree.body for node in given))
    return given[-1] if known and not everywhere else None


def at_the_top(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that run as the module does, in their order: none within functions and classes."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if _is_simple(node):
            waiting.append(node.value)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += reversed(list(ast.iter_child_nodes(node)))


def _is_simple(node: ast.AST) -> TypeGuard[ast.Assign]:
    """Return whether a node gives something one name."""
    return isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)


def _binds(node: ast.AST, name: str) -> bool:
    """Return whether a node may give something the name."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name == name
    if isinstance(node, ast.Import | ast.ImportFrom):
        return any((alias.asname or alias.name).partition(".")[0] in (name, "*") for alias in node.names)
    if _is_simple(node):
        return ast.unparse(node.targets[0]) == name
    return isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load)


def _space(decorator: ast.expr) -> tuple[str, ...] | None:
    """Return the names in `objective(...)`, or None for any other decorator, or one that does not write them out."""
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func).rpartition(".")[2] != "objective":
        return None
    names: list[str] = []
    given = [(None, mapping) for mapping in decorator.args] + [(each.arg, each.value) for each in decorator.keywords]
    for name, value in given:
        if name is not None:
            names.append(name)
            continue
        keys = value.keys if isinstance(value, ast.Dict) else [None]
        for key in keys:
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                return None
            names.append(key.value)
    return tuple(dict.fromkeys(names))


def _signature(arguments: ast.arguments) -> Signature:
    kinds: list[tuple[ast.arg, _ParameterKind]] = [(each, Parameter.POSITIONAL_ONLY) for each in arguments.posonlyargs]
    kinds += [(each, Parameter.POSITIONAL_OR_KEYWORD) for each in arguments.args]
    defaults = [False] * (len(kinds) - len(arguments.defaults)) + [True] * len(arguments.defaults)
    if arguments.vararg is not None:
        kinds.append((arguments.vararg, Parameter.VAR_POSITIONAL))
        defaults.append(False)
    kinds += [(each, Parameter.KEYWORD_ONLY) for each in arguments.kwonlyargs]
    defaults += [default is not None for default in arguments.kw_defaults]
    if arguments.kwarg is not None:
        kinds.append((arguments.kwarg, Parameter.VAR_KEYWORD))
        defaults.append(False)
    return Signature(
        [_parameter(each, kind, has_default=has) for (each, kind), has in zip(kinds, defaults, strict=True)]
    )


def _parameter(argument: ast.arg, kind: _ParameterKind, *, has_default: bool) -> Parameter:
    annotation = Parameter.empty if argument.annotation is None else ast.unparse(argument.annotation)
    return Parameter(argument.arg, kind, default=None if has_default else Parameter.empty, annotation=annotation)
