"""Models compute on one thread, as their matrices are small, and whatever a loss has set in this process."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

import numpy as np
import scipy.linalg  # noqa: F401  loaded first, so that its BLAS is found besides NumPy's
from threadpoolctl import ThreadpoolController


@contextmanager
def steadily() -> Iterator[None]:
    """Compute on one thread, with NumPy's errors and warnings as models need them, whatever the loss has set."""
    with one_thread(), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# docs/decisions.md, "Models compute on one thread"
def one_thread() -> AbstractContextManager[object]:
    """Return a context that limits BLAS to one thread; it takes 12 microseconds, and saves milliseconds."""
    limits: AbstractContextManager[object] = _libraries().limit(limits=1)
    return limits


@cache
def _libraries() -> ThreadpoolController:
    """Return the controller of the loaded BLAS libraries."""
    return ThreadpoolController().select(user_api="blas")
