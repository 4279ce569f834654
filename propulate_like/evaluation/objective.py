"""The objective: an ordinary function with a search space, and the way in which it takes its parameters."""

from __future__ import annotations

import difflib
import functools
import inspect
import keyword
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, NoReturn, TypeVar, is_typeddict

from propulate_like.evaluation.declared import Declared
from propulate_like.evaluation.trial_uses import Lack, lack
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.values import brief
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


class Way(Enum):
    """The way in which a loss gets its parameters."""

    NAMES = "keyword arguments"
    MAPPING = "one mapping"
    VALUE = "the value of its one parameter"


def objective(
    space: Mapping[str, Any] | None = None, /, **parameters: Parameter | Sequence[Any] | Mapping[str, Any]
) -> Callable[[_Function], _Function]:
    """Declare the search space of a loss function, which stays an ordinary function.

    Args:
        space: A mapping of parameters, which may have any names and be nested.
        parameters: A parameter for each name, or its bounds.

    Raises:
        ValueError: The space is not valid, or does not fit the function's signature.
    """
    if space is not None and not isinstance(space, Mapping):
        message = f"objective({brief(space)}): give parameters by their names, or a mapping of them"
        raise ValueError(message)
    known = Space.of(space if space is not None and not parameters else {**(space or {}), **parameters})

    def declare(function: _Function) -> _Function:
        way_of(function, known, whole=False)
        setattr(function, _SPACE, known)
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
        known = Space(dict.fromkeys(declared.space, Int(0, 1)))
    else:
        known = space_of(loss, space)
    if known.asked_for and declared.lack.certain:
        message = f"{_name(loss)} {declared.lack.certain}"
        raise ValueError(message)
    as_mapping = not known.asked_for and way_of(loss, known, fidelity) is Way.MAPPING
    check_fidelity(loss, known, fidelity, as_mapping=as_mapping)


def way_of(loss: Loss, space: Space, fidelity: str = "", *, whole: bool = True) -> Way:
    """Return the way in which the loss gets its parameters.

    It takes a mapping where its one required parameter is positional, is no parameter of the space, and says that it is
    a mapping: by its name, by its annotation, or because there are several params and it can be meant as none
    of them. One that is positional alone takes the value of the space's only parameter. Parameters named `evaluation`,
    or as the fidelity, do not count.

    Args:
        loss: The function.
        space: The search's space.
        fidelity: The fidelity's name, or "".
        whole: Whether the fidelity is known; otherwise one parameter that is missing may be the fidelity.

    Raises:
        ValueError: The params do not fit the signature, or a conditional parameter has no default there.
    """
    single = len(space) == 1 and not space.is_nested
    try:
        signature = inspect.signature(loss)
    except (TypeError, ValueError):
        if not single and _is_native(loss):
            _refuse_native(loss)
        return Way.VALUE if single else Way.NAMES
    others = {CONTEXT, fidelity} - set(space.arguments)
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_POSITIONAL and p.name not in others]
    required = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    first = next((p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)), None)
    alone = first is not None and all(p is first for p in required)
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    nameless = first is not None and first.kind is first.POSITIONAL_ONLY and named.isdisjoint(space.arguments)
    if first is not None and nameless and not _says_mapping(first):
        if single and alone:
            return Way.VALUE
        if _is_native(loss):
            _refuse_native(loss)
    unnamed = first is not None and alone and first.name not in space.arguments
    if first is not None and unnamed and _is_mapping(first, space):
        return Way.MAPPING
    _check_names(loss, space, parameters, f"params, not {first.name}" if first is not None and unnamed else "")
    _check_required(loss, space, required, whole=whole)
    return Way.NAMES


