"""Curve sharing: the intermediate losses of a rank's evaluation, and of all others on its island, for the pruner."""

from __future__ import annotations

import math
from collections.abc import Mapping

from propulate_like.evaluation.context import RESTARTED
from propulate_like.evaluation.pruning.pruner import PrunerState
from propulate_like.parallel import wire
from propulate_like.parallel.coordination.broadcast import Broadcaster
from propulate_like.parallel.coordination.dispatch import Handler
from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import OK


class CurveSharing:
    """Keeps the running evaluation's curve, shares it with the island, and asks the pruner, where there is one."""

    def __init__(self, pruner_state: PrunerState | None, broadcaster: Broadcaster) -> None:
        self.pruner_state = pruner_state
        self.curve: dict[int, float] | None = None
        """What the running evaluation has reported by step, what is not finite too; None where that is nothing."""
        self.reported = False
        """Whether any evaluation on this rank has reported an intermediate loss."""
        self._broadcaster = broadcaster

    @property
    def handlers(self) -> Mapping[bytes, Handler]:
        """The handlers of the messages of other ranks."""
        return {wire.CURVE: self._receive}

    def report(self, individual: Individual, step: int, loss: float) -> bool:
        """Add an intermediate loss to the curve of the running evaluation; pruners judge by finite ones only.

        Args:
            individual: The individual that is being evaluated.
            step: The step; one that has a loss is ignored. Or `RESTARTED`.
            loss: The intermediate loss there.

        Returns:
            Whether the evaluation is to stop.
        """
        pruner_state = self.pruner_state
        if step == RESTARTED:
            self.curve = None
            return False
        self.reported = True
        if self.curve is None:
            self.curve = {}
            self._begin(individual)
        if step in self.curve:
            return False
        self.curve[step] = loss
        if pruner_state is None or not math.isfinite(loss):
            return False
        pruner_state.curves[individual.rung].report(individual.id, step, loss)
        self._publish(individual, step, loss, wire.RUNNING)
        return pruner_state.stops(individual.id, individual.rung)

    def end(self, individual: Individual) -> Individual:
        """End the curve of an evaluation, for all ranks of the island; return the evaluated individual with it."""
        curve, self.curve = self.curve, None
        if curve is None:
            return individual
        if self.pruner_state is not None:
            completed, loss = individual.status is OK, individual.loss
            self.pruner_state.curves[individual.rung].end(individual.id, completed=completed, loss=loss)
            self._publish(individual, 0, loss, wire.COMPLETED if completed else wire.CUT)
        return individual.with_outcome(curve=tuple(sorted(curve.items())))

    def _begin(self, individual: Individual) -> None:
        """Have all ranks forget the curve of an earlier attempt at this evaluation, where there was one."""
        if self.pruner_state is not None and individual.id in self.pruner_state.curves[individual.rung]:
            self.pruner_state.curves[individual.rung].restart(individual.id)
            self._publish(individual, 0, 0.0, wire.RESTARTED)

    def _receive(self, _peer: int, content: bytes, origin: int | None) -> None:
        """Add a point of another rank's curve, and forward it where it has an `origin`."""
        if self.pruner_state is not None:
            island, rank, serial, rung, step, loss, state = wire.curve.unpack(content)
            ident, curves = Id(island, rank, serial), self.pruner_state.curves[rung]
            if state == wire.RUNNING:
                curves.report(ident, step, loss)
            elif state == wire.RESTARTED:
                curves.restart(ident)
            else:
                curves.end(ident, completed=state == wire.COMPLETED, loss=loss)
        if origin is not None:
            self._broadcaster.forward(origin, wire.CURVE, content)

    def _publish(self, individual: Individual, step: int, loss: float, state: int) -> None:
        if self._broadcaster.alone:
            return
        island, rank, serial = individual.id.island, individual.id.rank, individual.id.serial
        point = wire.curve.pack(island, rank, serial, individual.rung, step, loss, state)
        self._broadcaster.publish(wire.CURVE, point)
