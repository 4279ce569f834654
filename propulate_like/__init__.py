"""Asynchronous evolutionary search for hyperparameters, on every MPI rank, without a head node or a barrier."""

from propulate_like import starting  # noqa: F401 (it comes first, as all else takes a while to load)
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.context import Evaluation
from propulate_like.evaluation.objective import objective
from propulate_like.evaluation.settings import EvaluationSettings
from propulate_like.fidelity import Fidelity
from propulate_like.individual import Id, Individual, Status
from propulate_like.islands.migration import Islands
from propulate_like.islands.topologies import Full, Hypercube, RandomRegular, Ring, Star, Topology, Torus
from propulate_like.optimizer import Optimizer
from propulate_like.propagators import (
    CMAES,
    Breeding,
    Chain,
    Choose,
    CoordinateSearch,
    DifferentialEvolution,
    Evolution,
    GaussianMutation,
    LatinHypercubeInitialization,
    MeanCrossover,
    MultiParentCrossover,
    PointMutation,
    Propagator,
    RandomPointMutation,
    RandomRestart,
    SelectBest,
    SelectRandom,
    SelectRanked,
    SelectTournament,
    SelectWorst,
    SelfAdaptiveMutation,
    SigmoidCrossover,
    SobolInitialization,
    Sometimes,
    UniformCrossover,
    UniformInitialization,
    Variation,
    Warmup,
)
from propulate_like.pruning import (
    AnyPruner,
    LearningCurvePruner,
    MedianPruner,
    OptunaPruner,
    PatiencePruner,
    PercentilePruner,
    Pruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from propulate_like.result import Result, SearchFailed
from propulate_like.search import maximize, minimize
from propulate_like.space import Choice, Float, Int, Ordinal, Space

__version__ = "0.1.0"

__all__ = [
    "CMAES",
    "AnyPruner",
    "Breeding",
    "Chain",
    "Choice",
    "Choose",
    "Command",
    "CoordinateSearch",
    "DifferentialEvolution",
    "Evaluation",
    "EvaluationSettings",
    "Evolution",
    "Fidelity",
    "Float",
    "Full",
    "GaussianMutation",
    "Hypercube",
    "Id",
    "Individual",
    "Int",
    "Islands",
    "LatinHypercubeInitialization",
    "LearningCurvePruner",
    "MeanCrossover",
    "MedianPruner",
    "MultiParentCrossover",
    "Optimizer",
    "OptunaPruner",
    "Ordinal",
    "PatiencePruner",
    "PercentilePruner",
    "PointMutation",
    "Propagator",
    "Pruner",
    "RandomPointMutation",
    "RandomRegular",
    "RandomRestart",
    "Result",
    "Ring",
    "SearchFailed",
    "SelectBest",
    "SelectRandom",
    "SelectRanked",
    "SelectTournament",
    "SelectWorst",
    "SelfAdaptiveMutation",
    "SigmoidCrossover",
    "SobolInitialization",
    "Sometimes",
    "Space",
    "Star",
    "Status",
    "SuccessiveHalvingPruner",
    "ThresholdPruner",
    "Topology",
    "Torus",
    "UniformCrossover",
    "UniformInitialization",
    "Variation",
    "Warmup",
    "maximize",
    "minimize",
    "objective",
]