def _check_names(loss: Loss, space: Space, parameters: Sequence[inspect.Parameter], instead: str) -> None:
    """Check that a function can be passed each parameter by its name.

    Args:
        loss: The function.
        space: The search's space.
        parameters: The function's parameters.
        instead: The name of its only one that would take a mapping, and the one that it has; "" where it has others.

    Raises:
        ValueError: It cannot.
    """
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    accepted = sorted(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    for name in space.arguments:
        if name in accepted:
            continue
        if name in positional:
            message = f"{_name(loss)} takes {name!r} by position alone: write a function that takes it by name"
        elif not name.isidentifier() or keyword.iskeyword(name):
            message = (
                f"{_name(loss)} takes its parameters by name, and {name!r} cannot be the name of one in Python: take "
                "all of them as one mapping, with def loss(params), or with def loss(**params)"
            )
        else:
            message = f"{_name(loss)} has no parameter {name!r}, which the space has{nearest(name, accepted)}"
            if instead:
                message += f" (a function that takes all of them as one mapping names that {instead})"
        raise ValueError(message)


def _check_required(loss: Loss, space: Space, required: Sequence[inspect.Parameter], *, whole: bool) -> None:
    """Check that a function gets each parameter that it must have.

    Args:
        loss: The function.
        space: The search's space.
        required: The function's parameters without defaults.
        whole: Whether the fidelity is known; otherwise one parameter that is missing may be the fidelity.

    Raises:
        ValueError: The space has none of a name, or has it only under a condition.
    """
    missing = [expected for expected in required if expected.name not in space.arguments]
    for expected in required:
        if expected in missing:
            if not whole and len(missing) == 1:
                continue
            message = (
                f"{_name(loss)} needs {expected.name!r}, which the space does not have"
                f"{nearest(expected.name, space.arguments)}"
            )
            raise ValueError(message)
        if expected.name in space and space[expected.name].when:
            message = f"{_name(loss)} needs a default for {expected.name!r}, which exists only under a condition"
            raise ValueError(message)


def _is_native(loss: Any) -> bool:
    """Return whether a function is one of Python's own that is not written in Python, or a ufunc of NumPy's."""
    while isinstance(loss, functools.partial):
        loss = loss.func
    kind = type(loss)
    if kind.__name__ == "ufunc":
        return True
    own = str(getattr(loss, "__module__", None) or "builtins").partition(".")[0] in sys.stdlib_module_names
    return own and (inspect.isbuiltin(loss) or inspect.isclass(loss) or inspect.ismethoddescriptor(loss))


def _refuse_native(loss: Loss) -> NoReturn:
    message = f"{_name(loss)} takes values without names: write a function that takes the parameters, and calls it"
    raise ValueError(message)


def _says_mapping(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter is one for a mapping by its name or annotation."""
    words = _annotation(parameter)
    if words in _SCALARS:
        return False
    if is_typeddict(parameter.annotation):
        return True
    return bool(_MAPPING.fullmatch(parameter.name) or re.search("dict|mapping|config|params", words, re.IGNORECASE))


def _annotation(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return ""
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") or str(annotation)


def check_fidelity(loss: Loss, space: Space, fidelity: str, *, as_mapping: bool) -> None:
    """Check that a loss can learn the value of the fidelity.

    Args:
        loss: The function.
        space: The search's space.
        fidelity: The fidelity's name, or "".
        as_mapping: Whether the loss takes its params as one mapping, of which the fidelity is one.

    Raises:
        ValueError: It has no parameter that would tell it.
    """
    context = takes(loss, CONTEXT) and CONTEXT not in space.arguments
    if fidelity and not (as_mapping or context or takes(loss, fidelity, any_name=True)):
        message = f"{_name(loss)} has no parameter {fidelity!r}, by which it would be told the fidelity"
        raise ValueError(message)


def _is_mapping(parameter: inspect.Parameter, space: Space) -> bool:
    """Return whether a parameter, which is none of the space, is meant to take all params."""
    if _annotation(parameter) in _SCALARS:
        return False
    if _says_mapping(parameter):
        return True
    if len(space) == 1:
        return False
    like = sum(_resemble(parameter.name, name) for name in space.arguments)
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
    return trial_name(parameters) is not None


def trial_name(parameters: Iterable[inspect.Parameter]) -> str | None:
    """Return the name of the one among a loss's parameters that receives a trial; None where none does."""
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in positional if p.default is p.empty and p.name != CONTEXT]
    takes_it = len(needed) == 1 and (needed[0].name == "trial" or "Trial" in str(needed[0].annotation))
    return needed[0].name if takes_it else None


def check_trial(loss: Loss) -> str:
    """Check that a loss asks no more of its trial than there is, as far as its own code says.

    Returns:
        A message about what some of its evaluations may ask for and not find, or "".

    Raises:
        ValueError: Every evaluation does.
    """
    name = trial_name(inspect.signature(loss).parameters.values()) if takes_trial(loss) else None
    found = lack(loss, name) if name else Lack()
    if found.certain:
        message = f"{_name(loss)} {found.certain}"
        raise ValueError(message)
    return f"{_name(loss)} {found.possible}" if found.possible else ""


def takes(loss: Loss, name: str, *, any_name: bool = False) -> bool:
    """Return whether the loss has a parameter of this name, or, with `any_name`, takes keyword arguments of any."""
    try:
        parameters = inspect.signature(loss).parameters
    except (TypeError, ValueError):
        return False
    parameter = parameters.get(name)
    if parameter is not None and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        return True
    return any_name and any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def _name(loss: Loss) -> str:
    """Return the function's name for messages."""
    return f"{getattr(loss, '__name__', type(loss).__name__)}()"
