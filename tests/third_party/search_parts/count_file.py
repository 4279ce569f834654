"""A callback: a file counts the evaluations."""

from pathlib import Path

import propulate_like as pl


class CountFileCallback(pl.Callback):
    """Write into the file at `path` how many evaluations have ended."""

    def __init__(self, path: str) -> None:
        """Take the file's path."""
        self.path = path

    def on_evaluated(self, search: pl.WatchedSearch, individual: pl.Individual) -> None:
        """Write the number."""
        Path(self.path).write_text(str(search.evaluations))
