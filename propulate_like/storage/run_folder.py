"""Holding a run's folder: one search alone writes to it, from the reading of what stands there to the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from propulate_like.foundation.console import say
from propulate_like.population.population import Population
from propulate_like.storage.fork import fork
from propulate_like.storage.journal import LOOK_SECONDS, Journal, TakenOver, journal_path
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.lease import Lease, owns
from propulate_like.storage.recovery import DeadRankState
from propulate_like.storage.run import ResumeSnapshot, Run


class RunFolder:
    """A run's folder in the hands of one search; without a folder, all is kept in memory.

    Rank 0 begins, and hands the `token` to all ranks: it says that the folder is theirs.
    """

    def __init__(
        self,
        folder: Path | None,
        original: Path | None,
        config: dict[str, Any],
        shape: Shape,
        *,
        job: str | None = None,
        unsure: bool = False,
    ) -> None:
        """Hold a new folder that is a copy of the `original`, where one is given, for a search with this `config`.

        Its individuals have this `shape`.
        Jobs of one launcher bear the token `job`, by which the next takes over from the last at once; `unsure` says
        that ranks of the last may still run.
        """
        self.folder, self.token = folder, ""
        self._job, self._unsure = job, unsure
        self._original, self._config, self._shape = original, config, shape
        self._lease: Lease | None = None
        self._run: Run | None = None

    def begin(
        self, seed: int, populations: Sequence[Population], died: Sequence[int], tell: Callable[[str], None]
    ) -> ResumeSnapshot:
        """Take the folder, and read what stands there; `died` are the ranks whose death ended the session before.

        The `seed` is used where neither config nor folder has one. ValueError where another run holds the folder, or
        where it holds another search; OSError where it cannot be used.
        """
        if self.folder is None:
            return ResumeSnapshot(seed=seed)
        if self._original is not None:
            tell(f"{self.folder} is a copy of {self._original}, {fork(self._original, self.folder, self._config)}")
        self._lease = Lease.acquire(self.folder, self._job)
        self.token = self._lease.token
        if self._unsure:  # ranks that may still run will have seen that it is theirs no more
            time.sleep(2 * LOOK_SECONDS)
        if self._config["seed"] is None and not Run.exists(self.folder):
            self._config["seed"] = seed
        self._run = Run.open(self.folder, self._config)
        if self._run.changes:
            tell(f"continuing {self.folder} with {', '.join(change.change for change in self._run.changes)}")
        return self._run.recover(populations, died)

    def journal(self, rank: int) -> Journal:
        """Return a rank's journal, which is appended to as long as the folder is this run's."""
        folder, token = self.folder, self.token
        if folder is None:
            return Journal(None)
        return Journal(journal_path(folder, rank), lambda: owns(folder, token), self._shape)

    def inherit(self, rank: int) -> DeadRankState:
        """Return what a dead rank left, as the lowest rank that lives: this one holds the folder from now on."""
        if self.folder is None:
            return DeadRankState()
        if self._lease is None:
            try:
                self._lease = Lease.inherit(self.folder, self.token)
            except ValueError as error:
                raise TakenOver(str(error)) from None
            except OSError as error:
                say(f"{self.folder}: cannot be held: {error}; the search goes on")
        try:
            return DeadRankState.read(journal_path(self.folder, rank), self._shape, self.token)
        except ValueError as error:
            say(f"what rank {rank} had evaluated is not known: {error}")
            return DeadRankState()

    def restore(self) -> None:
        """Write what was removed of the folder meanwhile, where it is there again."""
        if self._run is not None:
            self._run.restore()

    def release(self) -> None:
        """Leave the folder to others."""
        if self._lease is not None:
            self._lease.release()
