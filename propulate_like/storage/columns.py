"""Columns of tables in memory: whether they are values, texts that stand for values, or cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from propulate_like.foundation.values import same, typed_text
from propulate_like.problem.parameters import Parameter


class Column(NamedTuple):
    """What the cells of a parameter's column are.

    Attributes:
        as_text: Whether every one is a text, as in a CSV file, so that a text may stand for a number.
        several: The cells of which nobody knows which value they are, with the values that they may be.
    """

    as_text: bool = False
    several: Mapping[Any, tuple[Any, Any]] = {}

    @classmethod
    def of(cls, parameter: Parameter, cells: Sequence[Any], *, texts: bool, frame: bool) -> Column:
        """Look at all cells of a column together.

        Python's own values are what they are. A table that was read from a file has texts for all that is said in a
        column with texts, and a frame has floats for all numbers in a column with floats.

        Args:
            parameter: The parameter.
            cells: All cells that are not empty.
            texts: Whether the table has texts where others would be numbers, as csv.DictReader gives it.
            frame: Whether it is a frame, of which nobody knows where it comes from.
        """
        options = getattr(parameter, "options", ())
        kinds = set(map(type, cells))
        if kinds == {str}:
            said = {typed_text(option): option for option in options}
            if texts or any(cell in said and not parameter.contains(cell) for cell in cells):
                return cls(as_text=True)
            if frame:
                other = {cell: said[cell] for cell in set(cells) if cell in said and not same(cell, said[cell])}
                return cls(several={cell: (cell, value) for cell, value in other.items() if parameter.contains(cell)})
        if kinds == {float} and frame and options:
            whole = {cell: int(cell) for cell in set(cells) if cell.is_integer() and parameter.contains(cell)}
            return cls(several={cell: (cell, one) for cell, one in whole.items() if parameter.contains(one)})
        return cls()


AS_THEY_ARE = Column()
"""A column of values."""
