"""Infinite, huge and impossible numbers are taken as what they mean, or refused in one line; so are strange clocks."""

import math

import pytest

import propulate_like as pl
from propulate_like import Fidelity, Float
from propulate_like.evaluation.settings import settings_of
from propulate_like.foundation import clock, strict_yaml
from propulate_like.problem.budget import Budget

CONFIG = "objective: loss.py:loss\nspace: {x: {float: [0, 1]}}\n"
LOSS = "def loss(x):\n    return x\n"


@pytest.mark.parametrize("seconds", [math.inf, 1e300, 1e9])
def test_infinite_seconds_are_no_limit(seconds):
    assert Budget(3, seconds) == Budget(3)
    assert Budget(target=1.0, hours=seconds) == Budget(target=1.0)
    alone = Budget(seconds=seconds)
    assert (alone.seconds, alone.finite_seconds, alone.seconds_left(5.0)) == (math.inf, None, math.inf)
    assert Budget(**strict_yaml.load(strict_yaml.dump(alone.declaration()).encode())) == alone


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"evaluations": 2**63}, "evaluations=9223372036854775808 must be .* at most 9007199254740992"),
        ({"evaluations": 0}, "evaluations=0 must be a whole number of at least 1"),
        ({"evaluations": 2.5}, r"evaluations=2\.5 must be a whole number"),
        ({"seconds": math.nan}, "seconds=nan must be a number above 0"),
        ({"seconds": -1}, "seconds=-1 must be a number above 0"),
        ({"hours": -math.inf}, "hours=-inf must be a number above 0"),
        ({"target": math.nan}, "target=nan must be a number"),
        ({"target": 10**400}, "target=10+[.]{3}0+ must be a number"),
        ({}, "no budget"),
    ],
)
def test_impossible_budget_is_refused_in_one_line(budget, words):
    with pytest.raises(ValueError, match=words) as refused:
        Budget(**budget)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("seed", [2**64 - 1, 0])
def test_largest_seed_serves_child_processes_and_continued_runs(seed, tmp_path, script, python):
    script(
        f"""
        import propulate_like as pl
        def loss(x, evaluation):
            return x + evaluation.generator.random()
        if __name__ == "__main__":
            settings = dict(isolate=True, timeout=float("inf"), memory=2**70)
            for evaluations in (2, 4):
                result = pl.minimize(loss, dict(x=(0.0, 1.0)), evaluations=evaluations, seed={seed}, run="run",
                                     evaluation=settings, progress=False)
            report(result.evaluations, *result.statuses)
        """
    )
    python("script.py")
    assert [path.read_text().split() for path in tmp_path.glob("report-*")] == [["4", "ok"]]


@pytest.mark.parametrize("seed", [2**64, 10**30, -1, 1.5, True, "1"])
def test_seed_that_no_message_can_hold_is_refused(seed):
    for make in (
        lambda: pl.minimize(lambda x: x, {"x": Float(0, 1)}, evaluations=1, seed=seed),
        lambda: pl.Optimizer(pl.Space({"x": Float(0, 1)}), seed=seed),
    ):
        with pytest.raises(ValueError, match=r"seed=.* must be a whole number of at least 0 and at most 1844674407370"):
            make()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"timeout": math.nan}, "timeout: nan is not valid"),
        ({"timeout": -1}, "timeout: -1 is not valid"),
        ({"grace": math.inf}, "grace=inf must be a number of at least 0"),
        ({"memory": math.inf}, "memory: inf is not valid"),
        ({"memory": "9" * 400 + " GiB"}, "must be a number of bytes, or such as 8 GiB"),
    ],
)
def test_impossible_setting_is_refused_in_one_line(settings, words):
    with pytest.raises(ValueError, match=words):
        settings_of({"isolate": True, **settings}).check(print, pruned=False)


@pytest.mark.parametrize("rungs", [[1, 10**400], [1, 2**63], [1, math.inf], list(range(300))])
def test_rungs_that_a_journal_cannot_hold_are_refused(rungs):
    with pytest.raises(ValueError, match="must be at least two rising numbers, and at most 256"):
        Fidelity("epochs", rungs)
    assert len(Fidelity("epochs", list(range(256))).rungs) == 256


@pytest.mark.parametrize("budget", ["{evaluations: 5, seconds: .inf}", "{evaluations: 5, hours: 1e300}"])
def test_commands_take_infinite_seconds(budget, tmp_path, command):
    (tmp_path / "loss.py").write_text(LOSS)
    (tmp_path / "a.yaml").write_text(f"{CONFIG}budget: {budget}\n")
    assert "5 evaluations in" in command("run", "a.yaml", "--run", "run").stdout
    assert "evaluations  5 of 5" in command("status", "run").stdout
    assert "would" in command("run", "a.yaml", "--run", "other", "--check").stdout


def test_endless_budget_is_shown_as_such(tmp_path, command):
    (tmp_path / "loss.py").write_text(LOSS)
    (tmp_path / "a.yaml").write_text(f"{CONFIG}budget: {{seconds: .inf}}\n")
    assert "until it is interrupted" in command("run", "a.yaml", "--run", "run", "--check").stdout
    refused = command("simulate", "a.yaml", check=False)
    assert "a simulation needs evaluations or seconds" in refused.stdout + refused.stderr


@pytest.mark.parametrize("now", [-5e8, 1e12, 0.0])
def test_run_under_a_strange_clock_is_read_and_continued(now, tmp_path, script, python):
    script(
        f"""
        import time
        time.time = lambda: {now}
        import propulate_like as pl
        def loss(x):
            return x
        if __name__ == "__main__":
            for evaluations, isolate in ((3, False), (5, True)):
                result = pl.minimize(loss, {{"x": (0.0, 1.0)}}, evaluations=evaluations, seed=1, run="run",
                                     evaluation={{"isolate": isolate}}, progress=False)
            report(result.evaluations, len(result.individuals))
        """
    )
    python("script.py")
    assert [path.read_text().split() for path in tmp_path.glob("report-*")] == [["5", "5"]]


@pytest.mark.parametrize(("now", "shown"), [(-1.0, 0.0), (5.0, 5.0)])
def test_clock_before_1970_shows_its_beginning(now, shown, monkeypatch):
    monkeypatch.setattr(clock.time, "time", lambda: now)
    assert clock.unix_time() == shown
