"""The parts import each other in one direction, and a rank loads no more than it uses."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import propulate_like

PACKAGE = Path(propulate_like.__file__).parent
ORDER = [
    "starting",
    "speaking",
    "files",
    "strict_yaml",
    "declarations",
    "directions",
    "devices",
    "energy",
    "parameters",
    "space",
    "individual",
    "dominance",
    "learned_space",
    "cells",
    "fidelity",
    "models",
    "points",
    "population",
    "residents",
    "propagators",
    "optimizer",
    "budget",
    "pruning",
    "evaluation",
    "differences",
    "appending",
    "events",
    "journal",
    "recovery",
    "ownership",
    "messages",
    "waiting",
    "transport",
    "presence",
    "coordination",
    "run",
    "forking",
    "tables",
    "warm_start",
    "holding",
    "islands",
    "equipment",
    "team",
    "worker",
    "interruption",
    "report",
    "result",
    "simulation",
    "description",
    "wiring",
    "search",
    "integrations",
    "config",
    "benchmarks",
    "cli",
]


INTEGRATIONS = "propulate_like.integrations"


def imported(path):
    """Give the parts that a module imports, but for other libraries' where they are used alone."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("propulate_like"):
            if node.module.startswith(INTEGRATIONS) and node.col_offset > 0:
                continue
            if node.module == "propulate_like":
                yield from (alias.name for alias in node.names)
            else:
                yield node.module.split(".")[1]


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or not path.name.startswith("__"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_up_the_list_only(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if part == "benchmarks":
        return
    forbidden = [name for name in imported(path) if name in ORDER and ORDER.index(name) > ORDER.index(part)]
    type_only = {"worker"} if path.name == "progress.py" else set()
    assert set(forbidden) <= type_only, f"{part} must not import {forbidden}"


def test_only_the_mpi_transport_imports_mpi4py():
    users = {path.name for path in MODULES if "benchmarks" not in path.parts and "from mpi4py" in path.read_text()}
    assert users == {"mpi.py", "mpi_team.py"}


def loaded(code):
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(output.split())


@pytest.mark.parametrize(
    "code",
    [
        "import propulate_like, propulate_like.cli.rank",
        "import propulate_like as pl; pl.minimize(lambda x: x, {'x': (0.0, 1.0)}, evaluations=9, progress=False)",
    ],
)
def test_rank_loads_no_more_than_it_uses(code):
    heavy = {
        "propulate_like.evaluation.process",
        "subprocess",
        "typer",
        "click",
        "rich",
        "scipy",
        "numpy",
        "optuna",
        "plotly",
        "pandas",
        "mpi4py",
        "matplotlib",
    }
    assert not heavy & loaded(f"{code}; import sys; print(*sys.modules)")


def test_public_names_are_those_that_are_documented():
    assert all(hasattr(propulate_like, name) for name in propulate_like.__all__)
