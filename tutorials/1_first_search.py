"""The first search: decorate a loss, and minimize it.

Run as `python 1_first_search.py`, or on four ranks as `mpiexec -n 4 python 1_first_search.py`.
"""

import math

import propulate_like as pl


@pl.objective(
    learning_rate=pl.Float(1e-5, 1e-1, log=True),
    layers=pl.Int(1, 8),
    width=pl.Ordinal(16, 32, 64, 128),
    optimizer=pl.Choice("adam", "sgd"),
    momentum=pl.Float(0.0, 0.99, when={"optimizer": "sgd"}),
)
def train(learning_rate, layers, width, optimizer, momentum=0.0):
    """Imitate a training: the best is sgd with momentum 0.9, 3 layers of 64, and a learning rate of 0.001."""
    loss = (math.log10(learning_rate) + 3) ** 2 + abs(layers - 3) + abs(math.log2(width) - 6)
    return loss + (1.0 if optimizer == "adam" else (momentum - 0.9) ** 2)


if __name__ == "__main__":
    result = pl.minimize(train, evaluations=2000, seed=0)
    if result.is_root:  # one rank prints, however many there are
        print(f"loss {result.best.value:.2g} with {result.best.params}")
