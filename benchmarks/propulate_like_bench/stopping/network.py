"""The training job: a multilayer perceptron in PyTorch, on scikit-learn's 1797 handwritten digits of 8 x 8 pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import cross_entropy

import propulate_like as pl

EPOCHS = 81
SPACE = pl.Space(
    {
        "learning_rate": pl.Float(1e-4, 2.0, log=True),
        "momentum": pl.Float(0.0, 0.99),
        "weight_decay": pl.Float(1e-6, 1e-1, log=True),
        "dropout": pl.Float(0.0, 0.7),
        "width": pl.Ordinal(16, 32, 64, 128),
        "layers": pl.Int(1, 3),
        "batch": pl.Ordinal(32, 64, 128, 256),
    }
)


@cache
def data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return images and digits for training (1203 of them), and the same for validation (594)."""
    images, digits = load_digits(return_X_y=True)
    parts = train_test_split((images / 16).astype("float32"), digits, test_size=0.33, random_state=0, stratify=digits)
    x, v, y, w = (torch.as_tensor(part) for part in parts)
    return x, y, v, w


def build(width: int, layers: int, dropout: float) -> nn.Sequential:
    """Return the untrained network."""
    sizes = pairwise([64, *[width] * layers])
    hidden = [[nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)] for inputs, outputs in sizes]
    return nn.Sequential(*[part for block in hidden for part in block], nn.Linear(width, 10))


def train(
    params: Mapping[str, Any], epochs: int, seed: int, state: Mapping[str, Any] | None = None
) -> Iterator[tuple[float, Mapping[str, Any]]]:
    """Yield the validation loss and the weights after each epoch, from the weights `state` on where they fit."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    x, y, v, w = data()
    network = build(params["width"], params["layers"], params["dropout"])
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if state is not None and {name: tensor.shape for name, tensor in state.items()} == shapes:
        network.load_state_dict(state)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=params["learning_rate"],
        momentum=params["momentum"],
        weight_decay=params["weight_decay"],
        nesterov=params["momentum"] > 0,
    )
    for _ in range(epochs):
        network.train()
        for part in torch.randperm(len(x)).split(params["batch"]):
            optimizer.zero_grad()
            cross_entropy(network(x[part]), y[part]).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            yield cross_entropy(network(v), w).item(), network.state_dict()
