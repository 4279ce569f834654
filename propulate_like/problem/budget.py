"""The budget: when a search ends."""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec

from propulate_like.foundation import declarations
from propulate_like.foundation.struct_forms import Seconds

_MOST = 2**53  # evaluations that ranks can count
_ENDLESS = 1e9  # seconds, which are 30 years


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a search ends: at the first of these that is reached.

    The budget holds for a run as a whole, however often it is continued. Seconds and hours add up, and are kept as
    `seconds`. Infinite seconds are no limit; alone, they mean a search that goes on until it is interrupted.

    Attributes:
        evaluations: The number of evaluations over all ranks.
        seconds: The time in seconds, or a text such as 10m.
        target: The value that is good enough, as the loss function returns it.
        hours: The time in hours.

    Raises:
        ValueError: Nothing is given, or nothing valid.
    """

    evaluations: Annotated[int, msgspec.Meta(ge=1)] | None = None
    seconds: Annotated[Seconds, msgspec.Meta(gt=0)] | None = None
    target: float | None = None
    hours: Annotated[float, msgspec.Meta(gt=0)] | None = None

    def __post_init__(self) -> None:
        if self.evaluations is None and self.seconds is None and self.target is None and self.hours is None:
            message = "no budget: give evaluations=, seconds= or target="
            raise ValueError(message)
        if self.evaluations is not None:
            self._set("evaluations", declarations.whole("evaluations", self.evaluations, 1, _MOST))
        if self.seconds is not None:
            self._set("seconds", declarations.seconds("seconds", self.seconds, above=True))
        if self.target is not None:
            self._set("target", declarations.number("target", self.target, -math.inf))
        if self.hours is not None:
            hours = declarations.number("hours", self.hours, above=True)
            self._set("seconds", (self.seconds or 0.0) + 3600.0 * hours)
            self._set("hours", None)
        if self.seconds is not None and self.seconds >= _ENDLESS:
            alone = self.evaluations is None and self.target is None
            self._set("seconds", math.inf if alone else None)

    @classmethod
    def of(
        cls, evaluations: float | None = None, seconds: float | str | None = None, target: float | None = None
    ) -> Budget:
        """Return the budget of what is given in Python: evaluations such as 1e3, seconds such as "10m".

        Raises:
            ValueError: Nothing is given, or nothing valid.
        """
        given = {"evaluations": evaluations, "seconds": seconds, "target": target}
        parts: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return cls(**parts)

    def _set(self, name: str, value: float | None) -> None:
        msgspec.structs.force_setattr(self, name, value)

    @property
    def finite_seconds(self) -> float | None:
        """The seconds, where they are a limit."""
        return None if self.seconds == math.inf else self.seconds

    def evaluations_left(self, done: int) -> int | None:
        """Return how many evaluations are left after `done`; None where their number is not limited."""
        return None if self.evaluations is None else max(self.evaluations - done, 0)

    def seconds_left(self, spent: float) -> float:
        """Return how many seconds are left after `spent`."""
        return math.inf if self.seconds is None else self.seconds - spent

    def lowest_loss(self, *, maximize: bool) -> float:
        """Return the loss at which the search may end."""
        return -math.inf if self.target is None else -self.target if maximize else self.target

    def declaration(self) -> dict[str, Any]:
        """Return the budget as it would stand in YAML."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
