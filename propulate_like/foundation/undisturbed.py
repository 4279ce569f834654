"""Late imports and deep calls of this package, whatever a loss has set in this process."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Returned = TypeVar("_Returned")
_RECURSION = 1000  # Python's own limit
_path = list(sys.path)


def undisturbed(function: Callable[_Arguments, _Returned]) -> Callable[_Arguments, _Returned]:
    """Let a function import what could be imported at the start, and call as deep as Python allows by itself.

    What the loss has set of these holds again afterwards.
    """

    @wraps(function)
    def call(*arguments: _Arguments.args, **keywords: _Arguments.kwargs) -> _Returned:
        path, deepest = sys.path, sys.getrecursionlimit()
        sys.path = [*path, *_path]
        sys.setrecursionlimit(max(deepest, _RECURSION))
        try:
            return function(*arguments, **keywords)
        finally:
            sys.path = path
            with contextlib.suppress(RecursionError):  # it is less than the depth here
                sys.setrecursionlimit(deepest)

    return call
