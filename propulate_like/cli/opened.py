"""The run that a command's argument names."""

from __future__ import annotations

from propulate_like.evaluation import loading
from propulate_like.foundation.user_paths import user_path
from propulate_like.search.config import Config, ConfigError
from propulate_like.storage.run import Run

_ANY_BUDGET = "budget.evaluations=1"


def opened(argument: str) -> Run:
    """Return the run in a folder.

    Raises:
        ValueError: There is none, or the argument is what `run` takes: then the message says where its run is.
    """
    path = user_path(argument)
    if path.is_file() or (loading.is_reference(argument) and not path.exists()):
        try:
            config = Config.read(argument, [_ANY_BUDGET])
        except ConfigError:
            return Run(path)  # which says that it is a file
        what = "a configuration" if path.is_file() else "an objective"
        message = f"{path} is {what}, not a run's folder: by default its run is in {config.run}"
        raise ValueError(message)
    return Run(path)
