"""A search of many kinds of parameters and outcomes, and the studies that it is exported to."""

import math

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import propulate_like as pl
from propulate_like.integrations.optuna.export import Export
from propulate_like.storage.run import Run

STORAGES = ["sqlite:///study.db", "study.log"]
SPACE = {
    "rate": pl.Float(1e-5, 1e-1, log=True),
    "layers": pl.Int(1, 8),
    "units": pl.Int(16, 512, log=True, step=16),
    "optimizer": pl.Choice("adam", "sgd"),
    "momentum": pl.Float(0.0, 0.99, when={"optimizer": "sgd"}),
    "width": pl.Ordinal(16, 32, 64, 128),
    "dropout": pl.Float(0.0, 0.5, step=0.1),
    "warm": pl.Choice(True, False, None),
}


def score(rate, layers, width, dropout, evaluation, momentum=0.5, **_others):
    final = (math.log10(rate) + 3) ** 2 + abs(layers - 3) + (momentum - 0.9) ** 2 + dropout + width / 128
    if layers == 8:
        raise ArithmeticError("diverged\nwith many layers")
    for epoch in (1, 3, 9):
        if evaluation.report(-(final + 5 / epoch), epoch):
            return None
    return math.nan if layers == 7 else {"loss": -final, "accuracy": 1 / (1 + final), "note": "ü", "good": final < 2}


def search(folder, evaluations=60):
    return pl.maximize(
        score,
        SPACE,
        evaluations=evaluations,
        seed=1,
        propagator=pl.UniformInitialization(),  # auto goes by the time that evaluations take
        run=folder,
        pruner=pl.MedianPruner(),
        progress=False,
    )


def storage(target):
    return target if "://" in target else JournalStorage(JournalFileBackend(target))


def study_of(target, name):
    return optuna.load_study(study_name=name, storage=storage(target))


def export(folder, target, name=None):
    exported = Export(Run(folder), target, name)
    exported.look()
    return exported.added
