"""A pruner: every evaluation ends after some steps."""

import propulate_like as pl


class StepLimitPruner(pl.Pruner):
    """Stop whatever has come to the step `limit`."""

    def __init__(self, limit: int) -> None:
        """Take a number of steps."""
        self.limit = limit

    def stops(self, ident: pl.Id, curves: pl.Curves) -> bool:
        """Return whether this evaluation has come so far."""
        return curves[ident][-1].step >= self.limit
