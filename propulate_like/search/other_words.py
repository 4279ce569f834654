"""Other words: keywords that other libraries have for what a search is told here, each with ours."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_OURS = {
    "direction": "call pl.maximize for the highest value, pl.minimize for the lowest",
    "directions": "call pl.minimize, whose directions say of each of several losses which way is better",
    "maximize": "call pl.maximize",
    "n_trials": "write evaluations=",
    "trials": "write evaluations=",
    "timeout": "write seconds=, or evaluation={'isolate': True, 'timeout': ...} for each evaluation",
    "n_jobs": "write ranks=, or start as many ranks, as in mpiexec -n 4 python train.py",
    "sampler": "write propagator=, as in propagator=pl.OptunaPropagator(sampler)",
    "storage": "write run=, a folder",
    "study_name": "write run=, a folder",
    "load_if_exists": "a search continues its run= by itself",
    "show_progress_bar": "write progress=",
}


def names_other_words(search: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Let a function say what its word is for a keyword that it does not have and other libraries do."""
    words = _OURS.keys() - inspect.signature(search).parameters.keys()

    @wraps(search)
    def checked(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        for name in words & kwargs.keys():
            message = f"{search.__name__}() has no {name}=: {_OURS[name]}"
            raise TypeError(message)
        return search(*args, **kwargs)

    return checked
