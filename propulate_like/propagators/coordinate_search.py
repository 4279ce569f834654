"""Coordinate search: one gene at a time, from this rank's own results only."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from random import Random

from propulate_like.foundation import declarations
from propulate_like.population.individual import Id, Individual
from propulate_like.problem.parameters import Parameter
from propulate_like.problem.space import Genome, Space
from propulate_like.propagators.mutation import moved
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

_GROWTH, _SHRINKAGE, _REDRAW = 1.6, 0.3, 0.1
_PATIENCE = 20  # rounds without improvement


class CoordinateSearch(Propagator):
    """Coordinate search: a step in one gene from the best point of this rank's own search.

    A gene is moved forward, or else backward, or else to the minimum of the parabola through the three points. Its
    steps grow after a success and shrink after a failure; now and then it is drawn at random. Once no step reaches
    `smallest`, the search restarts elsewhere. Each rank uses only its own results, so that ranks find different optima.
    Compare Hooke and Jeeves 1961, Direct search solution of numerical and statistical problems, and Brent 1973 on
    parabolas.

    Args:
        step: The initial step, as a share of the range, in (0, 1].
        smallest: The smallest step, in (0, `step`].
        best: Whether every other search starts from the best point that the rank knows, instead of a random one.
    """

    by_loss = True
    takes: Arity = (0, None)

    def __init__(self, step: float = 0.25, smallest: float = 1e-9, best: bool = False) -> None:
        """Check the arguments.

        Raises:
            ValueError: 0 < `smallest` <= `step` <= 1 does not hold, or `best` is no bool.
        """
        self.step: float = declarations.number("step", step, 0.0, 1.0, above=True)
        self.smallest: float = declarations.number("smallest", smallest, 0.0, self.step, above=True)
        self.best: bool = declarations.flag("best", best)
        self._known: Individual | None = None
        self._trials: Generator[Genome, float, None] | None = None
        self._asked: tuple[Id, Genome] | None = None

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        last = breeding.last
        self._known = individuals[0] if self.best and len(individuals) else None
        if self._trials is None:
            self._trials = self._searches(breeding.space, breeding.generator)
            genome = next(self._trials)
        elif last is not None and last.has_loss and (last.id, last.genome) == self._asked:
            outcome = last.outcome
            genome = self._trials.send(outcome.merit if outcome.constraints else outcome.loss)
        else:
            genome = self._trials.send(math.inf)
        self._asked = breeding.id, genome
        return [breeding.child(genome, origin=self.name)]

    def __deepcopy__(self, memo: object) -> CoordinateSearch:
        """Return a new search with the same settings, as the state of a generator cannot be copied."""
        return type(self)(self.step, self.smallest, self.best)

    def _searches(self, space: Space, generator: Random) -> Generator[Genome, float, None]:
        """Search with endless restarts.

        Yields:
            A genome, for which its loss must be sent: infinity for a failure.
        """
        while True:
            if self._known is not None:
                known = self._known
                yield from _descend(space, list(known.genome), known.outcome.merit, self.step, self.smallest, generator)
            point = list(space.sample(generator))
            loss = yield tuple(point)
            if loss < math.inf:
                yield from _descend(space, point, loss, self.step, self.smallest, generator)


def _descend(
    space: Space, point: list[float], loss: float, step: float, smallest: float, generator: Random
) -> Generator[Genome, float, None]:
    """Descend from a point, gene by gene in random order, until all steps are too small and nothing improves.

    Args:
        space: The space.
        point: The genes of the start, which are changed.
        loss: The loss at the start.
        step: The initial step, as a share of the range.
        smallest: The smallest step.
        generator: The random generator.

    Yields:
        A genome, for which its loss must be sent: infinity for a failure.
    """
    steps = [generator.choice((step, -step)) for _ in point]
    parents = {parent for _, conditions in space.conditions for parent, _ in conditions}
    idle = 0  # rounds in a row
    genes = space.active(point)
    while idle == 0 or (idle < _PATIENCE and _largest(genes, steps, space) >= smallest):
        before = loss
        generator.shuffle(genes)
        for gene in genes:
            parameter, here = space.parameters[gene], point[gene]
            if not parameter.ordered or generator.random() < _REDRAW:
                target = generator.random() if parameter.levels is None else moved(parameter, here, 0.0, generator)
                found = yield from _try(space, point, gene, target)
                if found < loss:
                    point[gene], loss = target, found
            else:
                loss = yield from _step(space, point, loss, gene, steps)
            if gene in parents and point[gene] != here:  # others are active now
                genes = space.active(point)
                break
        idle = 0 if loss < before else idle + 1


def _largest(genes: list[int], steps: list[float], space: Space) -> float:
    """Return the largest step of a continuous gene among these, or 0 where there is none."""
    return max((abs(steps[gene]) for gene in genes if space.parameters[gene].levels is None), default=0.0)


def _step(
    space: Space, point: list[float], loss: float, gene: int, steps: list[float]
) -> Generator[Genome, float, float]:
    """Move a gene of the point where that does not raise the loss, adapt its step, and return the loss."""
    parameter, here, step = space.parameters[gene], point[gene], steps[gene]
    tried = []
    for sign in (1.0, -1.0):
        target = _target(parameter, here, sign * step)
        found = yield from _try(space, point, gene, target)
        if found <= loss and target != here:
            point[gene] = target
            if found < loss:
                steps[gene] *= _GROWTH if sign > 0.0 else -1.0
            return found
        tried.append((target - here, found - loss))
    steps[gene] *= _SHRINKAGE
    if parameter.levels is None:
        target = here + _vertex(*tried[0], *tried[1])
        if 0.0 <= target <= 1.0 and target != here:
            found = yield from _try(space, point, gene, target)
            if found <= loss:
                point[gene] = target
                return found
    return loss


def _try(space: Space, point: list[float], gene: int, target: float) -> Generator[Genome, float, float]:
    """Return the loss of the point with another active gene; infinity, without an evaluation, where it is the same."""
    parameter = space.parameters[gene]
    if parameter.centered(target) == parameter.centered(point[gene]):
        return math.inf
    return (yield (*point[:gene], target, *point[gene + 1 :]))


def _target(parameter: Parameter, gene: float, step: float) -> float:
    """Return a gene after a step."""
    if parameter.levels is None:
        return min(max(gene + step, 0.0), 1.0)
    return parameter.gene(parameter.stepped(parameter.level(gene), step))


def _vertex(one: float, rise: float, other: float, other_rise: float) -> float:
    """Return the minimum of the parabola through (0, 0), (one, rise) and (other, other_rise), or 0 if it has none."""
    if one == 0.0 or other in (0.0, one) or not math.isfinite(rise + other_rise):
        return 0.0
    bend = (rise / one - other_rise / other) / (one - other)
    return 0.5 * (bend * one - rise / one) / bend if bend > 0.0 else 0.0
