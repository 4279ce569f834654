"""Islands: populations that evolve separately, each on some of the ranks, and send each other copies of their best.

Run as `mpiexec -n 8 python 8_islands.py` for four islands of two ranks; on fewer ranks there are fewer islands. A
simulation predicts what the same search costs on a thousand ranks with evaluations of a minute each:
`propulate-like simulate 8_islands.py:two_funnels --ranks 64,1024 --set budget.evaluations=20000 --set islands=4`.
"""

from math import cos, pi

import propulate_like as pl


@pl.objective(a=pl.Float(-5.12, 5.12), b=pl.Float(-5.12, 5.12), c=pl.Float(-5.12, 5.12))
def two_funnels(a, b, c):
    """Have many local optima in two funnels: the best one lies at 2.5, in the narrower funnel."""
    x = (a, b, c)
    funnels = min(sum((value - 2.5) ** 2 for value in x), 3.0 + 0.7 * sum((value + 2.7) ** 2 for value in x))
    return funnels + sum(10 * (1 - cos(2 * pi * (value - 2.5))) for value in x)


def main():
    islands = pl.Islands(
        4,  # or sizes=[2, 2, 4]
        topology="ring",  # or full, torus, star, hypercube, random_regular, a matrix of how many go from where to where
        migration_probability=0.05,  # after each evaluation
        emigrants=pl.SelectBest(1),  # which individuals are sent: any selection
        pollination=True,  # copies are sent; with False, individuals leave their island
        propagators=["auto", "auto", "auto", EXPLORER],  # a chain of its own for each island
    )
    result = pl.minimize(two_funnels, evaluations=20_000, target=1e-3, islands=islands, seed=0)
    if result.is_root:
        print(f"loss {result.best.loss:.2g} with {result.best.params}, found on island {result.best.id.island}")


EXPLORER = pl.Chain(pl.SelectRanked(2, among=80), pl.UniformCrossover(), pl.PointMutation(1), pl.RandomRestart(0.1))
if __name__ == "__main__":
    main()
