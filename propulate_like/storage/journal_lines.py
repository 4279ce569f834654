"""The lines of a journal: events as JSON, and reading them from untrusted lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from propulate_like.population.constraints import violation_of
from propulate_like.population.individual import Candidate, Count, Id, Individual
from propulate_like.population.outcome import BRED, HAVE_LOSS, INFEASIBLE, STOPPED, Outcome, Status
from propulate_like.problem.space import NOTHING, Space
from propulate_like.storage.events import FORMAT, Closed, Died, Evaluated, Event, Moment, Moved, Session, Started, Time

# The ranges of a line's values. A line with any other value is no event, even where it is well-formed JSON.
Gene = Annotated[float, Meta(ge=0, le=1)]
Rung = Annotated[int, Meta(ge=0, lt=1 << 8)]
NotFinite = Literal["nan", "inf", "-inf"]
Step = Annotated[int, Meta(ge=0, lt=1 << 62)]


class _StartedLine(msgspec.Struct, tag_field="type", tag="started", frozen=True, omit_defaults=True, gc=False):
    """A `Started` event as it is written: the candidate's fields beside its own."""

    id: Id
    began: Moment
    genome: tuple[Gene, ...]
    parents: tuple[Id, ...] = ()
    origin: str = ""
    traits: tuple[float, ...] = ()
    rung: Rung = 0
    continues: Id | None = None
    deaths: Count = 0
    space: str = ""
    """The space of the genome, where the loss asks for its parameters by name; otherwise empty: the run's space."""


class _EvaluatedLine(msgspec.Struct, tag_field="type", tag="evaluated", frozen=True, omit_defaults=True, gc=False):
    """An `Evaluated` event as it is written: the fields of individual, candidate and outcome on one level."""

    id: Id
    loss: float | None
    """None, which is null in JSON, where the evaluation failed."""
    genome: tuple[Gene, ...]
    parents: tuple[Id, ...]
    origin: str
    seconds: Time
    ended: Moment
    traits: tuple[float, ...] = ()
    status: Status = Status.OK
    metrics: dict[str, Any] = {}
    cause: str = ""
    curve: tuple[tuple[Step, float], ...] = ()
    """The intermediate losses that are finite."""
    attempts: Count = 1
    rung: Rung = 0
    continues: Id | None = None
    moves: Count = 0
    losses: tuple[float, ...] = ()
    not_finite: tuple[tuple[Step, NotFinite], ...] = ()
    """The intermediate losses that are not, as JSON has no such numbers."""
    space: str = ""
    """As in `_StartedLine`."""
    constraints: tuple[float | NotFinite, ...] = ()


_Line = Session | _StartedLine | _EvaluatedLine | Moved | Closed | Died
_decoder = msgspec.json.Decoder(_Line)
_encoder = msgspec.json.Encoder()


class Shape(msgspec.Struct, frozen=True):
    """The shape of a run's individuals.

    Attributes:
        space: The search space. Where the loss asks for its parameters, each individual has a space of its own.
        rungs: The number of rungs.
        losses: The number of losses.
        run: The run's identity, or "" to accept the journals of any run.
    """

    space: Space
    rungs: int = 1
    losses: int = 1
    run: str = ""

    def fits(self, line: _StartedLine | _EvaluatedLine) -> bool:
        """Return whether a line can belong to an individual of this shape."""
        if line.rung >= self.rungs:
            return False
        if isinstance(line, _EvaluatedLine) and line.loss is not None and (len(line.losses) or 1) != self.losses:
            return False
        if not self.space.asked_for:
            return not line.space and len(line.genome) == len(self.space)
        try:
            return bool(line.space) and len(line.genome) == len(Space.read(line.space))
        except (ValueError, RecursionError):
            return False


def encode(events: Iterable[Event]) -> bytes:
    """Return the concatenated lines of events. JSON has no NaN: a loss that is NaN becomes null."""
    return _encoder.encode_lines([_line(event) for event in events])


