"""Fidelity: cheap evaluations first, and dearer ones for those that deserve them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

from propulate_like import declarations
from propulate_like.individual import OK, Id, Individual


class Fidelity:
    """How thoroughly an individual is evaluated, such as the epochs of its training or the share of the data.

    Individuals begin at the first of the `rungs`. Whenever a rank is free, it promotes the best of its own that are
    among the best 1 / `reduction` of all that reached their rung, and breeds a new one where there is none: Li et al.
    2020, A system for massively parallel hyperparameter tuning, algorithm 2. Which share is the best is decided by
    what the rank knows at that moment. One promoted is evaluated as an individual of its own, in the same directory.
    """

    def __init__(self, name: str, rungs: Sequence[float], reduction: float = 3) -> None:
        """ValueError where there are fewer than two rungs, they do not rise, or the reduction is not above 1."""
        if not isinstance(name, str) or not name.isidentifier() or name == "evaluation":
            message = f"name={name!r} must be a name such as 'epochs', and not 'evaluation'"
            raise ValueError(message)
        self.name = name
        numbers = isinstance(rungs, list | tuple) and all(
            type(rung) in (int, float) and isfinite(rung) for rung in rungs
        )
        if not numbers or len(rungs) < 2 or any(low >= high for low, high in pairwise(rungs)):  # noqa: PLR2004
            message = f"rungs={rungs!r} must be at least two rising numbers, such as [1, 3, 9]"
            raise ValueError(message)
        self.rungs = tuple(rungs)
        self.reduction = declarations.number("reduction", reduction, 1.0, above=True)

    @classmethod
    def of(cls, form: Fidelity | Mapping[str, Any]) -> Fidelity:
        """Take a fidelity, or read one as it stands in YAML; ValueError where that cannot work."""
        if isinstance(form, Fidelity):
            return form
        if not isinstance(form, Mapping):
            message = f"{form!r} must be a mapping such as {{name: epochs, rungs: [1, 3, 9]}}"
            raise ValueError(message)
        return declarations.build(cls, [], form)

    def declaration(self) -> dict[str, Any]:
        """Give its YAML form."""
        return {"name": self.name, "rungs": list(self.rungs), "reduction": self.reduction}

    def __repr__(self) -> str:
        return declarations.shown(self)


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
        """Give the best that deserves promotion, as a newborn with the identity `ident`; the highest rungs first."""
        for rung in reversed(range(len(self._losses))):
            losses, waiting = self._losses[rung], self._waiting[rung]
            if not waiting:
                continue
            best = min(waiting.values(), key=lambda individual: (individual.loss, individual.id))
            before = bisect_left(losses, best.loss) + self._equal[rung][best.loss]
            if before + 1 <= len(losses) / self._reduction:
                self.promoted(best.id)
                return Individual(
                    ident,
                    best.genome,
                    best.space,
                    (best.id,),
                    "promotion",
                    best.traits,
                    rung=rung + 1,
                    continues=best.id,
                )
        return None
