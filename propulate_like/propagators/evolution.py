"""Evolution where evaluations are cheap: each rank alone at first, then all together."""

from __future__ import annotations

from collections.abc import Sequence

from propulate_like import declarations
from propulate_like.individual import Individual
from propulate_like.propagators.chain import Chain, Choose, Warmup
from propulate_like.propagators.cma_es import CMAES
from propulate_like.propagators.coordinate_search import CoordinateSearch
from propulate_like.propagators.crossover import MeanCrossover, UniformCrossover
from propulate_like.propagators.initialization import RandomRestart, UniformInitialization
from propulate_like.propagators.mutation import SelfAdaptiveMutation
from propulate_like.propagators.propagator import Breeding, Propagator
from propulate_like.propagators.selection import SelectBest, SelectRandom, SelectRanked

_FEWEST, _MOST = 4, 40  # individuals to breed from
_ALONE = 0.5  # of a rank's evaluations
_ROUNDS = 3  # evaluations a gene that a search alone needs to be of use
_NORMAL = 4  # one in so many ranks, or asks, follows a normal distribution
_MEANS = 0.1  # of the newborns


class Evolution(Propagator):
    """Coordinate search by each rank alone for half of its evaluations, and then a genetic chain for all together.

    So ranks find different funnels of the loss, and the better ones are known as such before it comes to breeding from
    the best of all. `evaluations` are those of all ranks: where they are unknown, or too few, all begin together. With
    `normal`, every fourth rank follows CMA-ES instead of the chain, which takes ten times as long as that, and needs
    NumPy. One of several islands, with that `share` of the ranks, breeds from half its share of individuals.
    """

    takes = (0, None)

    def __init__(self, evaluations: int | None = None, share: float = 1.0, normal: bool = True) -> None:
        """ValueError where `evaluations` is below 1 or `share` not in (0, 1]."""
        self.evaluations = None if evaluations is None else declarations.whole("evaluations", evaluations, 1)
        self.share = declarations.number("share", share, 0.0, 1.0, above=True)
        self.normal = normal
        suits = _MOST if evaluations is None else min(max(evaluations // 10, _FEWEST), _MOST)
        among = suits if share == 1.0 else max(round(suits * share / 2), _FEWEST)
        self._alone = CoordinateSearch()
        self._together = genetic_chain(among)
        self._normal = CMAES(shared=among) if normal else None
        self.reads, self.traits = self._together.reads, self._together.traits
        if self._normal is not None:
            self.reads |= self._normal.reads

    def __call__(self, individuals: Sequence[Individual], breeding: Breeding) -> Sequence[Individual]:
        workers, rank = breeding.workers, breeding.id.rank
        own = _ALONE * self.evaluations / workers if self.evaluations else 0.0
        if breeding.id.serial < own >= _ROUNDS * len(breeding.space):
            return self._alone(individuals, breeding)
        if self._normal is not None:
            turn = rank if workers >= _NORMAL else int(breeding.generator.random() * _NORMAL)
            if turn % _NORMAL == _NORMAL - 1:
                return self._normal(individuals, breeding)
        return self._together(individuals, breeding)


def genetic_chain(among: int) -> Propagator:
    """Give a self-adaptive genetic chain that breeds from the best `among`, once there are as many."""
    pair = Chain(SelectRanked(2, among=among), UniformCrossover(0.8), SelfAdaptiveMutation(), RandomRestart(0.01))
    mean = Chain(SelectBest(among), SelectRandom(max(among // 2, 2)), MeanCrossover())
    return Warmup(UniformInitialization(), Choose(pair, mean, weights=[1.0 - _MEANS, _MEANS]), size=among)
