"""The handle of a run's folder: a single search writes to it, from reading its former state to the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from propulate_like.foundation.console import say
from propulate_like.population.population import Population
from propulate_like.storage.events import Started
from propulate_like.storage.fork import fork
from propulate_like.storage.journal import LOOK_SECONDS, Journal, TakenOver, journal_path
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.lease import Lease, owns
from propulate_like.storage.recovery import DeadRankState
from propulate_like.storage.run import ResumeSnapshot, Run, check_folder


class Place(NamedTuple):
    """The place of a folder.

    Attributes:
        path: Its absolute path, wherever a loss goes.
        given: Its path as it was given.
    """

    path: Path
    given: Path

    @classmethod
    def of(cls, path: Path | None, given: Path | None) -> Place | None:
        """Return a place, or None where there is none."""
        return None if path is None or given is None else cls(path, given)

    def __str__(self) -> str:
        return str(self.known_as)

    @property
    def known_as(self) -> Path:
        """The path as it was given, where that still leads there; otherwise the absolute path."""
        try:
            return self.given if self.given.absolute() == self.path else self.path
        except OSError:  # the working directory was removed
            return self.path


class RunFolder:
    """A run's folder under the lease of one search; without a folder, everything is kept in memory.

    Rank 0 calls `begin` and broadcasts the token to all ranks, by which they know the folder as theirs.

    Attributes:
        folder: The folder's absolute path, or None.
        journals: Where journals are kept for the time of the search only, as there is no folder; None for nowhere.
        token: The token of the lease, or "" before `begin`.
    """

    def __init__(
        self,
        place: Place | None,
        original: Place | None,
        config: dict[str, Any],
        shape: Shape,
        *,
        job: str | None = None,
        unsure: bool = False,
    ) -> None:
        """Store the settings; `begin` acquires the folder.

        Args:
            place: The place of the run's folder, or None to keep everything in memory.
            original: The place of the run that this one is a fork of, or None.
            config: The search's config.
            shape: The shape of its individuals.
            job: The token of the launcher's job: a job takes over at once from another one with the same token.
            unsure: Whether ranks of the launcher's last job may still run.
        """
        self.folder, self.token = None if place is None else place.path, ""
        self.journals: Path | None = None
        self._place = place
        self._job, self._unsure = job, unsure
        self._original, self._config, self._shape = original, config, shape
        self._lease: Lease | None = None
        self._run: Run | None = None

    def begin(
        self, seed: int, populations: Sequence[Population], died: Sequence[int], tell: Callable[[str], None]
    ) -> ResumeSnapshot:
        """Acquire the folder's lease, and read the state from which the search continues.

        Args:
            seed: The seed, where neither config nor folder has one.
            populations: An empty population for each island.
            died: The ranks whose death ended the session before.
            tell: Receives messages for the user.

        Raises:
            ValueError: Another run holds the folder, or the folder holds another search.
            OSError: The folder cannot be used.
        """
        if self.folder is None or self._place is None:
            return ResumeSnapshot(seed=seed)
        if self._original is not None:
            tell(f"{self._place} is a copy of {self._original}, {fork(self._original.path, self.folder, self._config)}")
        check_folder(self._place.known_as)
        self._lease = Lease.acquire(self._place.known_as, self._job)  # which messages name so
        self.token = self._lease.token
        if self._unsure:  # ranks that may still run have noticed the lost lease by then
            time.sleep(2 * LOOK_SECONDS)
        if self._config["seed"] is None and not Run.exists(self.folder):
            self._config["seed"] = seed
        self._run = Run.open(self.folder, self._config)
        if self._run.changes:
            tell(f"continuing {self._place} with {', '.join(change.change for change in self._run.changes)}")
        return self._run.recover(populations, died)

    @property
    def known_as(self) -> Path | None:
        """The folder's path as users know it, or None."""
        return None if self._place is None else self._place.known_as

    def journal(self, rank: int) -> Journal:
        """Return a rank's journal, which appends only while this run holds the folder."""
        folder, token = self.folder, self.token
        if folder is None:
            path = None if self.journals is None else journal_path(self.journals, rank)
            return Journal(path, shape=self._shape, lasts=False)
        return Journal(journal_path(folder, rank), lambda: owns(folder, token), self._shape)

    def note(self, unfinished: Iterable[Started]) -> None:
        """Note evaluations that are to be begun, on rank 0 before any rank begins, so that no session loses them."""
        if self.folder is None:
            return
        journal = Journal(journal_path(self.folder, 0), shape=self._shape)
        for started in unfinished:
            journal.note(started)
        journal.close()

    def inherit(self, rank: int) -> DeadRankState:
        """Take over the lease as the lowest living rank, and return the state of a dead rank.

        Args:
            rank: The dead rank.

        Raises:
            TakenOver: Another run holds the folder.
        """
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
        """Write the config again where it was removed during the run."""
        if self._run is not None:
            self._run.restore()

    def release(self) -> None:
        """Release the lease."""
        if self._lease is not None:
            self._lease.release()
