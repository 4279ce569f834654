"""The loop that every contestant searches in: asynchronous workers, in virtual time.

Evaluation times are lognormal. Each worker has its own stream of them for each problem and seed, which is the same for
all contestants.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

import msgspec

from propulate_like.problem.space import Space
from propulate_like_bench.quality.suites import Problem

REVISION = 1
"""To be raised where the same contestant would come to other losses: what was measured before is not used then."""
_SIGMA = 1.0  # of the logarithm of the evaluation times
_MARK = 1.2  # the time asks have taken is noted each time that the evaluations have grown by this factor


class Setting(msgspec.Struct, frozen=True):
    """What a contestant is told before it begins."""

    space: Space
    workers: int
    evaluations: int
    seed: int


class Proposal(msgspec.Struct, frozen=True):
    """A point to be evaluated; `handle` is for the contestant that proposed it."""

    params: Mapping[str, Any]
    handle: Any = None


class Contestant:
    """A search by several workers. It learns of no evaluation before that has ended."""

    def ask(self, worker: int) -> Proposal:
        """Return what this worker is to evaluate next."""
        raise NotImplementedError

    def tell(self, worker: int, proposal: Proposal, loss: float, seconds: float, ended: float) -> Any:
        """Learn what an evaluation of this worker's came to, as soon as it ends; return what others absorb later.

        The loss may be infinite or NaN.
        """
        raise NotImplementedError

    def absorb(self, worker: int, told: Any) -> None:
        """Let a worker learn of another one's evaluation; nothing to do where all workers share what they know."""

    def close(self) -> None:
        """End what was started for the search."""


class Course(msgspec.Struct, frozen=True):
    """What a search came to.

    `improvements` says after how many evaluations the lowest loss became which; `asking` how many seconds all asks
    had taken by then, at some numbers of evaluations.
    """

    improvements: list[tuple[int, float]]
    asking: list[tuple[int, float]]


class _Clock:
    """Evaluation times."""

    def __init__(self, stream: str, workers: int, mean: float) -> None:
        self._streams = [Random(f"{stream}/{worker}/seconds") for worker in range(workers)]
        self._median = mean * math.exp(-_SIGMA * _SIGMA / 2)

    def seconds(self, worker: int) -> float:
        return self._median * math.exp(_SIGMA * self._streams[worker].gauss(0.0, 1.0))


class _Record:
    """The course of a search, as it is written down."""

    def __init__(self) -> None:
        self.improvements: list[tuple[int, float]] = []
        self.asking: list[tuple[int, float]] = []
        self.spent = 0.0
        self._mark = 1.0

    def note(self, evaluations: int, loss: float) -> None:
        if math.isfinite(loss) and (not self.improvements or loss < self.improvements[-1][1]):
            self.improvements.append((evaluations, loss))

    def end(self, evaluations: int) -> None:
        if evaluations >= self._mark:
            self.asking.append((evaluations, round(self.spent, 6)))
            self._mark *= _MARK


def search(
    contestant: Contestant,
    problem: Problem,
    setting: Setting,
    *,
    stream: str,
    mean: float = 60.0,
    delay: float = 0.0,
    note: Callable[[int, Any], None] | None = None,
) -> Course:
    """Let a contestant use up its evaluations, on all workers; `stream` names the streams of random numbers.

    `mean` is that of the evaluation times, in virtual seconds; others learn of an evaluation `delay` seconds after its
    worker did. `note` takes the number of each evaluation that ends and what it came to, where that is no single loss.
    """
    clock, record = _Clock(stream, setting.workers, mean), _Record()
    note = note or record.note
    events: list[tuple[float, int, int, Any, float]] = []  # time, its order among equal ones, worker, what, seconds
    order = count()
    left, ended = setting.evaluations, 0

    def push(at: float, worker: int, what: Any, seconds: float) -> None:
        heappush(events, (at, next(order), worker, what, seconds))

    def begin(worker: int, now: float) -> None:
        nonlocal left
        if left:
            left -= 1
            before = time.perf_counter()
            proposal = contestant.ask(worker)
            record.spent += time.perf_counter() - before
            seconds = clock.seconds(worker)
            push(now + seconds, worker, proposal, seconds)

    for worker in range(setting.workers):
        begin(worker, 0.0)
    while ended < setting.evaluations:
        now, _, worker, what, seconds = heappop(events)
        if isinstance(what, Proposal):
            ended += 1
            loss = problem.loss(what.params)
            note(ended, loss)
            record.end(ended)
            told = contestant.tell(worker, what, loss, seconds, now)
            if delay:
                push(now + delay, worker, _News(told), 0.0)
            else:
                _spread(contestant, setting.workers, worker, told)
            begin(worker, now)
        else:
            _spread(contestant, setting.workers, worker, what.told)
    record.asking.append((ended, round(record.spent, 6)))
    return Course(record.improvements, record.asking)


class _News(msgspec.Struct, frozen=True):
    """What a worker told, on its way to the others."""

    told: Any


def _spread(contestant: Contestant, workers: int, sender: int, told: Any) -> None:
    for worker in range(workers):
        if worker != sender:
            contestant.absorb(worker, told)
