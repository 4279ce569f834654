"""A worker of an Optuna study: python optuna_worker.py ORDER. It says `ready`, waits for a line, and searches."""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import optuna

from propulate_like.problem.space import Float, Space
from propulate_like_bench.comparison.timed.noting import BOUND, Notes
from propulate_like_bench.comparison.timed.storages import opened
from propulate_like_bench.quality.peer_optuna import SAMPLERS
from propulate_like_bench.quality.workers import Setting


def main() -> None:
    """Search, and write this worker's notes as a line."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    names = [f"x{number}" for number in range(order["parameters"])]
    space = Space({name: Float(-BOUND, BOUND) for name in names})
    setting = Setting(space, order["workers"], order["trials"], order["seed"])
    sampler = SAMPLERS[order["contestant"]](setting, order["seed"])
    study = optuna.create_study(
        study_name="overhead", storage=opened(order["storage"], order["place"]), sampler=sampler, load_if_exists=True
    )
    print("ready", flush=True)
    sys.stdin.readline()
    notes = Notes(order["marks"])

    def sphere(trial: optuna.Trial) -> float:
        return notes.loss([trial.suggest_float(name, -BOUND, BOUND) for name in names])

    study.optimize(sphere, n_trials=order["trials"] // order["workers"], timeout=order["seconds"])
    print(json.dumps(notes.data()), flush=True)


if __name__ == "__main__":
    main()
