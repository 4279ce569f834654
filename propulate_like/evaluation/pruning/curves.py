"""Learning curves: the intermediate losses that this rank knows, of its own and of other ranks' evaluations."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from math import inf, nan
from operator import attrgetter
from typing import NamedTuple, overload

from propulate_like.population.individual import Id


class Point(NamedTuple):
    """An intermediate loss, which is finite and minimized."""

    step: int
    loss: float


_STEP = attrgetter("step")


class Curve(Sequence[Point]):
    """The intermediate losses of one evaluation, in the order of their steps, and whether it has ended."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.ended = False
        self.completed = False
        """Whether it ran to its own end: it is not running, stopped or failed."""
        self.loss = nan
        """The loss of an evaluation that completed."""
        self._lowest: list[float] = []

    def add(self, point: Point) -> None:
        """Add a point, at the step's place; nothing where the step has one, as a message may arrive on two paths."""
        points, lowest = self.points, self._lowest
        if not points or point.step > points[-1].step:
            lowest.append(min(lowest[-1], point.loss) if lowest else point.loss)
            points.append(point)
            return
        index = bisect_left(points, point.step, key=_STEP)
        if points[index].step == point.step:
            return
        points.insert(index, point)
        del lowest[index:]
        for each in points[index:]:
            lowest.append(min(lowest[-1], each.loss) if lowest else each.loss)

    @property
    def lowest(self) -> float:
        """The lowest loss so far."""
        return self._lowest[-1]

    def lowest_until(self, step: int) -> float:
        """Return the lowest loss reported up to this step inclusive, or infinity where there is none."""
        index = bisect_right(self.points, step, key=_STEP)
        return self._lowest[index - 1] if index else inf

    @overload
    def __getitem__(self, index: int) -> Point: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Point]: ...
    def __getitem__(self, index: int | slice) -> Point | Sequence[Point]:
        return self.points[index]

    def __len__(self) -> int:
        return len(self.points)


class Curves(Mapping[Id, Curve]):
    """The curves of the newest `capacity` evaluations that reported anything, oldest first."""

    # docs/decisions.md, "Pruners judge by the curves that have arrived"
    def __init__(self, capacity: int = 4096) -> None:
        self.capacity = capacity
        self._curves: dict[Id, Curve] = {}

    def report(self, ident: Id, step: int, loss: float) -> None:
        """Add a finite intermediate loss."""
        curve = self._curves.get(ident)
        if curve is None:
            if len(self._curves) >= self.capacity:
                del self._curves[next(iter(self._curves))]
            curve = self._curves[ident] = Curve()
        curve.add(Point(step, loss))

    def restart(self, ident: Id) -> None:
        """Forget what an evaluation reported, as it was started again."""
        self._curves.pop(ident, None)

    def end(self, ident: Id, *, completed: bool, loss: float = nan) -> None:
        """Record that an evaluation ended, where it is known.

        Args:
            ident: The individual's identity.
            completed: Whether it ran to its own end, and was not stopped and did not fail.
            loss: Its loss, where it completed.
        """
        curve = self._curves.get(ident)
        if curve is not None:
            curve.ended, curve.completed, curve.loss = True, completed, loss

    def __getitem__(self, ident: Id) -> Curve:
        return self._curves[ident]

    def __iter__(self) -> Iterator[Id]:
        return iter(self._curves)

    def __len__(self) -> int:
        return len(self._curves)
