"""A call of `minimize` as it travels from the caller's process to the ranks, and its result on the way back.

The caller keeps the call in a private folder, which no other user can read, for the time of the search. It is pickled,
as it holds the user's functions and objects; the result is not.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

from propulate_like.evaluation import loading

_CALL = "call"


def write(folder: Path, options: dict[str, Any]) -> None:
    """Write a call into the caller's private folder.

    Args:
        folder: The folder.
        options: The arguments of `SearchSpecification.read`.

    Raises:
        ValueError: Something of it cannot be pickled.
    """
    whole = {
        "path": [place or str(Path.cwd()) for place in sys.path],
        "argv": sys.argv,
        "name": loading.name_of(options["objective"]) if callable(options["objective"]) else "",
        "options": loading.pickled(options, "the call of minimize"),
    }
    (folder / _CALL).write_bytes(pickle.dumps(whole))


def read(folder: Path) -> dict[str, Any]:
    """Return the arguments that the caller has written, and prepare this process for its imports."""
    whole = pickle.loads((folder / _CALL).read_bytes())  # noqa: S301 (of this program's own process)
    sys.path[:], sys.argv[:] = whole["path"], whole["argv"]
    options: dict[str, Any] = loading.unpickled(whole["options"])
    if whole["name"]:
        loading.known_as(options["objective"], whole["name"])
    return options
