"""Ranks of a configuration under the launcher, and the exit status of the command."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from propulate_like.cli.rank import FAILED, Order
from propulate_like.foundation.console import say, tell
from propulate_like.foundation.early_signals import INTERRUPTED
from propulate_like.parallel import rank_status
from propulate_like.parallel.launching.job import Placement
from propulate_like.parallel.launching.launcher import Program
from propulate_like.parallel.launching.launcher import launch as launch_ranks
from propulate_like.search.config import Config
from propulate_like.search.progress import Progress, Watched

_RANK = "propulate_like.cli.rank"


def launch(order: Order, ranks: int, config: Config, placement: Placement, restarts: int) -> int:
    """Search on several ranks, and return the exit status of the search.

    Args:
        order: What each rank runs.
        ranks: The number of ranks.
        config: The configuration.
        placement: The placement of the ranks.
        restarts: The largest number of restarts without any evaluation in between.
    """
    specification = config.specification
    summary: list[bytes] = []
    try:
        with Progress(specification.budget, specification.signs, wanted=True) as progress:
            watched = Watched(progress)

            def look(folder: Path) -> None:
                watched(folder)
                summary[:] = filter(None, [rank_status.left(folder, rank_status.SUMMARY)])

            outcome = launch_ranks(_program(order, config), ranks, placement, restarts, look)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    for text in summary:
        tell(text.decode())
    if isinstance(outcome, int):
        return outcome
    again = f"; to try again: {order.command}" if outcome.may_pass else ""
    say(f"the search has not ended{again}")
    return FAILED


def _program(order: Order, config: Config) -> Program:
    """Return what the ranks run, which in later jobs continue the fork that the first one made."""
    run = config.run if order.fork is None else Path(order.fork)
    again = msgspec.structs.replace(order, run=str(run), fork=None)
    evaluation = config.specification.evaluation
    return Program(
        _RANK,
        _written(order),
        again=_written(again),
        run=run,
        team=evaluation.ranks_per_worker,
        grace=evaluation.grace,
    )


def _written(order: Order) -> str:
    """Return an order as the argument of a rank."""
    return msgspec.json.encode(order).decode()
