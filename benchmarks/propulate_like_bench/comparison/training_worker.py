"""What a worker of the comparison `training` runs: a search of models that are really trained.

A program of its own, so that Optuna's workers load nothing of this package: python training_worker.py TASK, in JSON.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import get_ident
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Params = Mapping[str, Any]

_ROWS = 400  # of the 1797 digits, so that a short search trains hundreds of models
_DOUBT = 0.02  # of the probability that goes to all classes alike, so that the log loss is bounded


class Task(NamedTuple):
    """What a worker is to do: search for the loss's minimum over a space, as YAML has it, in the time that is left.

    `launched` is when the search was (monotonic, seconds), and `seconds` its wall clock from then on. A job lasts
    `stretch` times as long as its training computes. `number` is that of the worker's process.
    """

    contestant: dict[str, Any]
    space: dict[str, dict[str, Any]]
    workers: int
    seed: int
    launched: float
    seconds: float
    stretch: float
    folder: str
    number: int = 0

    @property
    def left(self) -> float:
        """Seconds, and a moment where it is too late: other workers may be waiting for this one."""
        return max(self.launched + self.seconds - time.monotonic(), 0.1)


@cache
def data() -> tuple[Any, Any, Any, Any]:
    """Return images of digits for training and for validation, and what these are."""
    images, digits = load_digits(return_X_y=True)
    images, _, digits, _ = train_test_split(images, digits, train_size=_ROWS, random_state=0, stratify=digits)
    x, v, y, w = train_test_split(images, digits, test_size=0.5, random_state=0, stratify=digits)
    return x, v, y, w


def train(params: Params) -> float:
    """Train a network, and return its log loss on validation; the same for the same params."""
    own = dict(params)
    shape, epochs = (own.pop("width"),) * own.pop("layers"), own.pop("epochs")
    network = MLPClassifier(hidden_layer_sizes=shape, max_iter=epochs, random_state=0, **own)
    x, v, y, w = data()
    with np.errstate(all="ignore"):
        try:
            chances = make_pipeline(StandardScaler(), network).fit(x, y).predict_proba(v)[np.arange(len(w)), w]
        except ValueError:  # its weights became infinite
            chances = np.zeros(len(w))
    return -float(np.mean(np.log((1.0 - _DOUBT) * np.nan_to_num(chances) + _DOUBT / 10)))


class Job:
    """Trains, and lasts `stretch` times as long as that computes; notes when it began and ended, and the loss."""

    def __init__(self, stretch: float, folder: str) -> None:
        self._stretch = stretch
        self._notes = Path(folder, f"worker-{os.getpid()}.jsonl")

    def __call__(self, params: Params) -> float:
        began, computing = time.monotonic(), time.thread_time()
        loss = train(params)
        lasts = self._stretch * (time.thread_time() - computing)
        time.sleep(max(began + lasts - time.monotonic(), 0.0))
        self._note([get_ident(), began, time.monotonic(), loss])
        return loss

    def close(self) -> None:
        """Write down the most memory that this process ever had."""
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        self._note({"peak_megabytes": int(peak[1]) / 1024 if peak else 0.0})

    def _note(self, what: Any) -> None:
        with self._notes.open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(what) + "\n")


def search(task: Task, job: Job) -> None:
    """Search with this package, on this rank."""
    import propulate_like as pl
    from propulate_like.propagators.from_yaml import read

    propagator = task.contestant["propagator"]
    pl.minimize(
        job,
        pl.Space.from_declaration(task.space),
        seconds=task.left,
        propagator=propagator if propagator == "auto" else read(propagator),
        seed=task.seed,
        run=Path(task.folder, "run"),
        progress=False,
    )


def optimize(task: Task, job: Job) -> None:
    """Search with Optuna, as one of its processes or, in memory, with as many threads as there are workers."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    arguments = task.contestant.get("arguments", {})
    seed = task.seed * task.workers + task.number
    sampler = getattr(optuna.samplers, task.contestant["sampler"])(seed=seed, **arguments)
    study = _study(task, sampler)
    threads = task.workers if task.contestant["storage"] == "memory" else 1
    study.optimize(lambda trial: job(_suggested(trial, task.space)), timeout=task.left, n_jobs=threads)


def _study(task: Task, sampler: Any) -> Any:
    """Open the study that all of its processes share, which the first one creates."""
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    kind, created = task.contestant["storage"], Path(task.folder, "created")
    if kind == "memory":
        return optuna.create_study(sampler=sampler)
    while task.number and not created.exists():
        time.sleep(0.005)
    storage: Any
    if kind == "journal":
        storage = JournalStorage(JournalFileBackend(f"{task.folder}/journal.log"))
    else:
        storage = RDBStorage(f"sqlite:///{task.folder}/study.db", engine_kwargs={"connect_args": {"timeout": 100}})
    if task.number:
        return optuna.load_study(study_name="training", storage=storage, sampler=sampler)
    study = optuna.create_study(study_name="training", storage=storage, sampler=sampler)
    created.touch()
    return study


def _suggested(trial: Any, space: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Ask for each parameter whose conditions hold, as objectives of Optuna's do."""
    params: dict[str, Any] = {}
    for name, form in space.items():
        if any(params.get(parent) != value for parent, value in form.get("when", {}).items()):
            continue
        if "choice" in form:
            params[name] = trial.suggest_categorical(name, form["choice"])
        elif "int" in form:
            params[name] = trial.suggest_int(name, *form["int"], log=form.get("log", False))
        else:
            params[name] = trial.suggest_float(name, *form["float"], log=form.get("log", False))
    return params


def main() -> None:
    """Train once, for what that loads, and search."""
    warnings.simplefilter("ignore")  # here, as threads would undo each other's filters
    task = Task(**json.loads(sys.argv[1]))
    train({"width": 8, "layers": 1, "epochs": 2})
    job = Job(task.stretch, task.folder)
    run = optimize if task.contestant["by"] == "Optuna" else search
    run(task, job)
    job.close()


if __name__ == "__main__":
    main()
