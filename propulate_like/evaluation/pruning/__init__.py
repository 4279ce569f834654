"""Pruning: stopping unpromising evaluations early, by what a rank knows at that moment."""

from propulate_like.evaluation.pruning.curves import Curve, Curves, Point
from propulate_like.evaluation.pruning.learning_curve import LearningCurvePruner
from propulate_like.evaluation.pruning.pruner import PRUNERS, Pruner, PrunerState
from propulate_like.evaluation.pruning.rules import (
    AnyPruner,
    MedianPruner,
    PatiencePruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)

__all__ = [
    "PRUNERS",
    "AnyPruner",
    "Curve",
    "Curves",
    "LearningCurvePruner",
    "MedianPruner",
    "PatiencePruner",
    "PercentilePruner",
    "Point",
    "Pruner",
    "PrunerState",
    "SuccessiveHalvingPruner",
    "ThresholdPruner",
]
