"""Functions as source code declares them: their signatures and spaces, read without running anything."""

from __future__ import annotations

import ast
from inspect import Parameter, Signature, _ParameterKind

import msgspec


class Declared(msgspec.Struct, frozen=True):
    """A function at the top of a file.

    Attributes:
        name: Its name.
        signature: Its signature, with annotations as texts.
        space: The outermost names of the parameters that it is decorated with, or None where it is not decorated.
    """

    name: str
    signature: Signature
    space: tuple[str, ...] | None


def declared(tree: ast.Module, name: str) -> Declared | None:
    """Return the function of a name, or None where only running the code would tell what has the name."""
    found = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
    ]
    if len(found) != 1 or sum(_binds(node, name) for node in ast.walk(tree)) != 1:
        return None
    (function,) = found
    space = None
    for decorator in function.decorator_list:
        space = _space(decorator)
        if space is None or len(function.decorator_list) > 1:
            return None
    return Declared(name, _signature(function.args), space)


def _binds(node: ast.AST, name: str) -> bool:
    """Return whether a node may give something the name."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name == name
    if isinstance(node, ast.Import | ast.ImportFrom):
        return any(name == (alias.asname or alias.name).partition(".")[0] for alias in node.names)
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
