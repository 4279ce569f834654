"""One rank of a search that a Python program has started: it reads the call, searches, and leaves the result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from propulate_like.foundation import early_signals
from propulate_like.foundation.parts import PartError
from propulate_like.parallel import rank_status
from propulate_like.parallel.transport import launched
from propulate_like.search.agreement import RanksDiffer
from propulate_like.search.on_ranks import call
from propulate_like.search.on_ranks.process import RankOutcome, run_rank
from propulate_like.search.result import SearchFailed
from propulate_like.search.session import Search
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.journal import TakenOver

_REFUSED = 2  # exit status


def main(arguments: Sequence[str]) -> int:
    """Search, as the call in the folder that the argument names has it, and return the exit status."""
    return run_rank(lambda: _search(Path(arguments[0])))


def _search(folder: Path) -> RankOutcome:
    """Search, and leave the result for the caller, or why there is none."""
    rank, _ = launched() or (0, 1)
    early_signals.record()
    try:
        search = Search(lambda: SearchSpecification.read(**call.read(folder)))
        try:
            result = search.run()
        except SearchFailed as failure:
            result = failure.result
    except (TakenOver, PartError) as error:  # on one rank; several end at once
        return _refuse(first=True, message=str(error), part=True)
    except RanksDiffer:  # rank 0 has said in what
        return _refuse(first=rank == 0, message="the ranks differ")
    except ValueError as error:
        return _refuse(first=rank == 0, message=str(error))
    if result.is_root:
        rank_status.leave(rank_status.RESULT, search.codec.encode(result.findings))
        rank_status.leave_status(0)
    return RankOutcome(0, bool(result.deaths))


def _refuse(*, first: bool, message: str, part: bool = False) -> RankOutcome:
    """Leave why there is no result, where this is the `first` rank."""
    if first:
        rank_status.refuse(message, part=part)
        rank_status.leave_status(_REFUSED)
    return RankOutcome(_REFUSED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
