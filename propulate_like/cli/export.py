"""The command `export`: a run in a form for other tools."""

from __future__ import annotations

import signal
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import NoReturn

from propulate_like.cli.tables import ExportTable, write_csv, write_parquet
from propulate_like.foundation.console import pasteable, say, short
from propulate_like.foundation.early_signals import INTERRUPTED, SIGNALS
from propulate_like.foundation.passwords import masked
from propulate_like.foundation.user_paths import user_path
from propulate_like.storage.run import Run


class Form(StrEnum):
    """The forms of an exported run."""

    OPTUNA = "optuna"
    CSV = "csv"
    PARQUET = "parquet"


def export(run: Run, form: Form, target: str, study: str | None, *, live: bool) -> str:
    """Write a run, and return a message that says what was written.

    Args:
        run: The run.
        form: The form to write.
        target: The file, or the storage of a study.
        study: The study's name, or None for that of the run's folder.
        live: Whether to follow the search until it ends.

    Raises:
        ValueError: The options do not fit each other, a library is missing, or the target cannot be used.
    """
    for number in SIGNALS:
        signal.signal(number, _interrupted)
    if form is not Form.OPTUNA or "://" not in target:
        target = str(user_path(target))
    if form is Form.OPTUNA:
        return _to_study(run, target, study, live=live)
    for option, given in (("--study", study is not None), ("--live", live)):
        if given:
            message = f"{option} is for --to optuna, not for --to {form}"
            raise ValueError(message)
    table = ExportTable(run)
    (write_csv if form is Form.CSV else write_parquet)(table, Path(target))
    return f"{table.count} evaluations written to {target}"


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    """End the command in such a way that locks are released, and files that were begun removed."""
    say("interrupted")
    raise SystemExit(INTERRUPTED)


def _to_study(run: Run, target: str, study: str | None, *, live: bool) -> str:
    """Export a run to an Optuna study, and return a message that says how many individuals were added."""
    from propulate_like.integrations.optuna.export import Export

    try:
        import optuna
    except ImportError:
        message = "--to optuna needs Optuna: pip install optuna"
        raise ValueError(message) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    exported = Export(run, target, study)
    where = f"study {short(exported.name)} in {masked(target)}"
    see = f"see them: {pasteable(['optuna-dashboard', target])}"
    if live:
        say(f"evaluations go to the {where} until the search ends, or Ctrl-C; {see}")
        for number in SIGNALS:
            signal.signal(number, lambda *_: exported.end())
        exported.follow()
    else:
        exported.look()
    return f"{exported.added} evaluations added to the {where}; {see}"
