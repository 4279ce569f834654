"""Optuna: its objectives, samplers, pruners and studies here, and this package's propagators there.

Here: `propagator` and `pruner`, whose parts `studies` builds and `seeding` seeds, and `trials`, what a study knows.
There: `sampler`, an optimizer that is `following` a study, whose trials are individuals by `trial_points`; and
`export`, of individuals that are `finished` trials, by `storing` them. `distributions` are parameters, both ways.
"""
