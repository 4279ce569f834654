"""Evolution for cheap evaluations: each rank searches alone at first, then all together."""

from __future__ import annotations

from collections.abc import Sequence

from propulate_like.foundation import declarations
from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.population.individual import ELSEWHERE, Individual
from propulate_like.population.population import Requirements
from propulate_like.problem.space import Space
from propulate_like.propagators.chain import Chain, Choose, Warmup
from propulate_like.propagators.cma_es import CMAES
from propulate_like.propagators.coordinate_search import CoordinateSearch
from propulate_like.propagators.crossover import MeanCrossover, UniformCrossover
from propulate_like.propagators.differential import DifferentialEvolution
from propulate_like.propagators.initialization import RandomRestart, UniformInitialization
from propulate_like.propagators.mutation import SelfAdaptiveMutation
from propulate_like.propagators.pareto import SelectPareto
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator
from propulate_like.propagators.selection import SelectBest, SelectRandom, SelectRanked

# docs/decisions.md, "Islands divide the population and migrate rarely"
_FEWEST, _MOST = 4, 40  # individuals to breed from
# docs/decisions.md, "Each point of a finite space belongs to one rank"
_FEW = 5  # the same in a finite space, where distinct points keep the population diverse
# docs/decisions.md, "Ranks search alone for half of cheap evaluations"
_ALONE = 0.5  # share of a rank's evaluations: at the start with many ranks, or once the population has converged
_ROUNDS = 3  # evaluations per gene that a rank's own search needs to be useful
_NEAR = 1e-3  # of the range: the population has converged where no gene is further from the best individual's
_COARSE = 1e-3  # smallest steps of searches elsewhere, as other ranks polish what these find
_LOOKS = 64  # asks between two checks for convergence
_NORMAL = 4  # one of this many ranks, or asks, uses CMA-ES
_STEP = 0.1  # initial standard deviation of CMA-ES
_RESULTS = 200  # divided by the number of genes, the largest number of results per update of CMA-ES
_WEIGHTS = [0.6, 0.15, 0.25]  # of pairs, means and differential evolution


