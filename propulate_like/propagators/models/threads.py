"""Models compute on one thread, as their matrices are small and other ranks use the other cores."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

import scipy.linalg  # noqa: F401  loaded first, so that its BLAS is found besides NumPy's
from threadpoolctl import ThreadpoolController


# docs/decisions.md, "Models compute on one thread"
def one_thread() -> AbstractContextManager[object]:
    """Return a context that limits BLAS to one thread; it takes 12 microseconds, and saves milliseconds."""
    limits: AbstractContextManager[object] = _libraries().limit(limits=1)
    return limits


@cache
def _libraries() -> ThreadpoolController:
    """Return the controller of the loaded BLAS libraries."""
    return ThreadpoolController().select(user_api="blas")
