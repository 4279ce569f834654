"""Models compute on one thread: their matrices are small, and the other cores are other ranks'."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

import scipy.linalg  # noqa: F401  loaded first, so that its BLAS is found, beside NumPy's
from threadpoolctl import ThreadpoolController


# docs/decisions.md, "Models compute on one thread"
def one_thread() -> AbstractContextManager[object]:
    """Keep linear algebra to one thread for a while: 12 microseconds, where many threads would cost milliseconds."""
    limits: AbstractContextManager[object] = _libraries().limit(limits=1)
    return limits


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
