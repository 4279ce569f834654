"""Promotion: which individuals go on at the next rung of a fidelity."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable

import msgspec

from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import OK
from propulate_like.problem.fidelity import Fidelity


class Ladder:
    """What one rank knows of the rungs: the losses on each, and which of its own may still be promoted."""

    def __init__(self, fidelity: Fidelity, mine: Callable[[Id], bool], sharing: int) -> None:
        """Promote those that are `mine`; so do others with theirs, `sharing` ranks in all."""
        self._reduction, self._mine, self._sharing = fidelity.reduction, mine, sharing
        count = len(fidelity.rungs) - 1  # there is no promotion from the highest
        self._losses: list[list[float]] = [[] for _ in range(count)]
        self._waiting: list[dict[Id, Individual]] = [{} for _ in range(count)]
        self._seen: set[Id] = set()
        self._promoted: set[Id] = set()
        self._equal: list[Counter[float]] = [Counter() for _ in range(count)]  # of the promoted, by their loss

    def add(self, individual: Individual) -> None:
        """Learn of an evaluated individual of this rank or another. Each rank promotes those that it bred itself."""
        if individual.continues is not None:
            self.promoted(individual.continues)
        if individual.rung >= len(self._losses) or individual.id in self._seen:
            return
        self._seen.add(individual.id)
        insort(self._losses[individual.rung], individual.loss)
        if self._mine(individual.id) and individual.status is OK and individual.id not in self._promoted:
            self._waiting[individual.rung][individual.id] = individual

    def promoted(self, ident: Id) -> None:
        """Learn that an individual has been promoted, whatever became of that: it is not promoted again."""
        if ident not in self._promoted:
            self._promoted.add(ident)
            for waiting, equal in zip(self._waiting, self._equal, strict=True):
                individual = waiting.pop(ident, None)
                if individual is not None:
                    equal[individual.loss] += self._sharing  # others have as many, more or less

    def promote(self, ident: Id) -> Individual | None:
        """Return the best that deserves promotion, as a newborn with the identity `ident`; the highest rungs first."""
        for rung in reversed(range(len(self._losses))):
            losses, waiting = self._losses[rung], self._waiting[rung]
            if not waiting:
                continue
            best = min(waiting.values(), key=lambda individual: (individual.loss, individual.id))
            before = bisect_left(losses, best.loss) + self._equal[rung][best.loss]
            if before + 1 <= len(losses) / self._reduction:
                self.promoted(best.id)
                candidate = msgspec.structs.replace(
                    best.candidate,
                    id=ident,
                    parents=(best.id,),
                    origin="promotion",
                    rung=rung + 1,
                    continues=best.id,
                )
                return Individual(candidate)
        return None
