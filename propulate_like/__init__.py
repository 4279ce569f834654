"""Asynchronous evolutionary search for hyperparameters, on every MPI rank, without a head node or a barrier.

Where Optuna is installed there is `PropagatorSampler` as well, which is not among the names of `import *`, as a rank
loads no Optuna.
"""

from propulate_like.foundation import early_signals  # noqa: F401 (it comes first, as all else takes a while to load)

# isort: split

from typing import TYPE_CHECKING, Any

from propulate_like.evaluation.command import Command
from propulate_like.evaluation.context import Evaluation
from propulate_like.evaluation.objective import objective
from propulate_like.evaluation.pruning import (
    AnyPruner,
    Curves,
    LearningCurvePruner,
    MedianPruner,
    PatiencePruner,
    PercentilePruner,
    Pruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from propulate_like.evaluation.settings import EvaluationSettings
from propulate_like.evaluation.trial import Trial
from propulate_like.foundation.parts import PartError
from propulate_like.integrations.mlflow import MLflowCallback
from propulate_like.integrations.optuna import sources as sources
from propulate_like.integrations.optuna.callback import OptunaCallback
from propulate_like.integrations.optuna.propagator import OptunaPropagator
from propulate_like.integrations.optuna.pruner import OptunaPruner
from propulate_like.integrations.tensorboard import TensorBoardCallback
from propulate_like.integrations.wandb import WandbCallback
from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import Status
from propulate_like.population.population import Requirements
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.parameters import Choice, Float, Int, Ordinal, Parameter
from propulate_like.problem.space import Space
from propulate_like.propagators import (
    CMAES,
    Auto,
    BreedingContext,
    CenteredInitialization,
    Chain,
    Choose,
    CoordinateSearch,
    DifferentialEvolution,
    Evolution,
    GaussianMutation,
    LatinHypercubeInitialization,
    MeanCrossover,
    MixedGaussianProcess,
    MultiParentCrossover,
    ParetoGaussianProcess,
    PointMutation,
    Propagator,
    QuadraticModel,
    RandomPointMutation,
    RandomRestart,
    SelectBest,
    Selection,
    SelectPareto,
    SelectRandom,
    SelectRanked,
    SelectTournament,
    SelectWorst,
    SelfAdaptiveMutation,
    SigmoidCrossover,
    SobolInitialization,
    Sometimes,
    TrustRegion,
    UniformCrossover,
    UniformInitialization,
    Variation,
    Warmup,
)
from propulate_like.search.callbacks import Callback, WatchedSearch
from propulate_like.search.islands.migration import Islands
from propulate_like.search.islands.topologies import Full, Hypercube, RandomRegular, Ring, Star, Topology, Torus
from propulate_like.search.minimize import maximize, minimize
from propulate_like.search.optimizer import Optimizer
from propulate_like.search.result import Result, SearchFailed
from propulate_like.storage.run import Run
from propulate_like.storage.warm_start import WarmStart

if TYPE_CHECKING:
    from propulate_like.integrations.optuna.sampler import PropagatorSampler as PropagatorSampler

__version__ = "0.1.0"

__all__ = [
    "CMAES",
    "AnyPruner",
    "Auto",
    "BreedingContext",
    "Callback",
    "CenteredInitialization",
    "Chain",
    "Choice",
    "Choose",
    "Command",
    "CoordinateSearch",
    "Curves",
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
    "MLflowCallback",
    "MeanCrossover",
    "MedianPruner",
    "MixedGaussianProcess",
    "MultiParentCrossover",
    "Optimizer",
    "OptunaCallback",
    "OptunaPropagator",
    "OptunaPruner",
    "Ordinal",
    "Parameter",
    "ParetoGaussianProcess",
    "PartError",
    "PatiencePruner",
    "PercentilePruner",
    "PointMutation",
    "Propagator",
    "Pruner",
    "QuadraticModel",
    "RandomPointMutation",
    "RandomRegular",
    "RandomRestart",
    "Requirements",
    "Result",
    "Ring",
    "Run",
    "SearchFailed",
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
    "Space",
    "Star",
    "Status",
    "SuccessiveHalvingPruner",
    "TensorBoardCallback",
    "ThresholdPruner",
    "Topology",
    "Torus",
    "Trial",
    "TrustRegion",
    "UniformCrossover",
    "UniformInitialization",
    "Variation",
    "WandbCallback",
    "WarmStart",
    "Warmup",
    "WatchedSearch",
    "maximize",
    "minimize",
    "objective",
]


def __getattr__(name: str) -> Any:
    """Return what needs a library that is loaded only when it is used."""
    if name == "PropagatorSampler":
        from propulate_like.integrations.optuna.sampler import PropagatorSampler

        return PropagatorSampler
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
