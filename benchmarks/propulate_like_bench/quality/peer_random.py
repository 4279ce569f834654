"""Random search."""

from __future__ import annotations

from random import Random

from propulate_like_bench.quality.workers import Contestant, Proposal, Setting

REVISION = 1


class RandomSearch(Contestant):
    """Points drawn uniformly from the unit cube."""

    def __init__(self, setting: Setting) -> None:
        self._space, self._generator = setting.space, Random(f"{setting.seed}/random")

    def ask(self, worker: int) -> Proposal:
        return Proposal(self._space.decode(self._space.sample(self._generator)))

    def tell(self, worker: int, proposal: Proposal, loss: float, seconds: float, ended: float) -> None:
        """Learn nothing."""
