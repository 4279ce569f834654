"""Reporting: the intermediate losses of a rank's own evaluation, and of all others on its island, for the pruner."""

from __future__ import annotations

import math

from propulate_like.evaluation.pruning.curves import Curve, Point
from propulate_like.evaluation.pruning.pruner import PrunerState
from propulate_like.parallel import wire
from propulate_like.parallel.coordination.broadcast import Broadcaster
from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import OK


class CurveSharing:
    """Keeps the running evaluation's curve, tells the island of it, and asks the judges, where there are any."""

    def __init__(self, pruner_state: PrunerState | None, broadcaster: Broadcaster) -> None:
        self._pruner_state, self._broadcaster = pruner_state, broadcaster
        self._running: Individual | None = None
        self._curve: Curve | None = None

    def begin(self, individual: Individual) -> None:
        """Take what is reported from now on as this individual's."""
        self._running = individual

    def report(self, step: int, loss: float) -> bool:
        """Take an intermediate loss of the running evaluation; return whether it is to stop."""
        pruner_state, running = self._pruner_state, self._running
        if not math.isfinite(loss):
            return pruner_state is not None
        self._curve = self._curve or Curve()
        self._curve.add(Point(step, loss))
        if pruner_state is None or running is None:
            return False
        pruner_state.curves[running.rung].report(running.id, step, loss)
        self._publish(running, step, loss, wire.RUNNING)
        return pruner_state.stops(running.id, running.rung)

    def end(self, individual: Individual) -> Individual:
        """Return the individual, now evaluated, with what it reported, and tell the others that its curve has ended."""
        curve, self._curve = self._curve, None
        if curve is None:
            return individual
        if self._pruner_state is not None:
            completed = individual.status is OK
            self._pruner_state.curves[individual.rung].end(individual.id, completed=completed)
            self._publish(individual, *curve[-1], wire.COMPLETED if completed else wire.CUT)
        return individual.with_outcome(curve=tuple(curve.points))

    def add(self, content: bytes, origin: int | None) -> None:
        """Take a point of another rank's curve, and pass it on where it has an `origin`."""
        if self._pruner_state is not None:
            island, rank, serial, rung, step, loss, state = wire.curve.unpack(content)
            ident, curves = Id(island, rank, serial), self._pruner_state.curves[rung]
            if state == wire.RUNNING:
                curves.report(ident, step, loss)
            else:
                curves.end(ident, completed=state == wire.COMPLETED)
        if origin is not None:
            self._broadcaster.pass_on(origin, wire.CURVE, content)

    def _publish(self, individual: Individual, step: int, loss: float, state: int) -> None:
        island, rank, serial = individual.id.island, individual.id.rank, individual.id.serial
        point = wire.curve.pack(island, rank, serial, individual.rung, step, loss, state)
        self._broadcaster.publish(wire.CURVE, point)
