"""An outcome: what an evaluation came to, and the judgement of whatever a loss returns."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any

import msgspec

from propulate_like.foundation import values
from propulate_like.foundation.values import real
from propulate_like.population.constraints import Constraints, merit_of, violation_of
from propulate_like.problem.space import Genome, Space

_DEEPEST = 8  # levels of lists and mappings in a metric; what lies deeper is written as text
_MOST = 1_000_000  # members of an outcome's lists and mappings; one that is in itself, or in many others, has more
_BRIEF = 1000  # members as which a text counts
_NAMED = 20  # keys that a message names
_NO_METRICS = ("loss", "constraints")


class Status(StrEnum):
    """How far an individual got; all but BRED and `HAVE_LOSS` are failures, which nothing is ever bred from."""

    BRED = "bred"
    OK = "ok"
    STOPPED = "stopped"
    """A pruner ended it early: its loss is the last intermediate one, what its training had reached by then."""
    INFEASIBLE = "infeasible"
    """It went to its end, and violates a constraint."""
    ERROR = "error"
    NAN = "nan"
    INFINITE = "infinite"
    INVALID = "invalid"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    MEMORY = "memory"


BRED, OK, STOPPED = Status.BRED, Status.OK, Status.STOPPED  # looked up often, and slow to find on an enum
INFEASIBLE = Status.INFEASIBLE
HAVE_LOSS = frozenset({OK, STOPPED, INFEASIBLE})
"""The statuses of evaluations that have a loss, so that they may be bred from."""


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What a loss asked for by name (see `Space.written`), and the genes of the values it was given."""

    space: str
    genome: Genome

    def read(self) -> tuple[Space, Genome]:
        """Return the space, of exactly those parameters, and the point in it."""
        return Space.read(self.space), self.genome


