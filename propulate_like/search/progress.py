"""Progress, shown by one rank: a bar where there is a terminal, a line every few seconds where there is none."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from types import TracebackType
from typing import Self, TextIO

from propulate_like.foundation.console import say
from propulate_like.parallel import rank_status
from propulate_like.parallel.coordination.protocol import CoordinationProtocol
from propulate_like.population.summary import Counts
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import Signs
from propulate_like.storage.run import ResumeSnapshot

_BAR_SECONDS = 0.1
_LINE_SECONDS = 5.0
_RATE_SECONDS = 10.0  # the time over which the rate is averaged


class Progress:
    """Shows how far a search is: evaluations done, the best value, the rate, failures and the time left."""

    def __init__(self, snapshot: ResumeSnapshot, budget: Budget, signs: Signs) -> None:
        """Count on from `snapshot` towards the end of the budget."""
        self._before = snapshot.summary.counts
        self._seconds_before = snapshot.seconds
        self._evaluations, self._seconds = budget.evaluations, budget.finite_seconds
        self._sign, self._best = signs[0], "best" if len(signs) == 1 else "first loss at best"
        terminal, width = _terminal()
        self._bar = None if terminal is None else _Bar(terminal, width, budget.evaluations or budget.finite_seconds)
        self._interval = _LINE_SECONDS if self._bar is None else _BAR_SECONDS
        self._due = 0.0
        self._protocol: CoordinationProtocol | None = None
        self._recent: deque[tuple[float, int]] = deque()

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._protocol is not None:
            self._show(self._protocol, time.perf_counter(), over=True)
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, protocol: CoordinationProtocol) -> None:
        """Show where the search stands, as this rank knows it, if it is time to."""
        now = time.perf_counter()
        if now >= self._due:
            self._due = now + self._interval
            self._protocol = protocol
            self._show(protocol, now, over=False)

    def _show(self, protocol: CoordinationProtocol, now: float, *, over: bool) -> None:
        counts = self._before + protocol.census.counts
        elapsed = self._seconds_before + now - protocol.rank_report.began
        text = self._text(counts, elapsed, now, over=protocol.stopping.reason is not None)
        if self._bar is not None:
            reached = counts.finished if self._evaluations is not None else elapsed
            self._bar.show(reached, text)
        elif counts.finished > self._before.finished or over:
            total = f" of {self._evaluations}" if self._evaluations is not None else ""
            say(f"{counts.finished}{total} evaluations, {text}")

    def _text(self, counts: Counts, elapsed: float, now: float, *, over: bool) -> str:
        rate = self._rate(now, counts.finished)
        best = f"{self._best} {self._sign * counts.loss:.6g}" if math.isfinite(counts.loss) else "no result yet"
        words = [best, f"{rate:.4g}/s"]
        if counts.failed:
            words.append(f"{counts.failed} failed")
        left = []
        if self._evaluations is not None and rate > 0:
            left.append((self._evaluations - counts.finished) / rate)
        if self._seconds is not None:
            left.append(self._seconds - elapsed)
        if left and not over:
            words.append(f"{duration(max(min(left), 0.0))} left")
        return ", ".join(words)

    def _rate(self, now: float, done: int) -> float:
        """Return the evaluations a second over the last few seconds."""
        self._recent.append((now, done))
        while len(self._recent) > 2 and self._recent[0][0] < now - _RATE_SECONDS:  # noqa: PLR2004
            self._recent.popleft()
        then, before = self._recent[0]
        return (done - before) / (now - then) if now > then else 0.0


class _Bar:
    """A rich progress bar; rich is loaded only where one is shown."""

    def __init__(self, terminal: TextIO, width: int | None, total: float | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(file=terminal, force_terminal=True, width=width)
        columns = [BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}")]
        self._progress = Progress(*columns, console=console, refresh_per_second=4)
        self._task = self._progress.add_task("starting", total=total)

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def show(self, reached: float, text: str) -> None:
        self._progress.update(self._task, completed=int(reached), description=text)


def _terminal() -> tuple[TextIO | None, int | None]:
    """Return the terminal to draw on, this process's own or the launcher's, and its width where that is to be set."""
    path, _, width = os.environ.get(rank_status.TERMINAL, "").rpartition(":")
    if path:
        try:
            return os.fdopen(os.open(path, os.O_WRONLY | os.O_NOCTTY), "w", encoding="utf-8"), int(width)
        except (OSError, ValueError):  # the terminal is on another host, say
            return None, None
    if not sys.stderr.isatty():
        return None, None
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8"), None  # a loss may close sys.stderr
    except (OSError, AttributeError):  # it is an editor's window, which has no descriptor
        return sys.stderr, None


def duration(seconds: float) -> str:
    """Write a time as people do: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
