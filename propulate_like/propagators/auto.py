"""The propagator chosen where none is named: several experts, mixed by what an evaluation costs and what is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from statistics import median
from typing import NamedTuple

from propulate_like.individual import Individual
from propulate_like.population import Reads
from propulate_like.propagators.chain import Chain, Warmup
from propulate_like.propagators.cma_es import CMAES
from propulate_like.propagators.crossover import UniformCrossover
from propulate_like.propagators.initialization import CenteredInitialization, RandomRestart, UniformInitialization
from propulate_like.propagators.mutation import SelfAdaptiveMutation
from propulate_like.propagators.propagator import Breeding, Propagator
from propulate_like.propagators.quadratic import QuadraticModel
from propulate_like.propagators.selection import SelectRanked
from propulate_like.propagators.trust_region import TrustRegion
from propulate_like.space import Space

_FEWEST, _MOST = 4, 40  # individuals to breed from
_LOOKS = 16  # asks between two looks at what evaluations cost
_TIMED = 9  # individuals
_MODEL_SHARE = 0.02  # of an evaluation's time that an ask may take
_QUADRATIC_FROM, _CHAIN_FROM, _CMAES_FROM = 2, 20, 150  # results per parameter


class _Expert(NamedTuple):
    """A propagator, its share of the asks once so many results per parameter are known, and what an ask costs."""

    propagator: Propagator
    share: Callable[[float], float]
    seconds: Callable[[int], float]
    """By the number of parameters: measured on one core of 2020, refits included."""


class Auto(Propagator):
    """Several experts; which one breeds is drawn anew for each individual.

    While nothing is known of how long an evaluation takes, and until a model can be made, points lie around the center.
    Experts whose ask takes more than a fiftieth of an evaluation's time are left out: where evaluations are cheap, a
    genetic chain remains, whose population suits the number of `evaluations`. One of several islands, with that `share`
    of the ranks, breeds from half its share of that: what else it needs comes from the others.
    """

    takes = (0, None)
    traits = 1

    def __init__(self, evaluations: int | None = None, share: float = 1.0) -> None:
        self.evaluations, self.share = evaluations, share
        self._chain = genetic_chain(evaluations, share)
        self._initial = CenteredInitialization()
        self._experts = (
            _Expert(TrustRegion(), lambda _: 0.6, lambda size: 3e-3 + 4e-5 * size**2),
            _Expert(
                QuadraticModel(), lambda known: 0.4 * (known >= _QUADRATIC_FROM), lambda size: 5e-4 + 1e-5 * size**2
            ),
            _Expert(genetic_chain(None), lambda known: 0.15 * (known >= _CHAIN_FROM), lambda _: 1e-5),
            _Expert(CMAES(), lambda known: 0.25 * (known >= _CMAES_FROM), lambda _: 1e-4),
        )
        self._dear = self._experts[0].propagator.reads | Reads(best=_MOST)
        self._cheap = self._chain.reads
        self.reads = self._dear
        self._asks = 0
        self._affordable: tuple[_Expert, ...] = ()

    def __call__(self, individuals: Sequence[Individual], breeding: Breeding) -> Sequence[Individual]:
        known = len(individuals)
        if self._asks % _LOOKS == 0 or not self._affordable:
            self._look(individuals, breeding.space)
        self._asks += known > 0
        if not known:
            return self._initial(individuals, breeding)
        if self.reads is self._cheap:
            return self._chain(individuals, breeding)
        return self._drawn(known / len(breeding.space), breeding)(individuals, breeding)

    def _look(self, individuals: Sequence[Individual], space: Space) -> None:
        """See which experts an evaluation's time affords."""
        times = [individual.seconds for individual in individuals[:_TIMED]]
        if not times:
            return
        allowed = _MODEL_SHARE * median(times)
        size = len(space)
        self._affordable = tuple(expert for expert in self._experts if expert.seconds(size) <= allowed)
        models = any(isinstance(expert.propagator, QuadraticModel) for expert in self._affordable)
        self.reads = self._dear if models else self._cheap

    def _drawn(self, known: float, breeding: Breeding) -> Propagator:
        """Draw the expert that breeds next."""
        shares = list(accumulate(expert.share(known) for expert in self._affordable))
        place = breeding.generator.random() * shares[-1]
        return next(expert.propagator for expert, share in zip(self._affordable, shares) if place < share)


def genetic_chain(evaluations: int | None = None, share: float = 1.0) -> Propagator:
    """Give a self-adaptive genetic chain whose population suits the number of evaluations, if that is known."""
    suits = _MOST if evaluations is None else min(max(evaluations // 10, _FEWEST), _MOST)
    among = suits if share == 1.0 else max(round(suits * share / 2), _FEWEST)
    chain = Chain(
        SelectRanked(2, among=among),
        UniformCrossover(0.8),
        SelfAdaptiveMutation(),
        RandomRestart(0.01),
    )
    return Warmup(UniformInitialization(), chain, size=among)
