"""Promotion: which individuals go on at the next rung of a fidelity."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable

import msgspec

from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import INFEASIBLE, OK
from propulate_like.problem.fidelity import Fidelity

_Result = tuple[float, float]


class Ladder:
    """What one rank knows of the rungs: the results on each, and which of its own may still be promoted."""

    def __init__(self, fidelity: Fidelity, mine: Callable[[Id], bool], sharing: int) -> None:
        """Promote those that are `mine`; so do others with theirs, `sharing` ranks in all."""
        self._reduction, self._mine, self._sharing = fidelity.reduction, mine, sharing
        count = len(fidelity.rungs) - 1  # there is no promotion from the highest
        self._results: list[list[_Result]] = [[] for _ in range(count)]
        self._waiting: list[dict[Id, Individual]] = [{} for _ in range(count)]
        self._seen: set[Id] = set()
        self._promoted: set[Id] = set()
        self._equal: list[Counter[_Result]] = [Counter() for _ in range(count)]  # of the promoted, by their result

    def add(self, individual: Individual) -> None:
        """Learn of an evaluated individual of this rank or another. Each rank promotes those that it bred itself."""
        if individual.continues is not None:
            self.promoted(individual.continues)
        if individual.rung >= len(self._results) or individual.id in self._seen:
            return
        self._seen.add(individual.id)
        insort(self._results[individual.rung], _result(individual))
        ended = individual.status is OK or individual.status is INFEASIBLE
        if ended and self._mine(individual.id) and individual.id not in self._promoted:
            self._waiting[individual.rung][individual.id] = individual

    def promoted(self, ident: Id) -> None:
        """Learn that an individual has been promoted, whatever became of that: it is not promoted again."""
        if ident not in self._promoted:
            self._promoted.add(ident)
            for waiting, equal in zip(self._waiting, self._equal, strict=True):
                individual = waiting.pop(ident, None)
                if individual is not None:
                    equal[_result(individual)] += self._sharing  # others have as many, more or less

    def promote(self, ident: Id) -> Individual | None:
        """Return the best that deserves promotion, as a newborn with the identity `ident`; the highest rungs first."""
        for rung in reversed(range(len(self._results))):
            results, waiting = self._results[rung], self._waiting[rung]
            if not waiting:
                continue
            best = min(waiting.values(), key=lambda individual: (_result(individual), individual.id))
            before = bisect_left(results, _result(best)) + self._equal[rung][_result(best)]
            if before + 1 <= len(results) / self._reduction:
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


def _result(individual: Individual) -> _Result:
    """Return what the individuals of a rung are compared by: their violation of constraints, then their loss."""
    return individual.violation, individual.loss
