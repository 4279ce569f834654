"""What a callback is, and how callbacks are given: as objects, or by their names in YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from propulate_like.foundation import declarations
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.registry import Registry, snake_case
from propulate_like.population.individual import Individual

if TYPE_CHECKING:
    from propulate_like.search.callbacks.watched_search import WatchedSearch
    from propulate_like.search.result import Result

CALLBACKS: Registry[Callback] = Registry(
    "callback", "propulate_like.callbacks", example="a name such as mlflow, or {mlflow: {experiment: digits}}"
)
READERS: list[Callable[[Any], Callback | None]] = []
"""Functions that return the callback for an object of another library's, or None for any other object."""
METHODS = ("on_start", "on_evaluated", "on_best", "on_end")
"""The methods of a callback, of which it needs one."""


class Callback:
    """Is told of a search: that it begins, of each evaluated individual, of each new best one, and that it ends.

    One rank calls its callbacks, for the evaluations of all ranks, each once, in the order in which they become known
    there. It does so in a thread of its own, so that a slow callback does not hold the search up. A callback that
    raises an exception is reported, and not called any more. Where the rank dies, the next one begins with its own
    callbacks.

    A subclass defines the methods that it needs. In YAML it goes by its `name`, which is its class's name in snake
    case, without `_callback`, unless it has another one. Its parameters are those of its `__init__`, under the same
    names as its attributes. A class of another kind will do as well if it has one of the methods.
    """

    name: ClassVar[str] = "callback"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.name = cls.__dict__.get("name") or snake_case(cls.__name__.removesuffix("Callback"))
        if not cls.__name__.startswith("_"):
            CALLBACKS.register(cls.name, cls)

    def on_start(self, search: WatchedSearch) -> None:
        """Begin: before anything else is called. `search.known()` has what was evaluated in earlier sessions."""

    def on_evaluated(self, search: WatchedSearch, individual: Individual) -> None:
        """Take an individual whose evaluation has ended, with whatever status."""

    def on_best(self, search: WatchedSearch, individual: Individual) -> None:
        """Take an individual that is better than all before, after `on_evaluated`.

        Of several losses, each individual that none before dominates.
        """

    def on_end(self, search: WatchedSearch, result: Result | None) -> None:
        """End: after everything else. The result is None where an error ended the search."""

    def __repr__(self) -> str:
        return declarations.shown(self)


class _Function(Callback):
    """A function as a callback: it is called as `on_evaluated`."""

    def __init__(self, function: Callable[[WatchedSearch, Individual], object]) -> None:
        self.function = function

    def on_evaluated(self, search: WatchedSearch, individual: Individual) -> None:
        self.function(search, individual)

    def __repr__(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))


def callbacks_of(forms: Any) -> tuple[Any, ...]:
    """Return callbacks: one or a list of objects, functions (called as `on_evaluated`), names, or {name: arguments}.

    Raises:
        ValueError: One of them is no callback.
    """
    if forms is None:
        return ()
    return tuple(_callback(form) for form in (forms if isinstance(forms, list | tuple) else [forms]))


def _callback(form: Any) -> Any:
    """Return one callback.

    Raises:
        ValueError: It is none.
    """
    if isinstance(form, str | Mapping):
        return CALLBACKS.read(form)
    if isinstance(form, type):
        message = f"{form.__name__} is a class: give an object of it, such as {form.__name__}()"
        raise ValueError(message)
    if any(callable(getattr(form, method, None)) for method in METHODS):
        return form
    for read in READERS:
        callback = read(form)
        if callback is not None:
            return callback
    if callable(form):
        return _Function(form)
    own = next((name for name in dir(form) if name.startswith("on_")), "on_")
    message = f"{form!r:.80} is no callback: it has none of {', '.join(METHODS)}"
    raise ValueError(message + (nearest(own, METHODS) if own != "on_" else ""))
