"""Propagators: the steps that breed the next individual from the population a rank knows."""

from propulate_like.propagators.auto import Auto, auto
from propulate_like.propagators.chain import Chain, Choose, Sometimes, Warmup
from propulate_like.propagators.cma_es import CMAES
from propulate_like.propagators.coordinate_search import CoordinateSearch
from propulate_like.propagators.crossover import MeanCrossover, MultiParentCrossover, SigmoidCrossover, UniformCrossover
from propulate_like.propagators.differential import DifferentialEvolution
from propulate_like.propagators.evolution import Evolution
from propulate_like.propagators.initialization import (
    CenteredInitialization,
    LatinHypercubeInitialization,
    RandomRestart,
    SobolInitialization,
    UniformInitialization,
)
from propulate_like.propagators.mixed import MixedGaussianProcess
from propulate_like.propagators.model_based import QuadraticModel, TrustRegion
from propulate_like.propagators.mutation import (
    GaussianMutation,
    PointMutation,
    RandomPointMutation,
    SelfAdaptiveMutation,
)
from propulate_like.propagators.pareto import SelectPareto
from propulate_like.propagators.pareto_model import ParetoGaussianProcess
from propulate_like.propagators.propagator import PROPAGATORS, BreedingContext, Propagator, Selection, Variation
from propulate_like.propagators.selection import (
    SelectBest,
    SelectRandom,
    SelectRanked,
    SelectTournament,
    SelectWorst,
)

__all__ = [
    "CMAES",
    "PROPAGATORS",
    "Auto",
    "BreedingContext",
    "CenteredInitialization",
    "Chain",
    "Choose",
    "CoordinateSearch",
    "DifferentialEvolution",
    "Evolution",
    "GaussianMutation",
    "LatinHypercubeInitialization",
    "MeanCrossover",
    "MixedGaussianProcess",
    "MultiParentCrossover",
    "ParetoGaussianProcess",
    "PointMutation",
    "Propagator",
    "QuadraticModel",
    "RandomPointMutation",
    "RandomRestart",
    "SelectBest",
    "SelectPareto",
    "SelectRandom",
    "SelectRanked",
    "SelectTournament",
    "SelectWorst",
    "Selection",
    "SelfAdaptiveMutation",
    "SigmoidCrossover",
    "SobolInitialization",
    "Sometimes",
    "TrustRegion",
    "UniformCrossover",
    "UniformInitialization",
    "Variation",
    "Warmup",
    "auto",
]
