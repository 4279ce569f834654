"""Parts of a user's that break while several ranks search: one line, and what was evaluated stays."""

import os

import pytest

import propulate_like as pl

PACKAGE = """
import propulate_like as pl

class Breaks(pl.Propagator):
    def __init__(self, how):
        self.how = how

    def __call__(self, individuals, breeding):
        if breeding.id.serial < 6:
            return individuals
        return 1 / 0 if self.how == "raises" else [breeding.child((0.5,) * 5)]

class BreaksPruner(pl.Pruner):
    def stops(self, ident, curves):
        return None if ident.serial > 6 else False
"""
POINTS = """
[propulate_like.propagators]
breaks = broken_parts:Breaks

[propulate_like.pruners]
breaks = broken_parts:BreaksPruner
"""
CONFIG = """
objective: loss.py:loss
budget: {evaluations: 300}
space: {x: {float: [0, 1]}, y: {float: [0, 1]}}
seed: 0
run: run
"""
STEP = "propagator: [{select_best: 4}, {select_random: 1}, {breaks: HOW}, point_mutation]\n"
CASES = {
    "gives": (STEP.replace("HOW", "gives"), "Breaks('gives') gave the genome (0.5, 0.5, 0.5, 0.5, 0.5), which has 5 g"),
    "raises": (STEP.replace("HOW", "raises"), "Breaks('raises') raised ZeroDivisionError: division by zero ("),
    "prunes": ("pruner: breaks\n", "BreaksPruner() returned None, and not whether to stop, which is True or False"),
}


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Install a distribution of broken parts for what the test starts, and write a configuration that uses one."""
    site = tmp_path / "site"
    (site / "broken_parts-1.dist-info").mkdir(parents=True)
    (site / "broken_parts.py").write_text(PACKAGE)
    (site / "broken_parts-1.dist-info" / "METADATA").write_text("Name: broken_parts\nVersion: 1\n")
    (site / "broken_parts-1.dist-info" / "entry_points.txt").write_text(POINTS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), os.environ["PYTHONPATH"]]))
    (tmp_path / "loss.py").write_text("def loss(x, y):\n    for step in range(3):\n        yield x + y\n")

    def write(case):
        (tmp_path / "config.yaml").write_text(CONFIG + CASES[case][0])
        return CASES[case][1]

    return write


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ranks", [1, pytest.param(3, marks=pytest.mark.mpi)])
def test_a_part_that_breaks_ends_the_command_with_one_line(case, ranks, broken, command, tmp_path):
    words = broken(case)
    ended = command("run", "config.yaml", "-n", str(ranks), check=False)
    assert ended.returncode == 1, ended.stderr
    said = [line for line in ended.stderr.splitlines() if words in line]
    assert len(said) in range(1, ranks + 1), ended.stderr
    assert "Traceback" not in ended.stderr
    known = list(pl.Run(tmp_path / "run").individuals())
    assert len(known) >= 6
    assert {one.status for one in known} == {pl.Status.OK}
    assert len({one.id for one in known}) == len(known)


def test_a_simulation_with_a_step_that_breaks_ends_with_one_line(broken, command):
    words = broken("raises")
    ended = command("simulate", "config.yaml", "--ranks", "4", check=False)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.mpi
def test_ranks_of_a_script_whose_step_breaks_on_one_of_them_end_together(script, python, tmp_path):
    path = script("""
        import propulate_like as pl

        class Breaks(pl.Variation):
            def __call__(self, individuals, breeding):
                if breeding.id.rank == 1 and breeding.id.serial > 20:
                    return [self.derive(individuals[0], (float("nan"), 0.5), breeding)]
                return individuals

        pl.minimize(
            lambda x, y: x + y, {"x": (0.0, 1.0), "y": (0.0, 1.0)}, evaluations=10**9, seed=0, run="run",
            propagator=pl.Chain(pl.SelectBest(4), pl.SelectRandom(1), Breaks(), pl.PointMutation()),
        )
    """)
    ended = python(path, ranks=3, check=False)
    assert ended.returncode != 0
    assert "Breaks() gave a genome whose gene 0 is nan, and not a number in [0, 1]" in ended.stderr
    assert sum(one.id.rank == 1 for one in pl.Run(tmp_path / "run").individuals()) == 21
