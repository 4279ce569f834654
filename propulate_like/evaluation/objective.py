"""The objective: an ordinary function with a search space, and the way its parameters reach it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from propulate_like.foundation.declarations import nearest
from propulate_like.problem.parameters import Parameter
from propulate_like.problem.space import NOTHING, Space

Loss = Callable[..., Any]
_Function = TypeVar("_Function", bound=Loss)
_SPACE = "__propulate_like_space__"
CONTEXT = "evaluation"
"""The parameter by which a loss asks for its evaluation's context."""


def objective(**parameters: Parameter | Sequence[Any]) -> Callable[[_Function], _Function]:
    """Declare the search space of a loss function, which stays an ordinary function: parameters, or limits of them.

    ValueError where the space cannot work, or does not fit the function's signature.
    """
    space = Space.of(parameters)

    def declare(function: _Function) -> _Function:
        takes_mapping(function, space, whole=False)
        setattr(function, _SPACE, space)
        return function

    return declare


def space_of(loss: object, space: Space | Mapping[str, Any] | None) -> Space:
    """Return the space that is given, or else the one the loss was decorated with; nothing where it takes a trial.

    Only a function has that; a command or a function's reference does not.
    """
    if space is not None:
        return Space.of(space)
    declared = getattr(loss, _SPACE, None)
    if isinstance(declared, Space):
        return declared
    if callable(loss) and takes_trial(loss):
        return NOTHING
    name = _name(loss) if callable(loss) else repr(loss)
    message = f"{name} has no search space: decorate it with @objective(...), give space=, or name its argument `trial`"
    raise ValueError(message)


def takes_mapping(loss: Loss, space: Space, fidelity: str = "", *, whole: bool = True) -> bool:
    """Return whether the loss takes its params as one mapping; otherwise as keyword arguments.

    A mapping where the function has one positional parameter that is no parameter of the space, keyword arguments
    otherwise; a parameter named `evaluation` does not count, nor one that is named as `fidelity` says. ValueError where
    these do not fit its signature, conditional parameters without a default included. Where they are not `whole` yet,
    one that is missing may be the fidelity.
    """
    try:
        signature = inspect.signature(loss)
    except (TypeError, ValueError):
        return False
    others = {CONTEXT, fidelity} - set(space)
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_POSITIONAL and p.name not in others]
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if positional and positional[0].name not in space and all(p is positional[0] for p in required):
        return True
    accepted = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    name = _name(loss)
    for parameter in space:
        if parameter not in accepted and not takes_any:
            message = (
                f"{name} has no parameter {parameter!r}, which the space has{nearest(parameter, sorted(accepted))}"
            )
            raise ValueError(message)
    missing = [expected for expected in required if expected.name not in space]
    for expected in required:
        if expected in missing:
            if not whole and len(missing) == 1:
                continue
            message = (
                f"{name} needs {expected.name!r}, which the space does not have{nearest(expected.name, space.names)}"
            )
            raise ValueError(message)
        if space[expected.name].when:
            message = f"{name} needs a default for {expected.name!r}, which exists only under a condition"
            raise ValueError(message)
    return False


def takes_trial(loss: Loss) -> bool:
    """Return whether the loss asks for its parameters: it needs one argument, named `trial` or annotated as a Trial.

    One named `evaluation` does not count.
    """
    try:
        parameters = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in positional if p.default is p.empty and p.name != CONTEXT]
    return len(needed) == 1 and (needed[0].name == "trial" or "Trial" in str(needed[0].annotation))


def takes(loss: Loss, name: str) -> bool:
    """Return whether the loss has a parameter of this name."""
    try:
        parameter = inspect.signature(loss).parameters.get(name)
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _name(loss: Loss) -> str:
    return f"{getattr(loss, '__name__', type(loss).__name__)}()"
