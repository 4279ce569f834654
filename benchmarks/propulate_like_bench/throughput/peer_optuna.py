"""Optuna's TPE on the same task, in memory and in one process; runs in an environment that has it."""

import resource
import sys
import time

import optuna


def loss(trial: optuna.Trial) -> float:
    """Return the sum of squares."""
    x: float = trial.suggest_float("x", -5.12, 5.12)
    y: float = trial.suggest_float("y", -5.12, 5.12)
    return x**2 + y**2


def main() -> None:
    """Search, and print evaluations, seconds, no messages, its memory in MB and the best loss."""
    evaluations = int(sys.argv[1])
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    began = time.perf_counter()
    study.optimize(loss, n_trials=evaluations)
    seconds = time.perf_counter() - began
    print(evaluations, seconds, "-", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, study.best_value)


if __name__ == "__main__":
    main()
