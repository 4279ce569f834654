"""A propagator of your own: a class with one method, used in a chain like any other."""

import propulate_like as pl


class StepTowardsBest(pl.Variation):
    """Move an individual towards the better of two, and sometimes a little beyond it."""

    takes = (2, 2)

    def __init__(self, reach: float = 1.2):
        self.reach = reach

    def __call__(self, individuals, breeding):
        best, other = sorted(individuals, key=lambda individual: individual.loss)
        share = self.reach * breeding.generator.random()
        genes = [b + share * (a - b) for a, b in zip(best.genome, other.genome, strict=True)]
        return [self.derive(other, tuple(min(max(gene, 0.0), 1.0) for gene in genes), breeding)]


def main():
    chain = pl.Chain(
        pl.SelectBest(32),
        pl.SelectRandom(2),
        StepTowardsBest(1.5),
        pl.GaussianMutation(0.01),
        pl.Sometimes(0.1, pl.PointMutation(1)),
    )
    space = {"x": (-5.0, 5.0), "y": (-5.0, 5.0), "z": (-5.0, 5.0)}
    result = pl.minimize(lambda x, y, z: x * x + y * y + z * z, space, evaluations=3000, propagator=chain, seed=0)
    print(f"loss {result.best.loss:.2g}, bred by {result.best.origin}")


if __name__ == "__main__":
    main()
