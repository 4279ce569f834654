"""Every config and tutorial runs, at a small budget."""

import re

import pytest
from conftest import ROOT

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))


def each(paths, slow):
    """Let a test have each of these files; those that train for long as a slow test."""
    marks = {True: pytest.mark.slow, False: ()}
    return [pytest.param(path, id=path.stem, marks=marks[path.stem in slow]) for path in paths]


@pytest.mark.mpi
@pytest.mark.parametrize("config", each(CONFIGS, {"early_stopping"}))
def test_config_runs_on_two_ranks(config, command, tmp_path):
    if config.stem in {"digits", "early_stopping"}:
        pytest.importorskip("sklearn")
    ended = command("run", config, "-n", "2", "--run", "run", "--set", "budget.evaluations=6")
    assert re.search(r"^6 evaluations .*in \d", ended.stdout, re.MULTILINE)
    assert "run folder: run" in ended.stdout
    assert "6 of 6 evaluations" in ended.stderr
    assert (tmp_path / "run/journal/rank-00001.jsonl").exists()


NEEDS = {"4_train_a_network": "torch", "5_teams": "torch", "7_energy": "sklearn"}


@pytest.mark.parametrize("tutorial", each(TUTORIALS, {"4_train_a_network", "5_teams", "7_energy"}))
def test_tutorial_runs_and_finds_a_low_loss(tutorial, python):
    if tutorial.stem in NEEDS:
        pytest.importorskip(NEEDS[tutorial.stem])
    arguments = ["--evaluations", 40] if NEEDS.get(tutorial.stem) == "torch" else []
    ended = python(tutorial, *arguments, ranks=2 if tutorial.stem == "5_teams" else 1)
    found = re.search(r"(?:loss|best) ([0-9.e+-]+)", ended.stdout)
    assert float(found[1]) < 0.1


@pytest.mark.mpi
def test_tutorial_on_several_ranks_prints_once(python):
    assert python(TUTORIALS[0], ranks=3).stdout.count("loss") == 1
