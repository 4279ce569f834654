"""The default propagator: it chooses experts by the cost of an evaluation and the kinds of parameters."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.population.individual import Individual
from propulate_like.population.population import MODELED, Requirements
from propulate_like.problem.space import Space
from propulate_like.propagators.chain import Choose
from propulate_like.propagators.cma_es import CMAES
from propulate_like.propagators.crossover import UniformCrossover
from propulate_like.propagators.evolution import Evolution, genetic_chain, parents, pareto_chain
from propulate_like.propagators.initialization import CenteredInitialization, UniformInitialization
from propulate_like.propagators.mixed import MixedGaussianProcess
from propulate_like.propagators.model_based import QuadraticModel, TrustRegion
from propulate_like.propagators.pareto_model import ParetoGaussianProcess
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

_LOOKS = 16  # asks between two measurements of the cost of evaluations
# docs/decisions.md, "The cost of an ask is written down"
_TIMED = 9  # evaluations whose duration counts, the rank's own where there are any
# docs/decisions.md, "An ask may take a third of an evaluation"
_LONG, _SHARE = 0.02, 1 / 3  # an ask of up to 20 ms may take this share of an evaluation's duration
_SMALL_SHARE = 0.02  # the share for a longer ask
# docs/decisions.md, "Several losses have half as many parents"
_FEWEST = 5  # individuals to breed from with several losses
# docs/decisions.md, "Warm-started ranks do not search alone"
_UNKNOWN = 60.0  # seconds: evaluations count as expensive until one is timed
# docs/decisions.md, "Half of the asks go by what experts have earned"
_CREDITED = 20  # best individuals that earn their expert a larger share
_MODELED = 0.85  # share of asks by models of several losses
_ARRAYS = 5e-3  # seconds per evaluation from which an ask may use NumPy, which takes about 0.1 ms


class _Expert(NamedTuple):
    """A propagator among several.

    Attributes:
        propagator: The propagator.
        origin: The prefix of its individuals' origins.
        share: Its relative share of the asks.
        fewest: The number of results per parameter from which on it is used.
    """

    propagator: Propagator
    origin: str = ""
    share: float = 1.0
    fewest: float = 0.0


def auto(evaluations: int | None = None, share: float = 1.0, *, rungs: bool = False, losses: int = 1) -> Propagator:
    """Return the default propagator: `Auto`, or for several losses or a fidelity one that begins with a genetic chain.

    Args:
        evaluations: The evaluations of all ranks, or None where they are unknown.
        share: The share of all ranks on this island, in (0, 1].
        rungs: Whether the search has a fidelity.
        losses: The number of losses.
    """
    if losses > 1:
        chain = pareto_chain(max(parents(evaluations, share) // 2, _FEWEST))
        return chain if rungs else _AutoFront(chain)
    return genetic_chain(parents(evaluations, share)) if rungs else Auto(evaluations, share)


class Auto(Propagator):
    """Experts that are chosen by the cost of an evaluation.

    An ask may take at most 2 % of an evaluation's duration, or a third of it where that is no more than 20 ms.

    Where evaluations are expensive, a Gaussian process breeds: one for parameters of any kind or, where all are
    continuous, one in a trust region, together with a quadratic model, a genetic chain, and later CMA-ES. Where
    evaluations are cheaper, the Gaussian process is left out; where they are cheap, only `Evolution` is used. For each
    individual an expert is drawn at random, half by fixed shares and half by how many of the best individuals each has
    bred; the individual's origin names it.

    Args:
        evaluations: The evaluations of all ranks, at least 1, or None where they are unknown.
        share: The share of all ranks on this island, in (0, 1].
    """

    by_loss = True
    takes: Arity = (0, None)

    def __init__(self, evaluations: int | None = None, share: float = 1.0) -> None:
        """Check the arguments.

        Raises:
            ValueError: `evaluations` is below 1, or `share` is not in (0, 1].
        """
        self._initial = CenteredInitialization()
        self._cheapest = Evolution(evaluations, share, normal=False)
        self._cheap = Evolution(evaluations, share)
        self.evaluations: int | None = self._cheap.evaluations
        self.share: float = self._cheap.share
        chain = genetic_chain(parents())
        # docs/decisions.md, "Trust region and quadratic model share asks 60 to 40"
        self._local = (
            _Expert(TrustRegion(), TrustRegion.name, 0.6),
            _Expert(QuadraticModel(), QuadraticModel.name, 0.4, 2.0),
            _Expert(chain, UniformCrossover.name, 0.15, 20.0),
            _Expert(CMAES(), CMAES.name, 0.25, 150.0),
        )
        self._mixed = Choose(MixedGaussianProcess(), UniformInitialization(), weights=[0.93, 0.07])
        self.traits: int = chain.traits
        self.requirements: Requirements = MODELED
        self._asks = 0
        self._times: deque[float] = deque(maxlen=_TIMED)
        self._experts: tuple[_Expert, ...] = ()

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if not len(individuals):
            return self._initial(individuals, breeding)
        if breeding.last is not None and breeding.last.has_loss:
            self._times.append(breeding.last.seconds)
        if self._asks % _LOOKS == 0:
            models = 1 + len(individuals[0].constraints)
            self._choose(_duration(self._times, individuals), breeding.space, models)
        self._asks += 1
        if len(self._experts) == 1:
            return self._experts[0].propagator(individuals, breeding)
        known = len(individuals) / len(breeding.space)
        ready = [expert for expert in self._experts if known >= expert.fewest]
        (chosen,) = breeding.generator.choices(ready, _shares(ready, individuals[:_CREDITED]))
        return chosen.propagator(individuals, breeding)

    def _choose(self, seconds: float, space: Space, models: int) -> None:
        """Choose the experts for a duration of evaluations.

        Args:
            seconds: The duration of an evaluation.
            space: The space.
            models: The number of models that an ask needs: one of the loss, and one of each constraint.
        """
        allowed = _allowed(seconds) / models
        self._experts = self._models(allowed, space) if seconds >= _ARRAYS else (_Expert(self._cheapest),)
        self.requirements = self._experts[0].propagator.requirements if len(self._experts) == 1 else MODELED

    def _models(self, allowed: float, space: Space) -> tuple[_Expert, ...]:
        """Return the experts whose asks take no longer than `allowed` seconds."""
        _, quadratic, chain, normal = self._local
        if not _continuous(space):
            return (_Expert(self._mixed if allowed >= _mixed_seconds(space) else self._cheap),)
        if allowed >= _region_seconds(len(space)):
            return self._local
        if allowed >= _quadratic_seconds(len(space)):
            return quadratic, chain._replace(fewest=0.0), normal._replace(fewest=0.0, share=0.4)
        return (_Expert(self._cheap),)


class _AutoFront(Propagator):
    """The default propagator for several losses: a Gaussian process of each where evaluations are expensive.

    A share of the asks is left to a genetic chain, which breeds alone where evaluations are cheap.

    Args:
        chain: The chain.
    """

    takes: Arity = (0, None)

    def __init__(self, chain: Propagator) -> None:
        self._chain, self._model = chain, ParetoGaussianProcess()
        self._models = Choose(self._model, chain, weights=[_MODELED, 1.0 - _MODELED])
        self._modeled = False
        self._asks = 0
        self._times: deque[float] = deque(maxlen=_TIMED)
        self.traits: int = chain.traits
        self.requirements: Requirements = chain.requirements | MODELED

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if not len(individuals):
            return self._model.initial(individuals, breeding)
        if breeding.last is not None and breeding.last.has_loss:
            self._times.append(breeding.last.seconds)
        if self._asks % _LOOKS == 0:
            seconds = _duration(self._times, individuals)
            models = breeding.losses + len(individuals[0].constraints)
            self._modeled = seconds >= _ARRAYS and _allowed(seconds) / models >= _mixed_seconds(breeding.space)
            self.requirements = self._chain.requirements | (MODELED if self._modeled else Requirements())
        self._asks += 1
        return (self._models if self._modeled else self._chain)(individuals, breeding)

    def __repr__(self) -> str:
        return "auto"


def _duration(times: Sequence[float], individuals: Sequence[Individual]) -> float:
    """Return the typical duration of an evaluation in seconds: of the rank's own where there are any."""
    return median(times or [one.seconds for one in individuals[:_TIMED] if one.seconds] or [_UNKNOWN])


