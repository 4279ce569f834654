"""The hand-written chain that benchmarks use."""

import propulate_like as pl

CHAIN = pl.Chain(
    pl.SelectBest(64),
    pl.SelectRandom(2),
    pl.UniformCrossover(0.7),
    pl.PointMutation(1),
    pl.GaussianMutation(0.05),
    pl.RandomRestart(0.1),
)
