"""The tables that `export` writes: a row for each evaluation, however many there are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from propulate_like.cli.show import cell, run_row
from propulate_like.foundation.files import replacing
from propulate_like.foundation.values import typed_text
from propulate_like.population.individual import Individual
from propulate_like.problem.parameters import Parameter
from propulate_like.problem.space import Space
from propulate_like.search.rows import merged
from propulate_like.storage.events import Evaluated
from propulate_like.storage.history import History
from propulate_like.storage.run import Run

_AT_ONCE = 2_000  # rows
_LARGEST_INT = 1 << 63
_TEXT = {"id", "status", "origin", "parents", "cause", "directory"}
_NUMBERS = {"rung": int}


class ExportTable:
    """All individuals of a run as rows, failures included, in the order in which their evaluations ended.

    Attributes:
        names: The names of the columns.
        types: The types of the values of each column, None apart.
        count: The number of rows.
    """

    def __init__(self, run: Run) -> None:
        """Read the journals once, for the columns.

        Raises:
            ValueError: A journal cannot be read.
        """
        self.count = 0
        self._run, self._history = run, History(run.folder, run.shape)
        self._params: dict[str, set[type]] = {}
        self._names: list[str] = []  # of the parameters, in the order of the space
        self._metrics: dict[str, set[type]] = {}
        self._constraints = 0
        space: Space | None = None
        for event in self._history.events():
            if isinstance(event, Evaluated):
                self._count(event.individual)
                if event.individual.space is not space:
                    space = event.individual.space
                    self._add_space(space)
        self.types = self._columns()
        self.names = list(self.types)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows, in which columns may be missing.

        Raises:
            ValueError: A journal cannot be read.
        """
        return (run_row(individual, self._run) for individual in self._history.in_order())

    def _count(self, individual: Individual) -> None:
        self.count += 1
        self._constraints = max(self._constraints, len(individual.outcome.constraints))
        for name, value in individual.outcome.metrics.items():
            self._metrics.setdefault(name, set()).update(() if value is None else (_type_of(value),))

    def _add_space(self, space: Space) -> None:
        self._names = merged([self._names, space.names])
        for name, parameter in space.items():
            self._params.setdefault(name, set()).update(_types_of(parameter))

    def _columns(self) -> dict[str, set[type]]:
        """Return the columns in their order, each with its types."""
        losses, trials = len(self._run.signs), self._run.folder / "trials"
        numbers = [f".{number}" for number in range(losses)] if losses > 1 else [""]
        before = ["id", *(f"value{number}" for number in numbers), "status", *(f"loss{number}" for number in numbers)]
        if self._constraints:
            before += ["violation", *(f"constraints.{number}" for number in range(self._constraints))]
        after = ["rung"] * bool(self._run.config.get("fidelity")) + ["seconds", "ended", "origin", "parents", "cause"]
        after += ["directory"] * trials.is_dir()
        return {
            **{name: _own_types(name) for name in before},
            **{f"params.{name}": self._params[name] for name in self._names},
            **{f"metrics.{name}": types for name, types in self._metrics.items()},
            **{name: _own_types(name) for name in after},
        }


def write_csv(table: ExportTable, path: Path) -> None:
    """Write a table as CSV with a header."""
    with replacing(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(cell("", name) for name in table.names)
        writer.writerows([cell(name, row.get(name)) for name in table.names] for row in table.rows())
        text.flush()
        text.detach()


def write_parquet(table: ExportTable, path: Path) -> None:
    """Write a table as a Parquet file; a column of values of several types is one of texts.

    Raises:
        ValueError: pyarrow is missing.
    """
    try:
        import pyarrow as pa
    except ImportError:
        message = "--to parquet needs pyarrow: pip install pyarrow"
        raise ValueError(message) from None
    kinds = {frozenset({bool}): pa.bool_(), frozenset({int}): pa.int64(), frozenset({str}): pa.string()}
    kinds |= {frozenset(types): pa.float64() for types in ({float}, {int, float})}
    schema = pa.schema(
        [
            (name, pa.string() if _mixed(name, types) else kinds.get(frozenset(types), pa.string()))
            for name, types in table.types.items()
        ]
    )
    with replacing(path) as file:
        _write_rows(table, schema, file)


def _write_rows(table: ExportTable, schema: Any, file: BinaryIO) -> None:
    """Write the rows of a table as a Parquet file, some at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = table.rows()
    with parquet.ParquetWriter(file, schema) as writer:
        while some := list(islice(rows, _AT_ONCE)):
            columns = [[row.get(field.name) for row in some] for field in schema]
            arrays = [
                pa.array(_texts(field.name, values, table) if field.type == pa.string() else values, field.type)
                for values, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _own_types(name: str) -> set[type]:
    """Return the type of a column that every run has."""
    return {str if name in _TEXT else _NUMBERS.get(name, float)}


def _types_of(parameter: Parameter) -> set[type]:
    """Return the types of a parameter's values, None apart."""
    values = getattr(parameter, "options", None) or [parameter.decode(0.0), parameter.decode(1.0)]
    return {_type_of(value) for value in values if value is not None}


def _type_of(value: Any) -> type:
    """Return a value's type; that of other values than numbers and texts, and of huge numbers, is object."""
    if isinstance(value, int) and not -_LARGEST_INT <= value < _LARGEST_INT:
        return object
    return type(value) if type(value) in (bool, int, float, str) else object


def _mixed(name: str, types: set[type]) -> bool:
    """Return whether a column has a parameter's values of several types: 1 would become 1.0 beside others."""
    return name.startswith("params.") and len(types) > 1


def _texts(name: str, values: list[Any], table: ExportTable) -> list[str | None]:
    """Return the values of a column as texts; of a parameter's values of several types, those that tell the type."""
    write = typed_text if _mixed(name, table.types[name]) else _text
    return [None if value is None else write(value) for value in values]


def _text(value: Any) -> str:
    """Return a value as text."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, list | dict) else str(value)
