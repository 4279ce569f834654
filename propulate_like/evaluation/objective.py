"""The objective: an ordinary function with a search space, and the way in which it takes its parameters."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, is_typeddict

from propulate_like.evaluation.declared import Declared
from propulate_like.foundation.declarations import nearest
from propulate_like.problem.parameters import Int, Parameter
from propulate_like.problem.space import NOTHING, Space

Loss = Callable[..., Any]
_Function = TypeVar("_Function", bound=Loss)
_SPACE = "__propulate_like_space__"
CONTEXT = "evaluation"
"""The name of the parameter by which a loss receives its evaluation's context."""
_MAPPING = re.compile(
    r"_\w*|p|(\w+_)?((h|hyper)?param(eter)?s|parametri[sz]ation|conf(ig(uration)?)?|cfg|settings)(_?dict)?|hps?|opt(ion)?s|args|arguments"
    r"|kwargs|ind(ividual)?|candidate|point|sample|values|trial",
    re.IGNORECASE,
)
"""The names of a loss's only parameter by which it takes all params as one mapping."""
_SCALARS = ("float", "int", "str", "bool")


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


def check_fit(declared: Declared, space: Space | None, fidelity: str = "") -> None:
    """Check that a function, as it is declared in source code, fits the space.

    Args:
        declared: The function.
        space: The space that is given, or None to take the function's own.
        fidelity: The fidelity's name, or "".

    Raises:
        ValueError: It does not fit, or there is no space.
    """

    def loss(*_args: Any, **_params: Any) -> None:
        pass

    loss.__name__ = declared.name
    loss.__signature__ = declared.signature  # type: ignore[attr-defined]  # as inspect documents it
    if space is None and declared.space is not None:
        takes_mapping(loss, Space(dict.fromkeys(declared.space, Int(0, 1))), fidelity)
    else:
        known = space_of(loss, space)
        if not known.asked_for:
            takes_mapping(loss, known, fidelity)


def takes_mapping(loss: Loss, space: Space, fidelity: str = "", *, whole: bool = True) -> bool:
    """Return whether the loss takes its params as one mapping; otherwise it takes keyword arguments.

    It takes a mapping where its one required parameter is positional, is no parameter of the space, and says that it is
    a mapping: by its name, by its annotation, or because there are several params and it can be meant as none
    of them. Parameters named `evaluation`, or as the fidelity, do not count.

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
    required = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    first = next((p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)), None)
    alone = first is not None and first.name not in space and all(p is first for p in required)
    if first is not None and alone and _is_mapping(first, space):
        return True
    accepted = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    name = _name(loss)
    for parameter in space:
        if parameter not in accepted and not takes_any:
            message = (
                f"{name} has no parameter {parameter!r}, which the space has{nearest(parameter, sorted(accepted))}"
            )
            if first is not None and alone:
                message += f" (a function that takes all of them as one mapping names that params, not {first.name})"
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


def _is_mapping(parameter: inspect.Parameter, space: Space) -> bool:
    """Return whether a parameter, which is none of the space, is meant to take all params."""
    annotation, words = parameter.annotation, ""
    if annotation is not parameter.empty:
        words = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") or str(annotation)
    if words in _SCALARS:
        return False
    if is_typeddict(annotation):
        return True
    if _MAPPING.fullmatch(parameter.name) or re.search("dict|mapping|config|params", words, re.IGNORECASE):
        return True
    if len(space) == 1:
        return False
    like = sum(_resemble(parameter.name, name) for name in space)
    return parameter.kind is parameter.POSITIONAL_ONLY or like == 0 or (len(parameter.name) == 1 and like > 1)


def _resemble(word: str, name: str) -> bool:
    """Return whether a word may be meant as the name of a parameter: a part of it, its initials, or misspelled."""
    letters = iter(name)
    short = len(word) < 3  # noqa: PLR2004
    return (
        name.startswith(word)
        or word == "".join(part[:1] for part in name.split("_"))
        or (not short and (word in name or (word[0] == name[0] and all(letter in letters for letter in word))))
        or (len(name) > 2 and name in word)  # noqa: PLR2004
        or bool(difflib.get_close_matches(word, [name]))
    )


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
