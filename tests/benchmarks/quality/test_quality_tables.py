"""The tables are complete, and what is in them is what training gives."""

import itertools
import math
import random

import numpy as np
import pytest
from propulate_like_bench.quality import tables
from propulate_like_bench.quality.tables.grids import GRIDS


@pytest.mark.parametrize("name", tables.names())
def test_every_point_of_a_grid_has_a_loss_and_hardly_any_share_the_best(name):
    problem = tables.problem(name, 0, 1)
    grid = GRIDS[name].values
    losses = [problem.loss(dict(zip(grid, point, strict=True))) for point in itertools.product(*grid.values())]
    assert 1000 <= len(losses) <= 5000
    assert all(map(math.isfinite, losses))
    assert problem.gain(min(losses)) >= math.log10(len(losses) / 20)
    assert problem.gain(max(losses)) == 0.0


@pytest.mark.parametrize("name", ["mlp_wine_adam", "svm_diabetes", "neighbors_digits", "forest_wine"])
def test_training_gives_the_losses_of_the_table(name):
    sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from propulate_like_bench.quality.tables.training import trained

    with np.load(tables.FOLDER / f"{name}.npz") as file:
        made_by = str(file["scikit_learn"])
    if made_by != sklearn.__version__:
        pytest.skip(f"the table was made by scikit-learn {made_by}, not {sklearn.__version__}")
    generator, problem = random.Random(0), tables.problem(name, 0, 1)
    for _ in range(3):
        params = {parameter: generator.choice(values) for parameter, values in GRIDS[name].values.items()}
        assert trained(GRIDS[name], params) == pytest.approx(problem.loss(params), rel=1e-3)
