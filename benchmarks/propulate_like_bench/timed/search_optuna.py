"""A worker of an Optuna study: python search_optuna.py ORDER, in an environment that has Optuna.

One of a study that several share says `ready`, and waits for a line before it searches.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from typing import Any

BOUND = 5.12


def opened(storage: str, place: str) -> Any:
    """Open a storage, as Optuna's documentation recommends; None for one in memory."""
    import optuna

    if storage == "memory":
        return None
    if storage == "journal":
        from optuna.storages.journal import JournalFileBackend

        return optuna.storages.JournalStorage(JournalFileBackend(place))
    if storage == "grpc":
        return optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=int(place))
    return optuna.storages.get_storage(place)


def main() -> None:
    """Search, and print this worker's notes where the order has marks, or else what it came to."""
    import optuna

    order: dict[str, Any] = json.loads(sys.argv[1])
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    names = [f"x{number}" for number in range(order["parameters"])]
    sampler = getattr(optuna.samplers, order["by"])(seed=order["seed"], **order["arguments"])
    storage = opened(order["storage"], order["place"])
    study = optuna.create_study(study_name="timed", storage=storage, sampler=sampler, load_if_exists=True)
    if order["marks"]:
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(_noted(study, order, names)), flush=True)
        return
    began = time.perf_counter()
    study.optimize(lambda trial: sum(_suggested(trial, name) ** 2 for name in names), n_trials=order["evaluations"])
    seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"evaluations": len(study.trials), "seconds": seconds, "memory": memory, "best": study.best_value}
    print(json.dumps(found), flush=True)


def _noted(study: Any, order: dict[str, Any], names: list[str]) -> dict[str, Any]:
    from propulate_like_bench.timed.noting import Notes  # which only an environment of ours has

    notes = Notes(order["marks"])
    study.optimize(
        lambda trial: notes.loss([_suggested(trial, name) for name in names]),
        n_trials=order["evaluations"],
        timeout=order["seconds"],
    )
    return notes.data()


def _suggested(trial: Any, name: str) -> float:
    return float(trial.suggest_float(name, -BOUND, BOUND))


if __name__ == "__main__":
    main()
