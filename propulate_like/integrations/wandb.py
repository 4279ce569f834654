"""Weights & Biases: a run of theirs for each evaluation, in one group for the search."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from propulate_like.foundation.user_paths import user_path
from propulate_like.integrations.tracking import CURVE, Tracked, name_of, require
from propulate_like.population.individual import Individual
from propulate_like.search.callbacks import Callback, WatchedSearch

MODES = ("online", "offline")
# docs/decisions.md, "Trackers"
_SETTINGS = {
    "silent": True,
    "console": "off",
    "disable_git": True,
    "disable_code": True,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
    "x_save_requirements": False,
}
"""What would be the same for each evaluation, or is of this process and not of the evaluation; it costs a second."""


class WandbCallback(Callback):
    """Logs a search to Weights & Biases: a run for each evaluation of any rank, in one group.

    A run's config has the parameters, its summary the value ("value"; of several losses "value.0" and so on) and the
    metrics, and its history the intermediate values as "intermediate". The evaluations that are logged are listed in a
    file, so that those are added which a search that continues has not logged.

    Attributes:
        project: The project; that of the library's environment, or "propulate-like", by default.
        entity: The user or team; the library's default by default.
        mode: "online" or "offline"; that of the library's environment by default.
        folder: Where the library keeps its files; the run's folder by default, or here where there is none.
    """

    def __init__(
        self,
        project: str | None = None,
        *,
        entity: str | None = None,
        mode: str | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        """Check that the library is installed.

        Raises:
            ValueError: It is not, or there is no such mode.
        """
        require("wandb", "Weights & Biases")
        if mode is not None and mode not in MODES:
            message = f"mode={mode!r} must be one of {', '.join(MODES)}"
            raise ValueError(message)
        self.project: str | None = project
        self.entity: str | None = entity
        self.mode = mode
        self.folder: str | None = None if folder is None else str(user_path(folder))
        self._files = None if folder is None else user_path(folder).absolute()  # wherever the objective goes
        self._group, self._logged, self._place = "", set[str](), Path()

    def on_start(self, search: WatchedSearch) -> None:
        self._place = self._files or (search.run or Path()).absolute()
        self._place.mkdir(parents=True, exist_ok=True)  # or the library takes another folder
        self._group = name_of(search)
        self._logged = set(self._list.read_text(encoding="utf-8").split()) if self._list.exists() else set()
        for individual in search.known():
            self._log(search, individual)

    def on_evaluated(self, search: WatchedSearch, individual: Individual) -> None:
        self._log(search, individual)

    @property
    def _list(self) -> Path:
        """The file that lists the evaluations which are logged."""
        return self._place / "wandb" / f"{self._group}.txt"

    def _log(self, search: WatchedSearch, individual: Individual) -> None:
        """Log an evaluation as a run, unless it is logged."""
        import shutil

        tracked = Tracked.of(search, individual)
        if tracked.ident in self._logged:
            return
        ident = f"{self._group}-{tracked.ident}"
        for remnant in self._place.glob(f"wandb/*run-*-{ident}"):  # of one that was cut off while it was logged
            shutil.rmtree(remnant)
        run = self._begin(ident, tracked)
        for step, value in tracked.curve:
            run.log({CURVE: value}, step=step)
        run.summary.update({**tracked.numbers, **tracked.texts})
        run.finish(0 if tracked.succeeded else 1)
        with self._list.open("a", encoding="utf-8") as file:
            file.write(f"{tracked.ident}\n")
        self._logged.add(tracked.ident)

    def _begin(self, ident: str, tracked: Tracked) -> Any:
        """Return a new run of the library's."""
        import wandb

        known = wandb.Settings.model_fields
        settings = {name: value for name, value in _SETTINGS.items() if name in known}
        return wandb.init(
            project=self.project or os.environ.get("WANDB_PROJECT") or "propulate-like",
            entity=self.entity,
            group=self._group,
            name=tracked.ident,
            id=ident,
            config=tracked.params,
            dir=str(self._place),
            mode=self.mode,
            reinit="create_new",
            resume="allow",
            settings=wandb.Settings(**settings),
        )
