"""The grids of the tables: what is trained, on what, with which values of which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Values = tuple[Any, ...]


class Grid(msgspec.Struct, frozen=True):
    """All combinations of the `values` of each parameter; strings have no order.

    `model` is trained (see MODELS) on the bundled data set `data`.
    """

    model: str
    data: str
    values: Mapping[str, Values]


_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
_DECAYS = (1e-5, 1e-3, 1e-1, 1.0)
_ACTIVATIONS = ("relu", "tanh", "logistic", "identity")
_SHAPE: dict[str, Values] = {"width": (4, 8, 16, 32, 64), "batch_size": (16, 32, 64)}
_PLAIN: dict[str, Values] = {
    "activation": _ACTIVATIONS,
    "solver": ("adam", "sgd"),
    "learning_rate_init": _RATES,
    "alpha": _DECAYS,
    **_SHAPE,
}
_SCALED: dict[str, Values] = {
    "scaler": ("none", "standard", "range", "quantile", "length"),
    "activation": _ACTIVATIONS[:3],
    "learning_rate_init": _RATES[2:],
    "width": (4, 8, 16, 32),
    "layers": (1, 2, 3),
    "batch_size": (16, 32, 64),
}
_MOMENTUM: dict[str, Values] = {
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "nesterovs_momentum": ("yes", "no"),
    "momentum": (0.0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99),
    "learning_rate_init": (*_RATES, 0.3),
    "batch_size": (8, 16, 32, 64, 128),
    "layers": (1, 2),
}
_ADAM: dict[str, Values] = {
    "activation": _ACTIVATIONS[:3],
    "beta_1": (0.0, 0.5, 0.8, 0.9, 0.95),
    "beta_2": (0.9, 0.99, 0.999, 0.9999),
    "epsilon": (1e-8, 1e-5, 1e-2),
    "learning_rate_init": _RATES,
    "layers": (1, 2, 3),
}
_REDUCED: dict[str, Values] = {
    "scaler": ("none", "standard", "range", "quantile"),
    "activation": _ACTIVATIONS,
    "components": (2, 4, 8, 16, 32),
    "learning_rate_init": _RATES[2:],
    "width": (8, 16, 32, 64),
    "alpha": (1e-4, 1e-2, 1.0),
}
_DEEP: dict[str, Values] = {
    "activation": _ACTIVATIONS,
    "solver": ("adam", "sgd"),
    "learning_rate_init": _RATES[1:],
    "width": (2, 4, 8, 16, 32, 64),
    "layers": (1, 2, 3, 4),
    "alpha": (1e-4, 1e-2, 1.0),
}
_MARGIN: dict[str, Values] = {
    "scaler": ("standard", "range", "quantile", "length"),
    "kernel": ("rbf", "poly", "sigmoid"),
    "C": (0.01, 0.1, 0.3, 1.0, 3.0, 30.0),
    "gamma": (0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
    "epsilon": (0.01, 0.2, 0.6),
    "coef0": (0.0, 0.5, 1.0),
}
_BOOSTING: dict[str, Values] = {
    "learning_rate": (0.03, 0.06, 0.1, 0.2, 0.4, 0.8),
    "max_depth": (1, 2, 3, 4),
    "subsample": (0.3, 0.5, 0.7, 0.9, 1.0),
    "max_features": ("sqrt", "log2", None),
    "min_samples_leaf": (1, 4, 12, 30),
}
_FOREST: dict[str, Values] = {
    "criterion": ("gini", "entropy"),
    "bootstrap": ("yes", "no"),
    "max_depth": (2, 4, 6, 8, 12),
    "max_features": (0.1, 0.2, 0.4, 0.7, 1.0),
    "min_samples_leaf": (1, 2, 4, 8, 16),
    "ccp_alpha": (0.0, 0.003, 0.01),
}
_LINEAR: dict[str, Values] = {
    "scaler": ("none", "standard", "range", "quantile", "length"),
    "loss": ("log_loss", "modified_huber"),
    "penalty": ("l2", "l1", "elasticnet"),
    "alpha": (1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    "learning_rate": ("constant", "optimal", "invscaling", "adaptive"),
    "eta0": (0.001, 0.01, 0.1, 1.0),
    "average": ("yes", "no"),
}
_NEIGHBORS: dict[str, Values] = {
    "scaler": ("none", "standard", "range", "quantile", "length"),
    "components": (3, 5, 8, 12, 18, 26),
    "n_neighbors": (1, 2, 3, 5, 8, 12, 18, 27),
    "weights": ("uniform", "distance"),
    "metric": ("euclidean", "manhattan", "chebyshev", "cosine"),
}

GRIDS = {
    "mlp_digits": Grid("network", "digits", _PLAIN),
    "mlp_cancer_scaled": Grid("network", "breast_cancer", _SCALED),
    "mlp_digits_momentum": Grid("descent", "digits", _MOMENTUM),
    "mlp_diabetes": Grid("regression", "diabetes", _DEEP),
    "svm_diabetes": Grid("margin", "diabetes", _MARGIN),
    "mlp_wine_adam": Grid("longer", "wine", _ADAM),
    "mlp_digits_reduced": Grid("longer", "digits", _REDUCED),
    "boosting_cancer": Grid("boosting", "breast_cancer", _BOOSTING),
    "mlp_parity": Grid("network", "parity", _PLAIN),
    "neighbors_digits": Grid("neighbors", "digits", _NEIGHBORS),
    "mlp_iris": Grid("longest", "iris", _DEEP),
    "mlp_diabetes_momentum": Grid("descent_regression", "diabetes", _MOMENTUM),
    "linear_digits": Grid("linear", "digits", _LINEAR),
    "forest_wine": Grid("forest", "wine", _FOREST),
    "boosting_diabetes": Grid("boosting_regression", "diabetes", _BOOSTING),
}
