"""A propagator: opposition, after Tizhoosh 2005 (Opposition-based learning)."""

from collections.abc import Sequence

import propulate_like as pl


class Opposite(pl.Variation):
    """Reflect an individual through the middle of the space, by `share` of the way: 1 for the opposite point."""

    def __init__(self, share: float = 1.0) -> None:
        """Take a share in [0, 1]; ValueError for another one."""
        if not 0.0 <= share <= 1.0:
            message = f"share={share!r} must be in [0, 1]"
            raise ValueError(message)
        self.share = share

    def __call__(self, individuals: Sequence[pl.Individual], breeding: pl.BreedingContext) -> list[pl.Individual]:
        """Breed one individual from one."""
        (individual,) = individuals
        genome = tuple(gene + self.share * (1.0 - 2.0 * gene) for gene in individual.genome)
        return [self.derive(individual, genome, breeding)]
