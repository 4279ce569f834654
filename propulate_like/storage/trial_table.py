"""Tables of evaluations by this or other software: their rows as params and outcomes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from propulate_like.foundation.console import printable
from propulate_like.foundation.files import read_small
from propulate_like.foundation.values import identifier
from propulate_like.population.outcome import HAVE_LOSS, OK, STOPPED, Outcome, Status
from propulate_like.problem.directions import Signs, directions_of
from propulate_like.problem.parameters import Parameter
from propulate_like.problem.parameters.parameter import number_in
from propulate_like.problem.space import Genome, Space
from propulate_like.storage.columns import AS_THEY_ARE, Column

_LARGEST_BYTES = 1 << 30
_LOSSES = (("loss", "loss.{}", True), ("value", "value.{}", False), ("value", "values_{}", False))
"""The column of one loss, the columns of several, and whether these have the sign that is minimized."""
_PREFIXES = ("params.", "params_", "")
_UNEVALUATED = ("bred", "running", "waiting")
_STATES = {"complete": OK, "pruned": STOPPED, "fail": Status.ERROR, **{str(status): status for status in Status}}
_LATEST = 1e11  # seconds
_SHOWN = 12  # columns that a message names


class Row(NamedTuple):
    """One evaluation from elsewhere.

    Attributes:
        params: Its params, as they were found.
        outcome: Its outcome, with losses that are minimized.
        seconds: The duration of the evaluation, or 0 where it is not known.
        ended: Its end in Unix time, or 0 where it is not known.
        blank: The parameters whose cell is empty: each is None or does not exist there.
        distributions: Optuna's distributions, where they are known.
        columns: What the cells of each column are, where the row is of a table.
    """

    params: Mapping[str, Any]
    outcome: Outcome
    seconds: float = 0.0
    ended: float = 0.0
    blank: frozenset[str] = frozenset()
    distributions: Mapping[str, Any] | None = None
    columns: Mapping[str, Column] = {}

    def genome(self, space: Space) -> Genome:
        """Return the genome of these params.

        Raises:
            ValueError: The space does not contain these params.
        """
        params = dict(self.params)
        if not space.asked_for:
            params = {identifier(name): value for name, value in params.items()}
        for name in params.keys() & space.keys():
            params[name] = value_of(name, space[name], params[name], self.columns.get(name, AS_THEY_ARE))
        if self.blank:
            genes = [known.encode(params[name]) if name in params else 0.5 for name, known in space.items()]
            active = space.decode(genes)
            params |= {name: None for name in self.blank if name in active}
        return space.encode(params)


def value_of(name: str, parameter: Parameter, given: Any, column: Column = AS_THEY_ARE) -> Any:
    """Return the parameter's value that was found in another form, such as a text or a number of another type.

    Args:
        name: The parameter's name, for messages.
        parameter: The parameter.
        given: What was found.
        column: What the cells of its column are.

    Raises:
        ValueError: It stands for no value of the parameter.
    """
    if isinstance(given, str | float) and given in column.several:
        one, other = column.several[given]
        message = f"{name}: {given!r} may be {one!r} or {other!r}"
        raise ValueError(message)
    if not column.as_text and parameter.contains(given):
        return given
    try:
        meant = parameter.meant(given)
    except ValueError as error:
        message = f"{name}: {error}"
        raise ValueError(message) from None
    if not parameter.contains(meant):
        message = f"{name}: {given!r} is not a value of {parameter!r}"
        raise ValueError(message)
    return meant


def read_csv(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV file, each as a dict by column.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is no table, is too large, or cannot be read.
    """
    content = read_small(path, _LARGEST_BYTES)
    try:
        text = content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (ValueError, csv.Error) as error:
        message = f"it is no CSV file: {error}"
        raise ValueError(message) from None
    if "\0" in text or len(content) > _LARGEST_BYTES:
        message = "it is no CSV file, or too large a one"
        raise ValueError(message)
    return rows


