"""Optuna: its samplers, pruners and studies in this package, and this package's propagators in Optuna.

Optuna in this package:
    propagator: A sampler as a propagator.
    pruner: A pruner as a rule of this package.
    studies: Samplers and pruners by name, and private studies for them.
    callback: Callbacks of Optuna's as callbacks of a search.
    seeding: Seeds for samplers.
    sources: Studies and trials as sources of a warm start.
    trials: Reading a study's trials.

This package in Optuna:
    sampler: A propagator as a sampler.
    following: The optimizer behind that sampler, which follows a study.
    trial_points: Trials as individuals.
    export: The export of a run to a study.
    finished: Individuals as finished trials.
    storing: Studies to which many trials are added at once.
    journal_lock: The lock of a journal file.
"""
