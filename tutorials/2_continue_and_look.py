"""A run on disk: continue it with a larger budget, and look at failures, metrics and how the best was found."""

import tempfile
from pathlib import Path

import propulate_like as pl


@pl.objective(x=pl.Float(-2.0, 2.0), y=pl.Float(-2.0, 2.0))
def rosenbrock(x, y):
    """Fail where x is very low, as a training may. Failures are recorded, and never bred from."""
    if x < -1.9:
        message = "diverged"
        raise ArithmeticError(message)
    return {"loss": (1 - x) ** 2 + 100 * (y - x * x) ** 2, "distance": abs(x - 1) + abs(y - 1)}


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "rosenbrock"
        pl.minimize(rosenbrock, evaluations=1000, seed=0, run=run)
        result = pl.minimize(rosenbrock, evaluations=3000, seed=0, run=run)  # the remaining 2000
        print(f"best {result.best.value:.2g}, at a distance of {result.best.metrics['distance']:.2g}")
        print({str(status): count for status, count in result.statuses.items()})
        for improvement in result.trace[-3:]:
            print(f"after {improvement.evaluations} evaluations: {improvement.value:.2g}")


if __name__ == "__main__":
    main()