def read_rows(
    table: Sequence[Mapping[str, Any]], space: Space, signs: Signs, *, as_text: bool = False, frame: bool = False
) -> Iterator[Row]:
    """Yield the evaluated rows of a table.

    Parameters are in columns such as params.x, params_x, or x, or in a mapping, `params`. Losses are in the column
    `loss`, with the sign that is minimized, or `value`, as the loss function returned them. Several losses are in
    loss.0, loss.1 and so on, or value.0 or values_0 and so on, or are the lists `losses` or `values`. Constraints are
    in constraints.0 and so on, or the list `constraints`.

    Args:
        table: The rows, each as a mapping by column.
        space: The search's space.
        signs: 1 for each loss that the search minimizes, -1 for each that it maximizes.
        as_text: Whether all cells are texts, as in a CSV file.
        frame: Whether it is a DataFrame.

    Raises:
        ValueError: The table has no such columns, or a row's loss is no number.
    """
    table = [_flat(row) for row in table]
    columns = _Columns.of(table, space, len(signs))
    columns.check_direction(table, signs)
    cells = columns.cells(table, space, as_text=as_text, frame=frame)
    for number, row in enumerate(table, 1):
        about = {column: cell for column, cell in row.items() if column not in columns.params}
        state = _state(about)
        if state in _UNEVALUATED:
            continue
        found = {name: _cell(row.get(column)) for column, name in columns.params.items()}
        blank = [name for name, cell in found.items() if cell is None and name in space and space[name].contains(None)]
        duration = getattr(about.get("duration"), "total_seconds", float)()  # Optuna's, a Timedelta
        yield Row(
            {name: cell for name, cell in found.items() if cell is not None},
            columns.outcome(number, row, signs, _STATES.get(state, OK)),
            time_of(about.get("seconds")) or time_of(duration),
            time_of(about.get("ended")),
            frozenset(blank),
            columns=cells,
        )