def decode(written: Iterable[bytes], shape: Shape | None = None, source: Path | None = None) -> Iterator[Event]:
    """Yield the events of the valid lines, and skip the others.

    Args:
        written: The lines, as bytes.
        shape: The shape that individuals must have. Without it, individuals whose line names no space have `NOTHING`
            as their space.
        source: The file that the lines come from, for messages.

    Raises:
        ValueError: A newer version wrote a line, or it is of another run.
    """
    space = NOTHING if shape is None else shape.space
    for text in written:
        try:
            line = _decoder.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if b'"format"' in text:
                _refuse_newer(text, source)
            continue
        if isinstance(line, _EvaluatedLine):
            if line.status is BRED or (line.loss is None) is (line.status in HAVE_LOSS) or not _is_constrained(line):
                continue
            if shape is None or shape.fits(line):
                yield Evaluated(Individual(_candidate(line, space), _outcome(line), line.moves))
        elif isinstance(line, _StartedLine):
            if shape is None or shape.fits(line):
                yield Started(_candidate(line, space), line.began, line.deaths)
        else:
            if isinstance(line, Session) and line.format > FORMAT:
                _refuse_newer(text, source)
            if isinstance(line, Session) and shape is not None and line.run and shape.run not in ("", line.run):
                message = f"{source}: it, or a part of it, is of another run: take that out of the folder"
                raise ValueError(message)
            yield line


def _line(event: Event) -> _Line:
    """Return an event in its written form."""
    if isinstance(event, Evaluated):
        return _evaluated_line(event.individual)
    if not isinstance(event, Started):
        return event
    bred = event.candidate
    return _StartedLine(
        bred.id,
        event.began,
        bred.genome,
        bred.parents,
        bred.origin,
        bred.traits,
        bred.rung,
        bred.continues,
        event.deaths,
        bred.space.written if bred.space.asked_for else "",
    )


# docs/decisions.md, "Fields are written out in two places only"
def _evaluated_line(individual: Individual) -> _EvaluatedLine:
    """Return an evaluated individual in its written form."""
    candidate, outcome = individual.candidate, individual.outcome
    return _EvaluatedLine(
        candidate.id,
        outcome.loss,
        candidate.genome,
        candidate.parents,
        candidate.origin,
        outcome.seconds,
        outcome.ended,
        candidate.traits,
        outcome.status,
        outcome.metrics,
        outcome.cause,
        outcome.curve and tuple(point for point in outcome.curve if math.isfinite(point[1])),
        outcome.attempts,
        candidate.rung,
        candidate.continues,
        individual.moves,
        outcome.losses,
        _not_finite(outcome.curve) if outcome.curve else (),
        candidate.space.written if candidate.space.asked_for else "",
        outcome.constraints
        and tuple(each if math.isfinite(each) else _not_finite_text(each) for each in outcome.constraints),
    )


def _candidate(line: _StartedLine | _EvaluatedLine, space: Space) -> Candidate:
    """Return the candidate of a line, in the space that the line names, or else in `space`."""
    if line.space:
        space = Space.read(line.space)
    return Candidate(line.id, line.genome, space, line.parents, line.origin, line.traits, line.rung, line.continues)


def _outcome(line: _EvaluatedLine) -> Outcome:
    """Return the outcome of a line."""
    return Outcome(
        line.status,
        math.nan if line.loss is None else line.loss,
        line.seconds,
        line.ended,
        line.metrics,
        line.cause,
        line.losses,
        _curve(line) if line.not_finite else line.curve,
        line.attempts,
        constraints=tuple(map(float, line.constraints)) if line.constraints else (),
    )


def _is_constrained(line: _EvaluatedLine) -> bool:
    """Return whether a line's constraints are numbers, and its status is what follows from them."""
    constraints = line.constraints
    if not constraints:
        return line.status is not INFEASIBLE
    if line.loss is None or "nan" in constraints:
        return False
    return line.status is STOPPED or (line.status is INFEASIBLE) is (violation_of(map(float, constraints)) > 0.0)


def _not_finite_text(number: float) -> NotFinite:
    """Return a number that JSON does not have as text."""
    return cast("NotFinite", str(number))


def _not_finite(curve: tuple[tuple[int, float], ...]) -> tuple[tuple[int, NotFinite], ...]:
    """Return the intermediate losses that JSON cannot hold as numbers."""
    return tuple((step, _not_finite_text(loss)) for step, loss in curve if not math.isfinite(loss))


def _curve(line: _EvaluatedLine) -> tuple[tuple[int, float], ...]:
    """Return all intermediate losses of a line, by their steps."""
    return tuple(sorted([*line.curve, *((step, float(loss)) for step, loss in line.not_finite)]))


class _Version(msgspec.Struct):
    """The version of the format that a line names."""

    format: int


def _refuse_newer(text: bytes, source: Path | None) -> None:
    """Check the version of the format that a line names.

    Raises:
        ValueError: A newer version wrote the line.
    """
    try:
        version = msgspec.json.decode(text, type=_Version).format
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if version > FORMAT:
        message = f"{source}: a newer version wrote it: its format is {version}, and this version reads up to {FORMAT}"
        raise ValueError(message)