def _allowed(seconds: float) -> float:
    """Return the seconds that an ask may take where evaluations have this duration."""
    return max(_SMALL_SHARE * seconds, min(_SHARE * seconds, _LONG))


def _shares(experts: Sequence[_Expert], best: Sequence[Individual]) -> list[float]:
    """Return each expert's weight: half by its declared share, half by how many of the best it has bred."""
    origins = [individual.origin.partition("+")[0] for individual in best]
    bred = [origins.count(expert.origin) for expert in experts]
    declared, earned = sum(expert.share for expert in experts), max(sum(bred), 1)
    return [expert.share / declared + count / earned for expert, count in zip(experts, bred)]


def _continuous(space: Space) -> bool:
    """Return whether all parameters are continuous and unconditional."""
    return all(parameter.levels is None and not parameter.when for parameter in space.parameters)


def _region_seconds(size: int) -> float:
    """Return the seconds of a `TrustRegion` ask for `size` parameters on a core of 2020, new models included."""
    return 3e-3 + 4e-5 * size**2


@undisturbed
def _quadratic_seconds(size: int) -> float:
    """Return the seconds of a `QuadraticModel` ask for `size` parameters on a core of 2020."""
    from propulate_like.propagators.models.quadratic import coefficients

    return 5e-4 + 2.2e-10 * coefficients(size) ** 3


def _mixed_seconds(space: Space) -> float:
    """Return the seconds of a `MixedGaussianProcess` ask in a space on a core of 2020."""
    options = sum(parameter.levels or 0 for parameter in space.parameters if not parameter.ordered)
    return 4e-3 + 5e-4 * len(space) + 2.5e-5 * options