def _flat(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row whose params, losses or constraints are in mappings and lists, as JSON has them, in columns."""
    shown = dict(row)
    for name, column in (("values", "value"), ("losses", "loss"), ("constraints", "constraints")):
        if isinstance(numbers := row.get(name), list):
            del shown[name]
            shown |= {f"{column}.{place}": number for place, number in enumerate(numbers)}
    if isinstance(params := shown.get("params"), dict):
        del shown["params"]
        shown |= {f"params.{name}": value for name, value in params.items()}
    return shown


class _Columns(NamedTuple):
    """The columns of a table that hold parameters and losses."""

    params: dict[str, str]
    """The name of the parameter in each column that holds one."""
    losses: list[str]
    """The columns that hold the losses, or the values that the loss function returned."""
    minimized: bool
    """Whether these are losses, with the sign that is minimized."""

    @classmethod
    def of(cls, table: Sequence[Mapping[str, Any]], space: Space, losses: int) -> _Columns:
        """Find the columns that matter.

        Args:
            table: The rows.
            space: The search's space.
            losses: The number of losses.

        Raises:
            ValueError: No column holds a parameter or the losses, or the table has more losses.
        """
        all_of = list(dict.fromkeys(str(column) for row in table for column in row))
        spelled = set(map(identifier, all_of))
        prefix = next((one for one in _PREFIXES if any(one + name in spelled for name in space)), None)
        shown = printable(", ".join(all_of[:_SHOWN])) + ", ..." * (len(all_of) > _SHOWN)
        if not all_of:
            message = "it has no rows"
            raise ValueError(message)
        if prefix is None:
            name = next(iter(space), "x")
            message = f"no column names a parameter, as params.{name}, params_{name} or {name} would; there are {shown}"
            raise ValueError(message)
        params = {
            column: identifier(column.removeprefix(prefix))
            for column in all_of
            if (column.startswith(prefix) if prefix else identifier(column) in space)
        }
        for first, many, minimized in _LOSSES:
            names = [many.format(number) for number in range(losses)] if losses > 1 else [first]
            if all(name in all_of and name not in params for name in names):
                more = many.format(losses if losses > 1 else 0)
                if more in all_of:
                    message = f"it has more losses than this search, which has {losses}: there is {more}"
                    raise ValueError(message)
                return cls(params, names, minimized)
        needed = " or ".join(["'loss'", "'value'"] if losses == 1 else ["'loss.0'", "'values_0'"])
        message = f"it has no column {needed}{' and the following' * (losses > 1)}; there are {shown}"
        raise ValueError(message)

    def cells(
        self, table: Sequence[Mapping[str, Any]], space: Space, *, as_text: bool, frame: bool
    ) -> dict[str, Column]:
        """Return what the cells of each parameter's column are."""
        if as_text:
            return dict.fromkeys(self.params.values(), Column(as_text=True))
        texts = not frame and all(isinstance(row.get(loss), str | None) for row in table for loss in self.losses)
        found = {}
        for column, name in self.params.items():
            if name in space:
                cells = [cell for row in table if (cell := _cell(row.get(column))) is not None]
                found[name] = Column.of(space[name], cells, texts=texts, frame=frame)
        return found

    def check_direction(self, table: Sequence[Mapping[str, Any]], signs: Signs) -> None:
        """Compare the table's direction, which its values beside losses show, with the search's.

        Raises:
            ValueError: The directions differ.
        """
        values = [column.replace("loss", "value", 1) for column in self.losses]
        if not self.minimized or any(column in self.params for column in values):
            return
        were = [0.0] * len(values)
        for row in table:
            for place, columns in enumerate(zip(self.losses, values)):
                loss, value = (_number(row.get(column)) for column in columns)
                if loss and value and abs(loss) == abs(value):
                    were[place] = loss / value
            if all(were):
                check_directions("its values were", tuple(were), signs)
                return

    def outcome(self, number: int, row: Mapping[str, Any], signs: Signs, status: Status) -> Outcome:
        """Return the outcome of a row.

        Args:
            number: The row's number, for messages.
            row: The row.
            signs: 1 for each loss that the search minimizes, -1 for each that it maximizes.
            status: The status with which the evaluation ended.

        Raises:
            ValueError: A loss is no number.
        """
        cells = [_cell(row.get(column)) for column in self.losses]
        if status not in HAVE_LOSS:
            return Outcome(status)
        if None in cells:
            return Outcome.failure(Status.NAN, "no loss is known")
        losses = []
        for column, cell, sign in zip(self.losses, cells, signs):
            loss = _number(cell)
            if loss is None:
                message = f"row {number}: {column}={cell!r:.40} is no number"
                raise ValueError(message)
            losses.append(loss if self.minimized else sign * loss)
        constraints = self._constraints(number, row)
        return judged(losses, status).constrained(constraints) if constraints else judged(losses, status)

    def _constraints(self, number: int, row: Mapping[str, Any]) -> tuple[float, ...]:
        """Return the constraints of a row, which are in constraints.0, constraints.1 and so on.

        Raises:
            ValueError: One is no number.
        """
        found: list[float] = []
        while (cell := _cell(row.get(f"constraints.{len(found)}"))) is not None:
            value = _number(cell)
            if value is None:
                message = f"row {number}: constraints.{len(found)}={cell!r:.40} is no number"
                raise ValueError(message)
            found.append(value)
        return tuple(found)


def check_directions(what: str, were: Signs, signs: Signs) -> None:
    """Check that the directions of a source are those of the search.

    Args:
        what: The beginning of the message.
        were: The source's signs.
        signs: The search's signs.

    Raises:
        ValueError: The directions differ.
    """
    if were == signs:
        return
    if len(were) == len(signs) == 1:
        ways = {1.0: "minimized", -1.0: "maximized"}
        message = f"{what} {ways[were[0]]}, and this search's loss is {ways[signs[0]]}"
    else:
        message = f"{what} of directions {directions_of(were)}, and this search of {directions_of(signs)}"
    raise ValueError(message)


def judged(losses: Sequence[float], status: Status) -> Outcome:
    """Return the outcome with these losses and this status, or a failure where a loss is not finite."""
    outcome = Outcome.of(tuple(losses))
    if outcome.status is not OK or status is not STOPPED:
        return outcome
    return msgspec.structs.replace(outcome, status=status)


def _state(row: Mapping[str, Any]) -> str:
    """Return a row's status in lower case, as this package or Optuna writes it, or "" where it has none."""
    return str(_cell(row.get("status")) or _cell(row.get("state")) or "").rpartition(".")[2].lower()


def _cell(value: Any) -> Any:
    """Return a cell's content as a Python value, or None where it is empty."""
    value = value.item() if hasattr(value, "item") else value
    empty = (isinstance(value, str) and not value.strip()) or (isinstance(value, float) and value != value)  # noqa: PLR0124
    return None if empty or type(value).__name__ in ("NAType", "NaTType") else value


def _number(value: Any) -> float | None:
    """Return a cell's content as a number, or None where it is none."""
    return number_in(_cell(value))


def time_of(value: Any) -> float:
    """Return a cell's content as seconds, or 0 where it is no number that a journal can hold."""
    number = _number(value)
    return number if number is not None and 0.0 < number < _LATEST else 0.0
