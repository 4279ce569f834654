"""Training a neural network on scikit-learn's handwritten digits: 1797 images of 8 x 8 pixels, ten classes."""

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
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
    """Return the error (and accuracy) of a multilayer perceptron, cross-validated over three folds."""
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


def train_by_epochs(
    layers: int, width: int, learning_rate: float, weight_decay: float, batch_size: int
) -> Iterator[float]:
    """Yield the cross entropy of held-out images after each of 27 epochs, so that a pruner may stop the training."""
    network = MLPClassifier(
        hidden_layer_sizes=(width,) * layers,
        learning_rate_init=learning_rate,
        alpha=weight_decay,
        batch_size=batch_size,
        random_state=0,
    )
    images, held_out, labels, expected = train_test_split(*data(), test_size=0.33, random_state=0)
    for _ in range(27):
        network.partial_fit(images, labels, classes=range(10))
        yield log_loss(expected, network.predict_proba(held_out), labels=range(10))
