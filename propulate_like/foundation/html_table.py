"""Tables in HTML for notebooks: escaped, and without colours of their own, so that light and dark pages suit them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from propulate_like.foundation.console import printable, short

_TABLE = "border-collapse: collapse; margin: 0 0 0.5em 0"
_CELL = "text-align: left; padding: 0.2em 1em 0.2em 0; border-bottom: 1px solid rgba(128, 128, 128, 0.4)"
_TITLE = "font-weight: bold; margin: 0.5em 0 0.2em 0"


def html_table(title: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first cell of each row is its heading where the columns have no names.

    Args:
        title: The text above it.
        names: The names of the columns, of which there may be none.
        rows: The texts of the cells.
    """
    head = f"<thead><tr>{''.join(_cell('th', name) for name in names)}</tr></thead>" if names else ""
    lines = (
        _cell("td" if names else "th", row[0]) + "".join(_cell("td", text) for text in row[1:]) for row in rows if row
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    above = f'<div style="{_TITLE}">{html.escape(printable(title))}</div>'  # a caption is below in some notebooks
    return f'{above}<table style="{_TABLE}">{head}<tbody>{body}</tbody></table>'


def _cell(kind: str, text: str) -> str:
    return f'<{kind} style="{_CELL}">{html.escape(short(text))}</{kind}>'
