"""Training a neural network on scikit-learn's handwritten digits: 1797 images of 8 x 8 pixels, ten classes."""

import warnings
from functools import cache
from typing import Any

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier


@cache
def data() -> tuple[Any, Any]:
    images, labels = load_digits(return_X_y=True)
    return images / 16.0, labels


def train(
    layers: int,
    width: int,
    activation: str,
    optimizer: str,
    learning_rate: float,
    weight_decay: float,
    batch_size: int,
    epochs: int,
    momentum: float = 0.9,
    beta: float = 0.9,
) -> dict[str, float]:
    """Give the error (and accuracy) of a multilayer perceptron, cross-validated over three folds."""
    network = MLPClassifier(
        hidden_layer_sizes=(width,) * layers,
        activation=activation,
        solver=optimizer,
        learning_rate_init=learning_rate,
        alpha=weight_decay,
        batch_size=batch_size,
        max_iter=epochs,
        momentum=momentum,
        beta_1=beta,
        random_state=0,
    )
    folds = StratifiedKFold(n_splits=3, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few epochs are meant to be few
        scores = cross_val_score(network, *data(), cv=folds, error_score="raise")
    accuracy = float(scores.mean())
    return {"loss": 1.0 - accuracy, "accuracy": accuracy}
