"""Energy against loss: what each evaluation cost in joules, and which evaluations no other beats in both.

Needs `pip install scikit-learn`, and a sensor: an NVIDIA GPU (`pip install nvidia-ml-py`), or a CPU whose RAPL counters
in /sys/class/powercap may be read, which only root may on most machines. Where there is no sensor, one line says so,
and the search goes on without it. Run as `python 7_energy.py`.
"""

import warnings

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

import propulate_like as pl

IMAGES, DIGITS = load_digits(return_X_y=True)


@pl.objective(
    width=pl.Int(4, 256, log=True),
    epochs=pl.Int(1, 30, log=True),
    learning_rate=pl.Float(1e-4, 1e-1, log=True),
)
def train(width, epochs, learning_rate):
    """Return the cross-validated error of a small network."""
    network = MLPClassifier((width,), max_iter=epochs, learning_rate_init=learning_rate, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return 1.0 - float(cross_val_score(network, IMAGES / 16, DIGITS, cv=2).mean())


def undominated(individuals, cost):
    """Return the individuals that are better than all cheaper ones, the cheapest first."""
    front = []
    for individual in sorted(individuals, key=cost):
        if not front or individual.loss < front[-1].loss:
            front.append(individual)
    return front


def main():
    result = pl.minimize(train, evaluations=60, seed=0, evaluation={"energy": True})
    measured = [individual for individual in result.individuals if "energy" in individual.metrics]
    name, cost = "joules", (lambda individual: individual.metrics["energy"])
    if not measured:  # no sensor here: use seconds instead
        measured, name, cost = result.individuals, "seconds", (lambda individual: individual.seconds)
    print(f"loss {result.best.loss:.3f} with {result.best.params}")
    print(f"{name:>10} {'loss':>8}")
    for individual in undominated(measured, cost):
        print(f"{cost(individual):10.3g} {individual.loss:8.3f}  {individual.params}")


if __name__ == "__main__":
    main()
