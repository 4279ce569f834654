"""Late imports and deep calls of this package, whatever a loss has set in this process."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Returned = TypeVar("_Returned")
RECURSION = 1000
"""The depth of calls that Python allows by itself."""
_importing: dict[str, list[Any]] = {
    "path": [os.path.abspath(place) for place in sys.path],  # noqa: PTH100 (as Python itself has it)
    "path_hooks": list(sys.path_hooks),
    "meta_path": list(sys.meta_path),
}
"""By what modules were found when this one was: before the folder of an objective was added, whose files may shadow."""


def undisturbed(function: Callable[_Arguments, _Returned]) -> Callable[_Arguments, _Returned]:
    """Let a function import what could be imported at the start, and call as deep as Python allows by itself.

    It may open as many files as the system allows, as the loss may have left open all that the process's limit allows.
    What the loss has set of these holds again afterwards.
    """

    @wraps(function)
    def call(*arguments: _Arguments.args, **keywords: _Arguments.kwargs) -> _Returned:
        with _as_at_the_start():
            return function(*arguments, **keywords)

    return call


@contextlib.contextmanager
def _as_at_the_start() -> Iterator[None]:
    found: dict[str, Any] = {name: getattr(sys, name, None) for name in _importing}
    deepest, (files, most) = sys.getrecursionlimit(), resource.getrlimit(resource.RLIMIT_NOFILE)
    for name, begun in _importing.items():
        later = found[name] if isinstance(found[name], list | tuple) else []
        setattr(sys, name, begun + [each for each in later if each not in begun and _is_fit(name, each)])
    sys.setrecursionlimit(max(deepest, RECURSION))
    if files != most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        yield
    finally:
        for name, value in found.items():
            setattr(sys, name, value)
        if files != most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
        with contextlib.suppress(RecursionError):  # it is less than the depth here
            sys.setrecursionlimit(deepest)


def _is_fit(name: str, entry: object) -> bool:
    return isinstance(entry, str) if name == "path" else entry is not None
