"""A search as callbacks see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

from propulate_like.population.individual import Individual
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import Signs, directions_of, values_of
from propulate_like.problem.space import Space
from propulate_like.storage.run import new_ident


class WatchedSearch:
    """A search as callbacks see it.

    Attributes:
        run: The run's folder, or None where there is none.
        ident: The run's identity, which stays when the run continues; "" where there is no folder.
        space: The space, which is empty where the loss asks for its parameters.
        directions: "minimize" or "maximize" for each loss.
        rungs: The number of rungs of the fidelity; 1 without one.
        budget: When the search ends.
        evaluations: The number of evaluations that are known to have ended, those of earlier sessions included.
        best: The best individual that is known, or None; of several losses, the newest that none before dominates.
        stopping: Whether a callback has stopped the search.
    """

    def __init__(
        self,
        *,
        space: Space,
        signs: Signs,
        budget: Budget,
        rungs: int = 1,
        run: Path | None = None,
        ident: str = "",
        known: Callable[[], Iterable[Individual]] = tuple,
    ) -> None:
        self.run: Path | None = run
        self.ident: str = ident
        self.space: Space = space
        self.directions: list[str] = directions_of(signs)
        self.rungs: int = rungs
        self.budget: Budget = budget
        self.evaluations: int = 0
        self.best: Individual | None = None
        self.stopping: bool = False
        self._signs, self._known = signs, known

    def known(self) -> Iterator[Individual]:
        """Yield each individual that was evaluated before this session, in the order in which they ended."""
        for individual in self._known():
            yield individual.in_directions(self._signs)

    def curve(self, individual: Individual) -> list[tuple[int, float]]:
        """Return the intermediate values that the loss reported of an individual, each as (step, value)."""
        return [(step, values_of((loss,), self._signs)[0]) for step, loss in individual.curve]

    @cached_property
    def key(self) -> str:
        """The run's identity, or a new one where there is no folder."""
        return self.ident or new_ident()

    def stop(self) -> None:
        """Stop the search: no further evaluation begins, and those under way are finished."""
        self.stopping = True
