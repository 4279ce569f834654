"""The process of a rank that a launcher has started: what it tells the launcher, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from propulate_like.parallel import rank_status
from propulate_like.parallel.rank_status import State


class RankOutcome(NamedTuple):
    """The exit status of the search, and whether ranks died during it."""

    status: int
    deaths: bool = False


def run_rank(search: Callable[[], RankOutcome]) -> int:
    """Search on this rank, tell the launcher how far it is, and return the exit status of the process.

    The launcher reads the search's own status from the file that `rank_status.leave_status` leaves.
    """
    rank_status.write(State.STARTING)
    try:
        status, deaths = search()
    except BaseException:
        rank_status.write(State.FAILED)
        raise
    rank_status.write(State.DONE)
    if deaths:  # MPI can no longer be finalized
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0 if rank_status.watched else status
