"""The dry run of `run --check`: what a run would do, without changing, importing or running anything."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from propulate_like.problem.budget import Budget
from propulate_like.search.config import Config
from propulate_like.storage.lease import refusal
from propulate_like.storage.run import Run, Standing, check_folder


def dry_run(config: Config) -> str:
    """Return a message that says whether a run would start or continue, and how far it is.

    Raises:
        ValueError: The run would be refused.
    """
    folder = config.run
    nearest = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        what = "it is not writable" if nearest.is_dir() else f"{nearest} is no folder"
        message = f"{config.source}: the run's folder {folder} cannot be used: {what}"
        raise ValueError(message)
    if not Run.exists(folder):
        try:
            check_folder(folder)
        except ValueError as error:
            message = f"{config.source}: {error}"
            raise ValueError(message) from None
        budget = config.specification.budget.declaration()
        return f"{config.source} would begin a new run in {folder}: {_budget(budget)}"
    try:
        return f"{config.source} would {_continuing(config, folder)}"
    except ValueError as error:
        message = f"{config.source}: {error}"
        raise ValueError(message) from None


def _continuing(config: Config, folder: Path) -> str:
    """Return how the run in a folder would continue.

    Raises:
        ValueError: Another run holds the folder, or the config is of another search.
    """
    held = refusal(folder)
    if held:
        raise ValueError(held)
    run = Run(folder)
    space = config.specification.space or run.space  # that of a decorated function is known once it is imported
    merged, changes = Run.merged(folder, msgspec.structs.replace(config.specification, space=space).declaration())
    budget = merged["budget"]
    standing = run.standing()
    if _used_up(Budget(**budget), standing, maximize=run.maximize):
        begin = f"evaluate nothing more: the budget of the run in {folder} is used up"
    else:
        begin = f"continue the run in {folder}"
    words = [f"{standing.evaluations} evaluations done of {_budget(budget)}", *(change.change for change in changes)]
    if standing.unfinished:
        words.append(f"{standing.unfinished} unfinished")
    if standing.best is not None and len(run.signs) == 1:
        words.append(f"best {-standing.best if run.maximize else standing.best:.6g}")
    return f"{begin}: {', '.join(words)}"


def _used_up(budget: Budget, standing: Standing, *, maximize: bool) -> bool:
    """Return whether a run's budget leaves nothing to do."""
    reached = standing.best is not None and standing.best <= budget.lowest_loss(maximize=maximize)
    return reached or budget.evaluations_left(standing.evaluations) == 0 or budget.seconds_left(standing.seconds) <= 0


def _budget(budget: dict[str, float]) -> str:
    """Return a budget as messages show it."""
    forms = {"evaluations": "{} evaluations", "seconds": "{:g} s", "target": "until {:g}"}
    words = [form.format(budget[name]) for name, form in forms.items() if name in budget]
    return ", ".join(words).replace("inf s", "until it is interrupted")
