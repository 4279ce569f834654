"""An individual: one candidate and, once it was evaluated, its outcome."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from propulate_like.problem.space import Genome, Space

_DEEPEST = 8  # levels of lists and mappings in a metric; what lies deeper is written as text
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]
ELSEWHERE = (1 << 32) - 1
"""The rank of those that a search was told of at its beginning, and that no rank of it has bred."""


class Id(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """Identity: the island and rank that bred an individual, and that rank's count of individuals before it."""

    island: Count
    rank: Count
    serial: Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]

    def __str__(self) -> str:
        return f"{self.island}-{self.rank}-{self.serial}"


class Status(StrEnum):
    """How far an individual got; all but BRED, OK and STOPPED are failures, which nothing is ever bred from."""

    BRED = "bred"
    OK = "ok"
    STOPPED = "stopped"
    """A pruner ended it early: its loss is the last intermediate one, what its training had reached by then."""
    ERROR = "error"
    NAN = "nan"
    INFINITE = "infinite"
    INVALID = "invalid"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    MEMORY = "memory"


BRED, OK, STOPPED = Status.BRED, Status.OK, Status.STOPPED  # looked up often, and slow to find on an enum


class Individual(msgspec.Struct, frozen=True, gc=False):
    """One candidate and its outcome.

    `genome` is a point in the unit cube of `space`; `parents` are the ids of those it was bred from, `origin` names
    the propagator that bred it, and `traits` are the strategy parameters (such as step sizes) that it inherits and
    passes on. `loss` is NaN unless `status` is OK or STOPPED. `seconds` is how long its evaluation took, `ended` when
    that was over (Unix time), `metrics` what the loss returned beside the loss, and `cause` why the evaluation failed.
    `curve` holds its intermediate losses as (step, loss), and `attempts` how often it was tried. Of several losses,
    `losses` has all, and `loss` is the first. `rung` is its rung of
    the fidelity; one above the lowest `continues` the individual that it was promoted from. `moves` counts how often it
    has migrated to another island, for good.
    """

    id: Id
    genome: Genome
    space: Space
    parents: tuple[Id, ...] = ()
    origin: str = ""
    traits: tuple[float, ...] = ()
    status: Status = Status.BRED
    loss: float = math.nan
    seconds: float = 0.0
    ended: float = 0.0
    metrics: dict[str, Any] = {}
    cause: str = ""
    curve: tuple[tuple[int, float], ...] = ()
    attempts: int = 1
    rung: int = 0
    continues: Id | None = None
    moves: int = 0
    losses: tuple[float, ...] = ()

    @property
    def params(self) -> dict[str, Any]:
        """What the loss receives: a new dict at each call."""
        return self.space.decode(self.genome)

    @property
    def failed(self) -> bool:
        """Whether it was evaluated and came to nothing."""
        return not (self.has_loss or self.status is BRED)

    @property
    def has_loss(self) -> bool:
        """Whether it was evaluated and may be bred from: to its end, or until it was stopped."""
        return self.status is OK or self.status is STOPPED

    @property
    def order(self) -> tuple[int, float]:
        """What individuals are compared by: the higher rung first, as its losses are more certain, then the loss."""
        return -self.rung, self.loss

    def evaluated(self, outcome: Outcome, seconds: float = 0.0, ended: float = 0.0) -> Individual:
        """Return the same individual with its outcome, and what was asked for in place of what was bred."""
        space, genome = (self.space, self.genome) if outcome.asked is None else outcome.asked.read()
        return Individual(
            self.id,
            genome,
            space,
            self.parents,
            self.origin,
            self.traits,
            outcome.status,
            outcome.loss,
            seconds,
            ended,
            outcome.metrics,
            outcome.cause,
            self.curve,
            outcome.attempts,
            self.rung,
            self.continues,
            losses=outcome.losses,
        )

    def succeeded(self, loss: float, seconds: float, ended: float) -> Individual:
        """Return the same individual with a finite loss, as `evaluated` does, and faster; for the lowest rung only."""
        return Individual(
            self.id, self.genome, self.space, self.parents, self.origin, self.traits, OK, loss, seconds, ended
        )

    def __repr__(self) -> str:
        return f"Individual({self.id}, {self.params}, {self.status}, loss={self.loss})"


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What a loss asked for by name (see `Space.written`), and the genes of the values it was given."""

    space: str
    genome: Genome

    def read(self) -> tuple[Space, Genome]:
        """Return the space, of exactly those parameters, and the point in it."""
        return Space.read(self.space), self.genome


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What an evaluation came to: a finite loss, or several of them, or the status and cause of its failure."""

    status: Status
    loss: float = math.nan
    metrics: dict[str, Any] = {}
    cause: str = ""
    attempts: int = 1
    losses: tuple[float, ...] = ()
    asked: Asked | None = None

    def __post_init__(self) -> None:
        if not self.cause.isascii():
            msgspec.structs.force_setattr(self, "cause", _writable(self.cause))

    @classmethod
    def of(cls, value: object) -> Outcome:
        """Judge what a loss returned: a number, several in a tuple or list, or a mapping of "loss" and metrics.

        Anything with `__float__` counts as a number (NumPy and PyTorch scalars too); strings and booleans do not.
        """
        if type(value) is not float:
            if isinstance(value, dict | tuple | list):
                return cls._of_mapping(value) if isinstance(value, dict) else cls._of_several(value)
            logical = isinstance(value, bool) or str(getattr(value, "dtype", "")) in {"bool", "torch.bool"}
            if logical or isinstance(value, str | bytes) or not hasattr(value, "__float__"):
                return cls(Status.INVALID, cause=f"the loss returned {_shown(value)}, which is no number")
            try:
                value = float(value)
            except Exception as error:  # noqa: BLE001 (not the loss, but the rule is broken: the search ends)
                return cls(Status.INVALID, cause=f"the loss returned {_shown(value)}, which is no number: {error!r}")
        if math.isfinite(value):
            return cls(OK, value)
        if math.isnan(value):
            return cls(Status.NAN, cause="the loss returned NaN")
        return cls(Status.INFINITE, cause=f"the loss returned {value}")

    def expecting(self, losses: int) -> Outcome:
        """Return the same, or, where it is not of so many losses, a failure."""
        count = len(self.losses) or 1
        if self.status is not OK or count == losses:
            return self
        given = "one loss" if count == 1 else f"{count} losses"
        directions = "no directions" if count == 1 else f"directions={json.dumps(['minimize'] * count)}"
        declared = "one was" if losses == 1 else f"{losses} were"
        cause = f"the loss returned {given}, where {declared} declared: give {directions}"
        return Outcome(Status.INVALID, cause=cause)

    @classmethod
    def _of_several(cls, values: Sequence[Any]) -> Outcome:
        """Judge losses: one alone is a loss, and of several that are not all finite, the first such decides."""
        outcomes = [cls.of(value) for value in values if not isinstance(value, tuple | list | dict)]
        if not outcomes or len(outcomes) < len(values):
            return cls(Status.INVALID, cause=f"the loss returned {_shown(values)}, which are no losses")
        for number, outcome in enumerate(outcomes, 1):
            if outcome.status is not OK:
                return cls(outcome.status, cause=f"loss {number} of {len(values)}: {outcome.cause}")
        losses = tuple(outcome.loss for outcome in outcomes)
        return cls(OK, losses[0], losses=losses if len(losses) > 1 else ())

    @classmethod
    def _of_mapping(cls, value: dict[Any, Any]) -> Outcome:
        if "loss" not in value:
            keys = ", ".join(map(repr, value)) or "none"
            return cls(Status.INVALID, cause=f"the loss returned a mapping without 'loss': its keys are {keys}")
        if isinstance(value["loss"], dict):
            return cls(Status.INVALID, cause="the loss returned a mapping whose 'loss' is a mapping again")
        judged = cls.of(value["loss"])
        metrics = {_writable(str(key)): plain(metric) for key, metric in value.items() if key != "loss"}
        return cls(judged.status, judged.loss, metrics, judged.cause, losses=judged.losses)


def plain(value: object, depth: int = 0) -> object:
    """Turn a metric into what JSON can hold."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list | tuple | dict) and depth < _DEEPEST:
        return _nested(value, depth + 1)
    try:
        if isinstance(value, str):
            return _writable(str(value))
        if isinstance(value, int) and -(2**63) <= value < 2**63:
            return int(value)
        number = float(value)  # type: ignore[arg-type]  # whatever has __float__
    except Exception:  # noqa: BLE001 (a loss may return anything, even what cannot be shown)
        return _writable(_text(value, str))
    return number if math.isfinite(number) else str(number)


def _writable(text: str) -> str:
    """Return the text as UTF-8 can hold it: undecodable bytes of file names, say, are written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _shown(value: object) -> str:
    return f"{_text(value, repr)[:80]} ({type(value).__name__})"


def _text(value: object, write: Callable[[object], str]) -> str:
    try:
        return write(value)
    except Exception:  # noqa: BLE001 (a loss may return anything, even what cannot be shown)
        return "something"


def _nested(value: Sequence[object] | dict[object, object], depth: int) -> object:
    if isinstance(value, dict):
        return {_writable(_text(key, str)): plain(member, depth) for key, member in value.items()}
    return [plain(member, depth) for member in value]
