"""Optuna's samplers and pruners by name, and private studies for them, which log nothing."""

from __future__ import annotations

import inspect
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from propulate_like.foundation import declarations

if TYPE_CHECKING:
    import optuna

_HOMES = {
    "sampler": "optuna.samplers",
    "pruner": "optuna.pruners",
    "crossover": "optuna.samplers.nsgaii",
    "mutation": "optuna.samplers.nsgaii",
}
_NEEDS = {"CmaEsSampler": "cmaes", "GPSampler": "torch"}


def made(kind: str, given: object, arguments: Mapping[str, Any] | None = None) -> Any:
    """Return one of Optuna's samplers, pruners, crossovers or mutations.

    Args:
        kind: "sampler", "pruner", "crossover" or "mutation".
        given: An instance, or the name of a class.
        arguments: The arguments of the class. Parts within it may be declared by name too, or as {name: arguments}.

    Raises:
        ValueError: Optuna or a library of the sampler is missing, there is no such class, or it refuses its arguments.
    """
    try:
        import optuna
    except ImportError:
        message = f"{kind}={given!r} needs Optuna: pip install optuna"
        raise ValueError(message) from None
    home = import_module(_HOMES[kind])
    base = getattr(home, f"Base{kind.capitalize()}")
    if isinstance(given, base):
        if arguments:
            message = f"arguments={arguments!r} must be left out where {kind} is an instance"
            raise ValueError(message)
        return _equipped(given)
    names = [name for name in home.__all__ if _concrete(getattr(home, name), base)]
    if given not in names:
        message = f"{kind}={given!r} must be one of Optuna's{declarations.nearest(given, names)}"
        raise ValueError(message)
    if arguments is not None and not isinstance(arguments, Mapping):
        message = f"arguments={arguments!r} must be a mapping such as {{seed: 1}}"
        raise ValueError(message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            part = declarations.build(getattr(home, str(given)), [], arguments or {}, _nested)
        except (TypeError, ValueError) as error:
            message = f"{given}: {error}"
            raise ValueError(message) from None
    return _equipped(part)


def quiet_study(
    *,
    sampler: optuna.samplers.BaseSampler | None = None,
    pruner: optuna.pruners.BasePruner | None = None,
    losses: int = 1,
) -> optuna.Study:
    """Create a study in memory without logging.

    Its name is always the same, as Hyperband draws brackets by it.

    Args:
        sampler: The sampler, by default a random one.
        pruner: The pruner, by default none.
        losses: The number of losses.
    """
    import optuna

    with muted("optuna.storages._in_memory"):
        study = optuna.create_study(
            sampler=sampler or optuna.samplers.RandomSampler(seed=0),
            pruner=pruner or optuna.pruners.NopPruner(),
            study_name="propulate-like",
            directions=["minimize"] * losses,
        )
    study.stop = lambda: None  # type: ignore[method-assign]  # a sampler that is through would end it; here the budget does
    return study


def parts(part: Any) -> list[Any]:
    """Return a sampler and its parts that are Optuna's, at any depth."""
    found, waiting = {}, [part]
    while waiting:
        one = waiting.pop()
        if id(one) not in found and hasattr(one, "__dict__") and (one is part or _is_optunas(one)):
            found[id(one)] = one
            waiting += vars(one).values()
    return list(found.values())


def kinds(part: Any) -> set[str]:
    """Return the names of all classes of a sampler and its parts, base classes included."""
    return {kind.__name__ for one in parts(part) for kind in type(one).__mro__}


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit NumPy, and PyTorch where it is loaded, to one thread within the context."""
    from propulate_like.propagators.models import threads

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 1
    with threads.one_thread():
        if before > 1 and torch is not None:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if before > 1 and torch is not None:
                torch.set_num_threads(before)


@contextmanager
def muted(*names: str) -> Iterator[None]:
    """Drop the log records of this thread under these loggers' names within the context."""
    import logging

    loggers, thread = [logging.getLogger(name) for name in names], threading.get_ident()

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != thread

    for logger in loggers:
        logger.addFilter(elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(elsewhere)


def _is_optunas(thing: object) -> bool:
    """Return whether an object's class is Optuna's."""
    return type(thing).__module__.partition(".")[0] == "optuna"


def _concrete(member: object, base: type) -> bool:
    """Return whether a member of a module is a subclass that can be instantiated."""
    return inspect.isclass(member) and issubclass(member, base) and not member.__name__.startswith("Base")


def _equipped(part: Any) -> Any:
    """Return a sampler or pruner whose own libraries, which it imports at its first use, are installed.

    Raises:
        ValueError: One is missing.
    """
    name = type(part).__name__
    if name in _NEEDS and find_spec(_NEEDS[name]) is None:
        message = f"{name} needs {_NEEDS[name]}: pip install {_NEEDS[name]}"
        raise ValueError(message)
    return part


def _nested(annotation: object, value: Any) -> Any:
    """Create a part within another one that is declared as a name or as {name: arguments}."""
    kind = next((kind for kind in _HOMES if f"Base{kind.capitalize()}" in str(annotation)), None)
    if kind is None:
        return value
    if isinstance(value, Mapping) and len(value) == 1:
        return made(kind, *next(iter(value.items())))
    return made(kind, value) if isinstance(value, str) else value