class Outcome(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What an evaluation came to.

    `loss` is NaN unless `status` is OK, STOPPED or INFEASIBLE; of several losses, `losses` has all, and `loss` is the
    first. `constraints` are at most 0 where they are satisfied; one that is not makes an evaluation that went to its
    end INFEASIBLE.
    `seconds` is how long the evaluation took, `ended` when it was over (Unix time), `metrics` what the loss returned
    beside the loss, and `cause` why the evaluation failed. `curve` holds its intermediate losses as (step, loss), and
    `attempts` how often it was tried. `asked` is what the loss asked for by name, until the individual has it, and
    `stops_search` whether it asked to stop the search.
    """

    status: Status = Status.BRED
    loss: float = math.nan
    seconds: float = 0.0
    ended: float = 0.0
    metrics: dict[str, Any] = {}
    cause: str = ""
    losses: tuple[float, ...] = ()
    curve: tuple[tuple[int, float], ...] = ()
    attempts: int = 1
    asked: Asked | None = None
    constraints: tuple[float, ...] = ()
    stops_search: bool = False

    @property
    def has_loss(self) -> bool:
        """Whether the evaluation went to its end, or until it was stopped, so that it may be bred from."""
        return self.status is OK or self.status in HAVE_LOSS

    @property
    def violation(self) -> float:
        """The degree to which it violates constraints: 0 where it violates none."""
        return violation_of(self.constraints) if self.constraints else 0.0

    @property
    def merit(self) -> float:
        """The loss where it violates no constraint; otherwise a number above all losses, by the violation."""
        return merit_of(self.loss, self.violation) if self.constraints else self.loss

    @property
    def feasible(self) -> bool:
        """Whether it has a loss and violates no constraint."""
        return self.has_loss and not self.violation

    @property
    def failed(self) -> bool:
        """Whether the evaluation came to nothing."""
        return not (self.has_loss or self.status is BRED)

    @classmethod
    def failure(cls, status: Status, cause: str = "") -> Outcome:
        """Return a failure; what its cause has that UTF-8 cannot hold is written out."""
        return cls(status, cause=_writable(cause))

    @classmethod
    def of(cls, value: object, said: str = "the loss returned") -> Outcome:
        """Judge what a loss returned: a number, several in a tuple or list, or a mapping of "loss" and metrics.

        A mapping may have "constraints" too (see `Constraints.of`).

        Any real number counts (see `values.real`). `said` begins the cause of a failure.
        """
        if type(value) is not float:
            if isinstance(value, dict | tuple | list):
                return cls._of_mapping(value, said) if isinstance(value, dict) else cls._of_several(value, said)
            try:
                value = real(value)
            except ValueError as error:
                why = f": {error}" if str(error) else ""
                return cls.failure(Status.INVALID, f"{said} {_shown(value)}, which is no number{why}")
        if math.isfinite(value):
            return cls(OK, value)
        if math.isnan(value):
            return cls.failure(Status.NAN, f"{said} NaN")
        return cls.failure(Status.INFINITE, f"{said} {value}")

    def timed(self, seconds: float, ended: float = 0.0) -> Outcome:
        """Return the same outcome with the seconds that the evaluation took, and when it ended (Unix time)."""
        return msgspec.structs.replace(self, seconds=seconds, ended=ended)

    def constrained(self, constraints: tuple[float, ...]) -> Outcome:
        """Return the same outcome with these constraints, and with the status that follows; a failure has none."""
        if not self.has_loss:
            return self
        status = self.status
        if status is not STOPPED:
            status = INFEASIBLE if violation_of(constraints) else OK
        return msgspec.structs.replace(self, status=status, constraints=constraints)

    def expecting(self, losses: int) -> Outcome:
        """Return the same outcome, or a failure where it has another number of losses."""
        count = len(self.losses) or 1
        if count == losses or not self.has_loss:
            return self
        given = "one loss" if count == 1 else f"{count} losses"
        directions = "no directions" if count == 1 else f"directions={json.dumps(['minimize'] * count)}"
        declared = "one was" if losses == 1 else f"{losses} were"
        cause = f"the loss returned {given}, where {declared} declared: give {directions}"
        return Outcome.failure(Status.INVALID, cause)

    @classmethod
    def _of_several(cls, values: Sequence[Any], said: str) -> Outcome:
        """Judge losses: one alone is a loss, and of several that are not all finite, the first such decides."""
        outcomes = [cls.of(value, said) for value in values if not isinstance(value, tuple | list | dict)]
        if not outcomes or len(outcomes) < len(values):
            return cls.failure(Status.INVALID, f"{said} {_shown(values)}, which are no losses")
        for number, outcome in enumerate(outcomes, 1):
            if outcome.status is not OK:
                return cls.failure(outcome.status, f"loss {number} of {len(values)}: {outcome.cause}")
        losses = tuple(outcome.loss for outcome in outcomes)
        return cls(OK, losses[0], losses=losses if len(losses) > 1 else ())

    @classmethod
    def _of_mapping(cls, value: dict[Any, Any], said: str) -> Outcome:
        if "loss" not in value:
            keys = ", ".join(map(values.SHORT.repr, islice(value, _NAMED))) or "none"
            return cls.failure(Status.INVALID, f"{said} a mapping without 'loss': its keys are {keys}")
        if isinstance(value["loss"], dict):
            return cls.failure(Status.INVALID, f"{said} a mapping whose 'loss' is a mapping again")
        judged = cls.of(value["loss"], said)
        left = [_MOST]
        metrics = {_key(name): _nested(each, 0, left) for name, each in value.items() if name not in _NO_METRICS}
        if "constraints" in value:
            try:
                given = Constraints.of(value["constraints"])
            except ValueError as error:
                return msgspec.structs.replace(cls.failure(Status.INVALID, f"{said} {error}"), metrics=metrics)
            judged = judged.constrained(given.values)
            metrics |= {_key(name): each for name, each in given.metrics.items()}
        return msgspec.structs.replace(judged, metrics=metrics)


UNEVALUATED = Outcome()
"""The outcome of what was bred and not evaluated."""


def storable(value: object) -> object:
    """Return a metric in the form in which JSON can hold it."""
    return _nested(value, 0, [_MOST])


def _scalar(value: object) -> object:
    """Return what is no list or mapping as JSON can hold it."""
    try:
        value = values.plain(value)
        if isinstance(value, str):
            return _writable(value)
        if value is None or (isinstance(value, int) and -(2**63) <= value < 2**63):
            return value
        number = values.real(value)
    except Exception:  # noqa: BLE001 (a class of the user's may raise anything)
        return _writable(_text(value, str))
    return number if math.isfinite(number) else str(number)


def _writable(text: str) -> str:
    """Return the text as UTF-8 can hold it: undecodable bytes of file names, say, are written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _shown(value: object) -> str:
    return f"{values.brief(value)} ({type(value).__name__})"


def _text(value: object, write: Callable[[object], str]) -> str:
    try:
        return write(value)
    except Exception:  # noqa: BLE001 (a loss may return anything, even what cannot be shown)
        return "something"


def _key(name: object) -> str:
    return _writable(_text(values.plain(name), str))


def _nested(value: object, depth: int, left: list[int]) -> object:
    """Return a value, with what is in it, as JSON can hold it.

    Args:
        value: The value.
        depth: The number of lists and mappings that it lies in.
        left: The number of members that there may be from here on, which is reduced.
    """
    if not isinstance(value, list | tuple | dict):
        return _scalar(value)
    left[0] -= len(value) if depth < _DEEPEST else _BRIEF
    if left[0] < 0:
        return "..."
    if depth >= _DEEPEST:
        return _writable(_text(value, values.SHORT.repr))
    if isinstance(value, dict):
        return {_key(name): _nested(member, depth + 1, left) for name, member in value.items()}
    return [_nested(member, depth + 1, left) for member in value]
