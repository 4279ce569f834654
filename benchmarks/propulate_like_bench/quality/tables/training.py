"""How the tables are made: every point of a grid is a model that is really trained.

`python -m propulate_like_bench.quality.tables.training --jobs 4` makes anew those that are missing, on all grids
some 30 minutes of one core. A point's loss is the mean over `SPLITS` splits into training and validation halves.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import product
from time import perf_counter
from typing import Any

import numpy as np
import sklearn
from sklearn import datasets
from sklearn.model_selection import train_test_split

from propulate_like.population.training_data import Array
from propulate_like_bench.arguments import count
from propulate_like_bench.quality.tables import FOLDER
from propulate_like_bench.quality.tables.grids import GRIDS, Grid
from propulate_like_bench.quality.tables.models import MODELS

SPLITS = 3
_ROWS = 400  # of each data set: larger ones are thinned, so that a fit takes milliseconds
_DOUBT = 0.02  # of the probability that goes to all classes alike, so that the log loss is bounded
_WORST = 4.0  # of a regression's loss, in variances: what diverges is no worse

Division = tuple[Array, Array, Array, Array]


@cache
def division(data: str, seed: int) -> Division:
    """Divide a bundled data set: x, validation x, y, validation y."""
    if data == "parity":
        features, targets = datasets.load_digits(return_X_y=True)
        targets = targets % 2
    else:
        load: Callable[..., Any] = getattr(datasets, f"load_{data}")
        features, targets = load(return_X_y=True)
    continuous = data == "diabetes"
    if continuous:
        targets = (targets - targets.mean()) / targets.std()
    if len(features) > _ROWS:
        classes = None if continuous else targets
        features, _, targets, _ = train_test_split(
            features, targets, train_size=_ROWS, random_state=0, stratify=classes
        )
    classes = None if continuous else targets
    return tuple(train_test_split(features, targets, test_size=0.5, random_state=seed, stratify=classes))


def mean_loss(build: Callable[[int], Any], data: str, seeds: Sequence[int]) -> float:
    """Train a model on the division of each seed: log loss (nats), or squared error over variance."""
    losses = []
    for seed in seeds:
        x, v, y, w = division(data, seed)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                losses.append(_loss(build(seed).fit(x, y), v, w))
            except (ValueError, FloatingPointError, np.linalg.LinAlgError):  # what it came to is not finite
                losses.append(_loss(None, v, w))
    return float(np.mean(losses))


def trained(grid: Grid, params: Mapping[str, Any]) -> float:
    """Train a point's models and return their loss."""
    return mean_loss(lambda seed: MODELS[grid.model](params, seed), grid.data, range(SPLITS))


def _loss(model: Any, v: Array, w: Array) -> float:
    if w.dtype.kind == "f":
        error = np.inf if model is None else float(np.mean((model.predict(v) - w) ** 2) / np.var(w))
        return error if error < _WORST else _WORST
    classes = int(w.max()) + 1
    if model is None:
        return -float(np.log(_DOUBT / classes))
    chances = np.nan_to_num(model.predict_proba(v)[np.arange(len(w)), w.astype(int)])
    return -float(np.mean(np.log((1 - _DOUBT) * chances + _DOUBT / classes)))


def _row(job: tuple[str, tuple[Any, ...]]) -> float:
    grid = GRIDS[job[0]]
    return trained(grid, dict(zip(grid.values, job[1], strict=True)))


def make(name: str, rows: Callable[..., Iterable[float]]) -> None:
    """Train all points of a table and write it; the grid's last parameter varies fastest."""
    begun = perf_counter()
    jobs = [(name, values) for values in product(*GRIDS[name].values.values())]
    losses = np.fromiter(rows(_row, jobs), dtype=np.float32, count=len(jobs))
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(FOLDER / f"{name}.npz", losses=losses, scikit_learn=np.array(sklearn.__version__))
    distinct = len(np.unique(losses))
    print(
        f"{name}: {len(jobs)} points, {distinct} distinct, {losses.min():.4f} to {losses.max():.4f}, "
        f"{perf_counter() - begun:.0f} s",
        flush=True,
    )


def main() -> None:
    """Make the tables that are missing, or those named."""
    parser = argparse.ArgumentParser(description="Make the tables of trained models.")
    parser.add_argument("tables", nargs="*", choices=[*GRIDS, []], help="those to make anew (all that are missing)")
    parser.add_argument("--jobs", type=count, default=1, help="processes (1)")
    options = parser.parse_args()
    names = options.tables or [name for name in GRIDS if not (FOLDER / f"{name}.npz").exists()]
    if options.jobs == 1:
        for name in names:
            make(name, map)
        return
    with ProcessPoolExecutor(options.jobs) as pool:
        for name in names:
            make(name, lambda call, jobs: pool.map(call, jobs, chunksize=16))


if __name__ == "__main__":
    main()
