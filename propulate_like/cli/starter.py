"""The command `init`: a configuration and an objective to start with, and the schema for editors."""

from __future__ import annotations

import os
from pathlib import Path

from propulate_like.search.schema import schema_text

_SCHEMA = "search.schema.json"
_EDITORS = f"""\
# yaml-language-server: $schema={_SCHEMA}
# By the line above an editor completes and explains the keys; propulate-like schema > {_SCHEMA} renews that file.
"""
_CONFIG = """\
# Run with: propulate-like run search.yaml -n 2
objective: objective.py:train    # file.py:function; its result is minimized
space:
  learning_rate: {float: [1.0e-5, 0.1], log: true}
  layers: {int: [1, 8]}
  width: {ordinal: [16, 32, 64, 128]}
  optimizer: {choice: [adam, sgd]}
  momentum: {float: [0.0, 0.99], when: {optimizer: sgd}}    # exists only with sgd
budget: {evaluations: 200}       # or seconds, hours, target: the first that is reached
propagator: auto                 # or a list of steps; see the README
seed: 0
run: runs/search                 # every evaluation is kept here; the same command continues it
"""

_OBJECTIVE = '''\
"""An objective to begin with: replace the formula by your training and return what it reaches."""

import math


def train(learning_rate, layers, width, optimizer, momentum=0.0):
    """Return the loss, or a mapping of "loss" and metrics to be recorded beside it."""
    distance = (math.log10(learning_rate) + 3) ** 2 + (layers - 3) ** 2 / 4
    penalty = 0.0 if optimizer == "adam" else 0.5 + (momentum - 0.9) ** 2
    return {"loss": distance + penalty, "parameters": layers * width**2}
'''


def write(folder: Path) -> list[Path]:
    """Write the files into a folder, and return their paths.

    Raises:
        ValueError: One of them exists.
    """
    files = {"search.yaml": _EDITORS + _CONFIG, "objective.py": _OBJECTIVE, _SCHEMA: f"{schema_text()}\n"}
    paths = [folder / name for name in files]
    for path in paths:
        if os.path.lexists(path):
            message = f"{path} exists already: name another folder, as in propulate-like init my-search"
            raise ValueError(message)
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in zip(paths, files.values()):
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    return paths
