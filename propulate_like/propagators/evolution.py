"""Evolution where evaluations are cheap: each rank alone at first, then all together."""

from __future__ import annotations

from collections.abc import Sequence

from propulate_like.foundation import declarations
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
_FEW = 5  # where no point comes twice: that alone keeps individuals apart
# docs/decisions.md, "Ranks search alone for half of cheap evaluations"
_ALONE = 0.5  # of a rank's evaluations: at first, where there are many ranks, or once all have come to one point
_ROUNDS = 3  # evaluations a gene that a search alone needs to be of use
_NEAR = 1e-3  # of the range: where no gene of those to breed from is further from the best's, they are at one point
_COARSE = 1e-3  # steps that search elsewhere: what is found is polished by others
_LOOKS = 64  # asks between two looks at that
_NORMAL = 4  # one in so many ranks, or asks, follows a normal distribution
_STEP = 0.1  # of the normal distribution at first, about the best that is known
_RESULTS = 200  # by this, divided by the number of genes, an update of the normal distribution is limited
_WEIGHTS = [0.6, 0.15, 0.25]  # of pairs, means and differences


class Evolution(Propagator):
    """Coordinate search by each rank alone for half of its evaluations, and then breeding from the best of all.

    So ranks find different funnels of the loss, and the better ones are known as such before it comes to that. Few
    ranks are alone for less, and a single one never is, nor those that were told of good points elsewhere (see
    `WarmStart`): they make up for it while all that they breed from lie at one point, by coordinate search from there
    and from elsewhere. `evaluations` are those of all ranks: where they are unknown, or too few, all begin together.
    They breed by pairs, by means of many, and by differential evolution; with `normal`, every fourth rank follows
    CMA-ES instead, which takes several times as long, and needs NumPy. One of several islands, with that `share` of the
    ranks, breeds from half its share of individuals. Where the space is finite, and no point evaluated twice, a genetic
    chain begins at once and breeds from a few of the best.
    """

    by_loss = True
    takes: Arity = (0, None)

    def __init__(self, evaluations: int | None = None, share: float = 1.0, normal: bool = True) -> None:
        """ValueError where `evaluations` is below 1 or `share` not in (0, 1], or `normal` is no bool."""
        self.evaluations: int | None = (
            None if evaluations is None else declarations.whole("evaluations", evaluations, 1)
        )
        self.share: float = declarations.number("share", share, 0.0, 1.0, above=True)
        self.normal: bool = declarations.flag("normal", normal)
        self._among = among = parents(evaluations, share)
        self._alone = CoordinateSearch()
        self._elsewhere = CoordinateSearch(smallest=_COARSE, best=True)
        self._asks, self._converged = 0, False
        self._informed: bool | None = None
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
        if self._informed is None:
            self._informed = any(one.id.rank == ELSEWHERE for one in individuals[: self._among])
        if self._informed or own < _ROUNDS * len(breeding.space):
            first = own = 0.0
        if breeding.id.serial < own:
            return self._alone(individuals, breeding)
        if self._asks % _LOOKS == 0:
            self._converged = _alike(individuals[: self._among], self._among, breeding.space)
        self._asks += 1
        if self._converged and breeding.generator.random() < _ALONE - first:
            return self._elsewhere(individuals, breeding)
        if self.normal:
            turn = rank if workers >= _NORMAL else int(breeding.generator.random() * _NORMAL)
            if turn % _NORMAL == _NORMAL - 1:
                return self._followed(breeding)(individuals, breeding)
        return self._together(individuals, breeding)

    def _followed(self, breeding: BreedingContext) -> CMAES:
        """Return the normal distribution, whose population suits the little that a rank among many comes to know."""
        if self._normal is None:
            from propulate_like.propagators.models.cma_es import usual_population

            genes = len(breeding.space)
            population = max(usual_population(genes), min(round(2.0 * breeding.workers**0.75), _RESULTS // genes))
            self._normal = CMAES(_STEP, population, self._among)
        return self._normal


def _alike(best: Sequence[Individual], size: int, space: Space) -> bool:
    """Return whether there are so many, and all about the same point."""
    if len(best) < size:
        return False
    genomes = map(space.canonical, (one.genome for one in best))
    center = next(genomes)
    return all(abs(gene - there) <= _NEAR for genome in genomes for gene, there in zip(genome, center))


def parents(evaluations: int | None = None, share: float = 1.0) -> int:
    """Return from how many to breed in so many evaluations, on an island with that share of the ranks."""
    suits = _MOST if evaluations is None else min(max(evaluations // 10, _FEWEST), _MOST)
    return suits if share == 1.0 else max(round(suits * share / 2), _FEWEST)


def genetic_chain(among: int) -> Propagator:
    """Return a self-adaptive genetic chain that breeds from the best `among`, once there are as many."""
    return Warmup(UniformInitialization(), _pairs(among), size=among)


def pareto_chain(among: int) -> Propagator:
    """Return a self-adaptive genetic chain for several losses."""
    pairs = Chain(
        SelectPareto(among), SelectRandom(2), UniformCrossover(0.8), SelfAdaptiveMutation(), RandomRestart(0.01)
    )
    return Warmup(UniformInitialization(), pairs, size=among)


def _together(among: int) -> Propagator:
    """Return what breeds from the best `among` by pairs, by means of many and by differences."""
    mean = Chain(SelectBest(among), SelectRandom(max(among // 2, 2)), MeanCrossover())
    ways = Choose(_pairs(among), mean, DifferentialEvolution(among), weights=_WEIGHTS)
    return Warmup(UniformInitialization(), ways, size=among)


def _pairs(among: int) -> Propagator:
    return Chain(SelectRanked(2, among=among), UniformCrossover(0.8), SelfAdaptiveMutation(), RandomRestart(0.01))
