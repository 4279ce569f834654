"""How far a search is, in words: evaluations done, the best value, the rate, failures and the time left."""

from __future__ import annotations

import math
from collections import deque
from types import TracebackType
from typing import Self

from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import Signs
from propulate_like.search.progress.standing import Standing

_RATE_SECONDS = 10.0  # the time over which the rate is averaged


class Progress:
    """Shows how far a search is, until it is left: a bar on a terminal and in a notebook, lines elsewhere."""

    def __init__(self, budget: Budget, signs: Signs, *, wanted: bool | None = None) -> None:
        """Begin at no evaluation.

        Args:
            budget: When the search ends.
            signs: 1 for each loss that is minimized, -1 for each that is maximized.
            wanted: Whether the user asked for progress. By default lines begin after ten seconds.
        """
        from propulate_like.search.progress.displays import display

        self._evaluations, self._seconds = budget.evaluations, budget.finite_seconds
        self._sign, self._best = signs[0], "best" if len(signs) == 1 else "first loss at best"
        total = budget.evaluations if budget.evaluations is not None else budget.finite_seconds
        self._display = display(total, wanted=bool(wanted))
        self._recent: deque[tuple[float, int]] = deque()

    def __enter__(self) -> Self:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.stop()

    def __call__(self, standing: Standing) -> None:
        """Show where the search stands."""
        counts = standing.counts
        total = "" if self._evaluations is None else f" of {self._evaluations}"
        reached = counts.finished if self._evaluations is not None else standing.seconds
        text = self._text(standing)
        self._display.show(reached, text, f"{counts.finished}{total} evaluations, {text}", last=standing.last)

    def _text(self, standing: Standing) -> str:
        counts = standing.counts
        rate = self._rate(standing.seconds, counts.finished)
        best = f"{self._best} {self._sign * counts.loss:.6g}" if math.isfinite(counts.loss) else "no result yet"
        if counts.violation:
            best = f"nothing feasible yet, violation {counts.violation:.6g} at least"
        words = [best, f"{rate:.4g}/s"]
        if counts.failed:
            words.append(f"{counts.failed} failed")
        left = []
        if self._evaluations is not None and rate > 0:
            left.append((self._evaluations - counts.finished) / rate)
        if self._seconds is not None:
            left.append(self._seconds - standing.seconds)
        if left and not standing.over:
            words.append(f"{duration(max(min(left), 0.0))} left")
        return ", ".join(words)

    def _rate(self, now: float, done: int) -> float:
        """Return the evaluations a second over the last few seconds."""
        self._recent.append((now, done))
        while len(self._recent) > 2 and self._recent[0][0] < now - _RATE_SECONDS:  # noqa: PLR2004
            self._recent.popleft()
        then, before = self._recent[0]
        return (done - before) / (now - then) if now > then else 0.0


def duration(seconds: float) -> str:
    """Write a time as people do: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
