"""The packages import each other in one direction, and a rank loads no more than it uses."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import propulate_like

PACKAGE = Path(propulate_like.__file__).parent
LEVELS = [
    {"foundation"},
    {"problem"},
    {"population"},
    {"propagators", "evaluation", "storage"},
    {"parallel"},
    {"search"},
    {"integrations"},
    {"cli"},
]
ABOVE = {name: level for level, names in enumerate(LEVELS) for name in names}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def imported(path):
    """Return the packages of this project that a module imports, wherever in it, for types alone too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "propulate_like":
            inside = node.module.split(".")[1:]
            yield from inside[:1] or [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (name.name.split(".")[1] for name in node.names if name.name.startswith("propulate_like."))


def test_nothing_lies_loose_in_the_package():
    names = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert names == {"__init__.py", "__main__.py", "py.typed", *ABOVE}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down_the_list_only(path):
    here = path.relative_to(PACKAGE).parts[0]
    upward = {name for name in imported(path) if name != here and ABOVE.get(name, len(LEVELS)) >= ABOVE[here]}
    assert not upward, f"{here} must not import {sorted(upward)}"


def test_only_the_mpi_transport_imports_mpi4py():
    users = {path.name for path in MODULES if "from mpi4py" in path.read_text()}
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


def test_search_without_a_folder_loads_neither_yaml_nor_what_files_and_teams_need():
    code = "import propulate_like as pl; pl.minimize(lambda x: x, {'x': (0.0, 1.0)}, evaluations=9, progress=False)"
    unused = {"yaml", "logging", "tempfile", "shutil", "socket"} - loaded("import sys; print(*sys.modules)")
    assert not unused & loaded(f"{code}; import sys; print(*sys.modules)")


def test_public_names_are_those_that_are_documented():
    assert all(hasattr(propulate_like, name) for name in propulate_like.__all__)
