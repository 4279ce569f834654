"""What a type checker refuses of a user's script: each line that is marked, and no other."""

from collections.abc import Sequence

import propulate_like as pl


def loss(x: float) -> float:
    """Return it."""
    return x


class Late(pl.Propagator):
    """One that is called otherwise than propagators are."""

    def __call__(self, individuals: Sequence[pl.Individual]) -> list[pl.Individual]:  # refused
        return list(individuals)


space = {"x": pl.Float(0.0, 1.0)}
pl.minimize(loss, space, evaluatoins=10)  # refused
pl.minimize(loss, space, evaluations="many")  # refused
pl.minimize(loss, space, evaluations=10, propagator=3)  # refused
pl.minimize(loss, space, evaluations=10, run=3.5)  # refused
pl.minimize(0.5, space, evaluations=10)  # refused
pl.maximize(loss, space, evaluatoins=10)  # refused
pl.maximize(loss, space, evaluations="many")  # refused
pl.maximize(loss, space, evaluations=10, directions=["maximize"])  # refused
result = pl.minimize(loss, space, evaluations=10)
print(result.bset)  # refused
print(result.best.loss)  # refused
pl.Float(0.0, 1.0, logarithmic=True)  # refused
pl.SelectBest(count="two")  # refused
pl.Chain(pl.SelectBest(2), pl.UniformCrossover)  # refused
pl.Optimizer(space).tell(0.5)  # refused
pl.Islands(2, topology=3)  # refused
