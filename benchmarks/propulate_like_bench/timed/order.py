"""What such a program is told, and what it tells, in JSON."""

from __future__ import annotations

from typing import Any

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A search for the least sum of squares of `parameters` numbers in [-5.12, 5.12].

    `by` is what breeds: "auto" or "chain" of this package, or a sampler's class of Optuna's with its `arguments`.
    `folder` is one for files, which exists. With `journal` the search keeps a run there; with `marks` each rank notes
    there when each evaluation ended, and its memory at these numbers of its own evaluations.
    """

    evaluations: int
    by: str = "chain"
    arguments: dict[str, Any] = {}
    parameters: int = 2
    seed: int = 0
    seconds: float | None = None
    """What ends the search, if it is not done by then."""
    sleep: tuple[float, float] | None = None
    """The mean and the sigma of the lognormal seconds that an evaluation sleeps."""
    folder: str = ""
    journal: bool = False
    marks: list[int] = []
    storage: str = "memory"
    """Of Optuna's: the kind, and in `place` where it is. A worker of one that is shared waits for a line first."""
    place: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a search came to. What a program does not know is None.

    `seconds` are those of the whole call, `searched` those until the last evaluation had ended; `memory` is in MB, and
    the most of any rank; `batches` of messages, their `volume` in bytes.
    """

    evaluations: int
    seconds: float
    memory: float
    best: float
    searched: float | None = None
    batches: int | None = None
    volume: int | None = None
    idle_share: float | None = None
    tail_share: float | None = None
