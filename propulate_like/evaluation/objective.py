"""The objective: an ordinary function with a search space, and the way in which it takes its parameters."""

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
"""The name of the parameter by which a loss receives its evaluation's context."""


def objective(**parameters: Parameter | Sequence[Any]) -> Callable[[_Function], _Function]:
    """Declare the search space of a loss function, which stays an ordinary function.

    Args:
        parameters: A parameter for each name, or its bounds.

    Raises:
        ValueError: The space is not valid, or does not fit the function's signature.
    """
    space = Space.of(parameters)

    def declare(function: _Function) -> _Function:
        takes_mapping(function, space, whole=False)
        setattr(function, _SPACE, space)
        return function

    return declare


def space_of(loss: object, space: Space | Mapping[str, Any] | None) -> Space:
    """Return the space of a search.

    Args:
        loss: The loss.
        space: The space or its declaration, or None.

    Returns:
        The space that is given, or else the one that the function was decorated with. It is empty where the function
        takes a trial.

    Raises:
        ValueError: There is no space, or it is not valid.
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
    """Return whether the loss takes its params as one mapping; otherwise it takes keyword arguments.

    It takes a mapping where the function has one positional parameter that is no parameter of the space. Parameters
    named `evaluation`, or as the fidelity, do not count.

    Args:
        loss: The function.
        space: The search's space.
        fidelity: The fidelity's name, or "".
        whole: Whether the fidelity is known; otherwise one parameter that is missing may be the fidelity.

    Raises:
        ValueError: The params do not fit the signature, or a conditional parameter has no default there.
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
    """Return whether the loss asks a trial for its parameters.

    It does where it has one positional parameter without a default, `evaluation` apart, that is named `trial` or
    annotated as a Trial.
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
    """Return the function's name for messages."""
    return f"{getattr(loss, '__name__', type(loss).__name__)}()"
