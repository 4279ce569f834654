"""An individual: one candidate and, once it was evaluated, its outcome."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from propulate_like.population.outcome import UNEVALUATED, Outcome, Status
from propulate_like.problem.directions import Signs, values_of
from propulate_like.problem.space import Genome, Space

Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
Order = tuple[float, int, float]
"""What individuals are ordered by: violation, rung (negative) and loss."""
ELSEWHERE = (1 << 32) - 1
"""The rank of those that a search was told of at its beginning, and that no rank of it has bred."""
POINT = "point"
"""The origin of those that users gave as starting points."""


class Id(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """Identity: the island and rank that bred an individual, and that rank's count of individuals before it."""

    island: Count
    rank: Count
    serial: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]

    def __str__(self) -> str:
        return f"{self.island}-{self.rank}-{self.serial}"


class Candidate(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was bred, and is to be evaluated.

    `genome` is a point in the unit cube of `space`; `parents` are the ids of those it was bred from, `origin` names
    the propagator that bred it, and `traits` are the strategy parameters (such as step sizes) that it inherits and
    passes on. `rung` is its rung of the fidelity; one above the lowest `continues` the individual that it was promoted
    from.
    """

    id: Id
    genome: Genome
    space: Space
    parents: tuple[Id, ...] = ()
    origin: str = ""
    traits: tuple[float, ...] = ()
    rung: int = 0
    continues: Id | None = None

    @property
    def params(self) -> dict[str, Any]:
        """The parameters' values by their names: a new dict at each call."""
        return self.space.decode(self.genome)


class Individual(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One candidate and its outcome, whose fields are the individual's too.

    `moves` counts its migrations, by which it left one island for another. A search minimizes, so that losses that are
    maximized are negated; those of a result or a run know the search's directions, as `signs`, and tell in `value` and
    `values` what the loss function returned. Elsewhere, as in an `Optimizer` or a propagator, these are the losses.
    """

    candidate: Candidate
    outcome: Outcome = UNEVALUATED
    moves: int = 0
    signs: Signs = ()

    @property
    def id(self) -> Id:
        return self.candidate.id

    @property
    def genome(self) -> Genome:
        return self.candidate.genome

    @property
    def space(self) -> Space:
        return self.candidate.space

    @property
    def parents(self) -> tuple[Id, ...]:
        return self.candidate.parents

    @property
    def origin(self) -> str:
        return self.candidate.origin

    @property
    def traits(self) -> tuple[float, ...]:
        return self.candidate.traits

    @property
    def rung(self) -> int:
        return self.candidate.rung

    @property
    def continues(self) -> Id | None:
        return self.candidate.continues

    @property
    def params(self) -> dict[str, Any]:
        """The parameters' values by their names: a new dict at each call."""
        return self.candidate.params

    @property
    def nested_params(self) -> dict[str, Any]:
        """The same, nested as the space was given: what the loss receives."""
        return self.space.nested(self.params)

    @property
    def status(self) -> Status:
        return self.outcome.status

    @property
    def loss(self) -> float:
        return self.outcome.loss

    @property
    def seconds(self) -> float:
        return self.outcome.seconds

    @property
    def ended(self) -> float:
        return self.outcome.ended

    @property
    def metrics(self) -> dict[str, Any]:
        return self.outcome.metrics

    @property
    def cause(self) -> str:
        return self.outcome.cause

    @property
    def losses(self) -> tuple[float, ...]:
        return self.outcome.losses

    @property
    def value(self) -> float:
        """What the loss function returned, and NaN where the evaluation came to nothing.

        Raises:
            LookupError: There are several, in `values`.
        """
        values = self.values
        if len(values) > 1:
            message = f"there are {len(values)} values: see `values`"
            raise LookupError(message)
        return values[0]

    @property
    def values(self) -> tuple[float, ...]:
        """What the loss function returned, one or several; NaN where the evaluation came to nothing."""
        losses = self.outcome.losses or (self.outcome.loss,) * (len(self.signs) or 1)
        return values_of(losses, self.signs) if self.signs else losses

    @property
    def curve(self) -> tuple[tuple[int, float], ...]:
        return self.outcome.curve

    @property
    def attempts(self) -> int:
        return self.outcome.attempts

    @property
    def failed(self) -> bool:
        """Whether it was evaluated and came to nothing."""
        return self.outcome.failed

    @property
    def has_loss(self) -> bool:
        """Whether it was evaluated and may be bred from: to its end, or until it was stopped."""
        return self.outcome.has_loss

    @property
    def constraints(self) -> tuple[float, ...]:
        return self.outcome.constraints

    @property
    def violation(self) -> float:
        """The degree to which it violates constraints: 0 where it violates none."""
        return self.outcome.violation

    @property
    def feasible(self) -> bool:
        """Whether it has a loss and violates no constraint."""
        return self.outcome.feasible

    @property
    def order(self) -> Order:
        """What individuals are compared by.

        Feasible ones come first, then those with the least violation; among these the higher rung comes first, as its
        losses are more certain, then the lower loss.
        """
        outcome = self.outcome
        return outcome.violation if outcome.constraints else 0.0, -self.candidate.rung, outcome.loss

    @property
    def precedence(self) -> tuple[Order, float, Id]:
        """The order of the best first: of several with the same loss, the one that ended first is the best."""
        return self.order, self.outcome.ended, self.candidate.id

    def beats(self, best: Individual | None) -> bool:
        """Return whether this is better than the `best` of those before, as it is where there are none."""
        if best is None:
            return True
        # Without constraints the loss alone decides on the lowest rung, and is several times faster to compare.
        lower = self.outcome.loss < best.outcome.loss
        return (lower or self.candidate.rung > 0 or best.outcome.constraints != ()) and self.order < best.order

    def evaluated(self, outcome: Outcome) -> Individual:
        """Return the same individual with an outcome, and what was asked for in place of what was bred."""
        if outcome.asked is None:
            return Individual(self.candidate, outcome)
        space, genome = outcome.asked.read()
        candidate = msgspec.structs.replace(self.candidate, genome=genome, space=space)
        return Individual(candidate, msgspec.structs.replace(outcome, asked=None))

    def with_genome(self, genome: Genome, space: Space | None = None) -> Individual:
        """Return the same individual with another genome, perhaps of another space."""
        candidate = msgspec.structs.replace(self.candidate, genome=genome, space=space or self.candidate.space)
        return Individual(candidate, self.outcome, self.moves, self.signs)

    def in_directions(self, signs: Signs) -> Individual:
        """Return the same individual, whose values have the directions of these signs."""
        return Individual(self.candidate, self.outcome, self.moves, signs)

    def with_outcome(self, **changes: Any) -> Individual:
        """Return the same individual with these fields of its outcome changed."""
        return Individual(self.candidate, msgspec.structs.replace(self.outcome, **changes), self.moves, self.signs)

    def __repr__(self) -> str:
        what, numbers = ("value", self.values) if self.signs else ("loss", self.outcome.losses or (self.loss,))
        told = f"{what}={numbers[0]}" if len(numbers) == 1 else f"{'values' if self.signs else 'losses'}={numbers}"
        return f"Individual({self.id}, {self.params}, {self.status}, {told})"

    def _repr_html_(self) -> str:
        """Return the individual as a table, for a notebook."""
        from propulate_like.population.html import individual_html

        return individual_html(self)
