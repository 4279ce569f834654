"""What `export` writes of a run for other tools."""

from __future__ import annotations

import signal
from enum import StrEnum
from pathlib import Path
from typing import Any

from propulate_like.cli import show
from propulate_like.foundation.console import printable, say
from propulate_like.foundation.early_signals import SIGNALS
from propulate_like.storage.run import Run


class Form(StrEnum):
    """What a run is written as."""

    OPTUNA = "optuna"
    CSV = "csv"
    PARQUET = "parquet"


def export(run: Run, form: Form, target: str, study: str | None, *, live: bool) -> str:
    """Write a run, and say what was written; ValueError where that cannot be."""
    if form is Form.OPTUNA:
        return printable(_to_study(run, target, study, live=live))
    for option, given in (("--study", study is not None), ("--live", live)):
        if given:
            message = f"{option} is for --to optuna, not for --to {form}"
            raise ValueError(message)
    rows = show.all_rows(run)
    if form is Form.CSV:
        Path(target).write_text(show.as_csv(rows), encoding="utf-8")
    else:
        _to_parquet(rows, target)
    return printable(f"{len(rows)} evaluations written to {target}")


def _to_study(run: Run, target: str, study: str | None, *, live: bool) -> str:
    from propulate_like.integrations.optuna.export import Export
    from propulate_like.integrations.optuna.storing import shown

    try:
        import optuna
    except ImportError:
        message = "--to optuna needs Optuna: pip install optuna"
        raise ValueError(message) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    exported = Export(run, target, study)
    where = f"study {exported.name} in {shown(target)}"
    see = f"see them: optuna-dashboard {shown(target)}"
    if live:
        say(printable(f"evaluations go to the {where} until the search ends, or Ctrl-C; {see}"))
        for number in SIGNALS:
            signal.signal(number, lambda *_: exported.end())
        exported.follow()
    else:
        exported.look()
    return f"{exported.added} evaluations added to the {where}; {see}"


def _to_parquet(rows: list[dict[str, Any]], target: str) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        message = "--to parquet needs pyarrow: pip install pyarrow"
        raise ValueError(message) from None

    def column(values: list[Any]) -> Any:
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # of several types, which a column cannot have
            return pa.array([None if value is None else str(value) for value in values])

    parquet.write_table(
        pa.table({name: column([row.get(name) for row in rows]) for name in show.names_of(rows)}), target
    )