class Evolution(Propagator):
    """Coordinate search by each rank alone for half of its evaluations, then breeding from the best of all ranks.

    In the first phase ranks find different funnels of the loss, so that the better funnels are known before the second
    phase. The first phase is shorter with few ranks, and left out with a single one, after a warm start (see
    `WarmStart`), or where the evaluations are unknown or too few. Such ranks compensate for it with coordinate searches
    from the best point and from random ones, whenever the population has converged.

    In the second phase individuals are bred by crossover of pairs, means of many, and differential evolution. In a
    finite space, where no point is evaluated twice, a genetic chain breeds from a few of the best from the start.

    Args:
        evaluations: The evaluations of all ranks, at least 1, or None where they are unknown.
        share: The share of all ranks on this island, in (0, 1]. An island breeds from half its share of individuals.
        normal: Whether every fourth rank uses CMA-ES in the second phase, which takes several times as long and needs
            NumPy.
    """

    by_loss = True
    takes: Arity = (0, None)

    def __init__(self, evaluations: int | None = None, share: float = 1.0, normal: bool = True) -> None:
        """Check the arguments.

        Raises:
            ValueError: `evaluations` is below 1, `share` is not in (0, 1], or `normal` is no bool.
        """
        self.evaluations: int | None = (
            None if evaluations is None else declarations.whole("evaluations", evaluations, 1)
        )
        self.share: float = declarations.number("share", share, 0.0, 1.0, above=True)
        self.normal: bool = declarations.flag("normal", normal)
        self._among = among = parents(evaluations, share)
        self._alone = CoordinateSearch()
        self._elsewhere = CoordinateSearch(smallest=_COARSE, best=True)
        self._asks, self._converged = 0, False
        self._warm_started: bool | None = None
        self._together = _together(among)
        self._among_few = genetic_chain(_FEW)
        self._normal: CMAES | None = None
        self.requirements: Requirements = self._together.requirements | self._among_few.requirements
        self.traits: int = self._together.traits
        if normal:
            self.requirements |= CMAES(shared=among).requirements

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if breeding.partition is not None and breeding.partition.finite:
            return self._among_few(individuals, breeding)
        workers, rank = breeding.workers, breeding.id.rank
        first = _ALONE * (1.0 - 1.0 / workers)
        own = first * self.evaluations / workers if self.evaluations else 0.0
        if self._warm_started is None:
            self._warm_started = any(one.id.rank == ELSEWHERE for one in individuals[: self._among])
        if self._warm_started or own < _ROUNDS * len(breeding.space):
            first = own = 0.0
        if breeding.id.serial < own:
            return self._alone(individuals, breeding)
        if self._asks % _LOOKS == 0:
            self._converged = _at_one_point(individuals[: self._among], self._among, breeding.space)
        self._asks += 1
        if self._converged and breeding.generator.random() < _ALONE - first:
            return self._elsewhere(individuals, breeding)
        if self.normal:
            turn = rank if workers >= _NORMAL else int(breeding.generator.random() * _NORMAL)
            if turn % _NORMAL == _NORMAL - 1:
                return self._cma_es(breeding)(individuals, breeding)
        return self._together(individuals, breeding)

    @undisturbed
    def _cma_es(self, breeding: BreedingContext) -> CMAES:
        """Return the rank's CMA-ES, whose population fits the few results that a rank among many receives."""
        if self._normal is None:
            from propulate_like.propagators.models.cma_es import usual_population

            genes = len(breeding.space)
            population = max(usual_population(genes), min(round(2.0 * breeding.workers**0.75), _RESULTS // genes))
            self._normal = CMAES(_STEP, population, self._among)
        return self._normal


def _at_one_point(best: Sequence[Individual], size: int, space: Space) -> bool:
    """Return whether there are `size` individuals, all at about the same point."""
    if len(best) < size:
        return False
    genomes = map(space.canonical, (one.genome for one in best))
    center = next(genomes)
    return all(abs(gene - there) <= _NEAR for genome in genomes for gene, there in zip(genome, center))


def parents(evaluations: int | None = None, share: float = 1.0) -> int:
    """Return the number of individuals to breed from.

    Args:
        evaluations: The evaluations of all ranks, or None where they are unknown.
        share: The share of all ranks on this island, in (0, 1].
    """
    suits = _MOST if evaluations is None else min(max(evaluations // 10, _FEWEST), _MOST)
    return suits if share == 1.0 else max(round(suits * share / 2), _FEWEST)


def genetic_chain(among: int) -> Propagator:
    """Return a self-adaptive genetic chain that breeds from the best `among` individuals, once there are as many."""
    return Warmup(UniformInitialization(), _pairs(among), size=among)


def pareto_chain(among: int) -> Propagator:
    """Return a self-adaptive genetic chain for several losses that breeds from the best `among` individuals."""
    pairs = Chain(
        SelectPareto(among), SelectRandom(2), UniformCrossover(0.8), SelfAdaptiveMutation(), RandomRestart(0.01)
    )
    return Warmup(UniformInitialization(), pairs, size=among)


def _together(among: int) -> Propagator:
    """Return the propagator of the second phase, which breeds from the best `among` individuals."""
    mean = Chain(SelectBest(among), SelectRandom(max(among // 2, 2)), MeanCrossover())
    ways = Choose(_pairs(among), mean, DifferentialEvolution(among), weights=_WEIGHTS)
    return Warmup(UniformInitialization(), ways, size=among)


def _pairs(among: int) -> Propagator:
    """Return a genetic chain of crossover and mutation of pairs."""
    return Chain(SelectRanked(2, among=among), UniformCrossover(0.8), SelfAdaptiveMutation(), RandomRestart(0.01))
