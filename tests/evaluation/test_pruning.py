"""Pruning on synthetic learning curves, and against Optuna's own verdicts."""

from __future__ import annotations

import heapq
import math
import random
import re
from collections.abc import Callable, Sequence

import optuna
import pytest
from conftest import some_of
from optuna.trial import TrialState

from propulate_like import (
    AnyPruner,
    Id,
    LearningCurvePruner,
    MedianPruner,
    OptunaPruner,
    PatiencePruner,
    PercentilePruner,
    Pruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from propulate_like.evaluation.pruning import Curves
from propulate_like.foundation import declarations

STEPS = 81
RULES: list[Callable[[float], Pruner]] = [
    lambda _: SuccessiveHalvingPruner(first=9),
    lambda _: MedianPruner(warmup=9),
    lambda _: PercentilePruner(25, warmup=20),
    lambda _: PercentilePruner(75, warmup=3),
    lambda _: PatiencePruner(16),
    lambda offset: ThresholdPruner(1.0 + offset, warmup=27),
    lambda _: LearningCurvePruner(),
    lambda _: LearningCurvePruner(keep=10),
    lambda _: AnyPruner(MedianPruner(warmup=9), LearningCurvePruner()),
    lambda _: OptunaPruner("MedianPruner", {"n_warmup_steps": 9}),
    lambda _: OptunaPruner("SuccessiveHalvingPruner", {"min_resource": 9, "reduction_factor": 3}),
]


def power_laws(seed: int, offset: float = 0.0, number: int = 200) -> list[list[float]]:
    """Return curves that fall as t**-rate, noisily, to a last loss that their first ones say little about."""
    draw = random.Random(seed)
    curves = []
    for _ in range(number):
        limit = draw.lognormvariate(-1.0, 0.7)
        start = max(draw.uniform(2.3, 2.8), 1.3 * limit)
        rate = draw.uniform(0.4, 0.9)
        falling = (limit + (start - limit) * step**-rate for step in range(1, STEPS + 1))
        curves.append([loss * (1 + draw.gauss(0, 0.01)) + offset for loss in falling])
    return curves


def stopped_by(pruner: Pruner, losses: Sequence[Sequence[float]], workers: int = 8) -> tuple[set[int], float]:
    """Let workers of different speeds evaluate all; give who was stopped and the share of steps saved."""
    draw, known = random.Random(0), Curves()
    waiting, reports = list(range(len(losses)))[::-1], 0
    stopped = set()
    running = [(draw.random(), waiting.pop(), 0, draw.uniform(0.5, 2.0)) for _ in range(workers)]
    heapq.heapify(running)
    while running:
        now, number, done, pace = heapq.heappop(running)
        ident = Id(0, 0, number)
        known.report(ident, done + 1, losses[number][done])
        reports += 1
        stops = pruner.stops(ident, known)
        if stops:
            stopped.add(number)
        if stops or done + 1 == len(losses[number]):
            known.end(ident, completed=not stops)
            if waiting:
                heapq.heappush(running, (now, waiting.pop(), 0, draw.uniform(0.5, 2.0)))
        else:
            heapq.heappush(running, (now + pace, number, done + 1, pace))
    return stopped, 1 - reports / sum(map(len, losses))


def reported(*curves: Sequence[float], ended: int = 0) -> Curves:
    """Return what is known after these curves' reports, the first `ended` of which have completed."""
    known = Curves()
    for number, losses in enumerate(curves):
        for step, loss in enumerate(losses, 1):
            known.report(Id(0, 0, number), step, loss)
        if number < ended:
            known.end(Id(0, 0, number), completed=True)
    return known


@pytest.mark.parametrize("offset", [0.0, -4.0, -100.0], ids=["positive", "mixed", "negative"])
@pytest.mark.parametrize("make", RULES, ids=lambda make: repr(make(0.0)))
@some_of(range(3), 1)
def test_the_best_of_200_is_never_stopped_and_steps_are_saved(
    numbers: range, make: Callable[[float], Pruner], offset: float
) -> None:
    saved = []
    for seed in numbers:
        losses = power_laws(seed, offset)
        best = min(range(len(losses)), key=lambda number: losses[number][-1])
        stopped, share = stopped_by(make(offset), losses)
        assert best not in stopped
        saved.append(share)
    print(f"\n{make(offset)}: {sum(saved) / len(saved):.0%} of the steps saved")  # seen with pytest -s
    assert sum(saved) > 0 or isinstance(make(offset), PatiencePruner)


@pytest.mark.parametrize("make", RULES[:4] + RULES[6:8], ids=lambda make: repr(make(0.0)))
def test_a_shift_of_all_losses_changes_no_verdict(make: Callable[[float], Pruner]) -> None:
    losses = [[round(loss * 1024) / 1024 for loss in curve] for curve in power_laws(7)]
    shifted = [[loss - 64.0 for loss in curve] for curve in losses]
    assert stopped_by(make(0.0), losses)[0] == stopped_by(make(0.0), shifted)[0]


def test_successive_halving_lets_a_third_through_each_rung() -> None:
    draw = random.Random(1)
    levels = [draw.random() for _ in range(300)]
    pruner, known = SuccessiveHalvingPruner(3, first=2), Curves()
    reached = {1: 0, 2: 0, 6: 0, 18: 0}
    for number, level in enumerate(levels):
        for step in range(1, 19):
            ident = Id(0, 0, number)
            known.report(ident, step, level)
            if step in reached:
                reached[step] += 1
            stops = pruner.stops(ident, known)
            assert not stops or step in (2, 6, 18)
            if stops:
                break
    assert reached[1] == reached[2] == 300
    assert 80 <= reached[6] <= 130
    assert reached[18] < reached[6] * 0.6


def test_a_rung_that_the_steps_leap_over_is_judged_at_the_first_step_after_it() -> None:
    known = Curves()
    for number in range(5):
        for step in (5, 10, 15):
            known.report(Id(0, 0, number), step, float(number))
    pruner = SuccessiveHalvingPruner(2, first=8)
    worst = Curves()
    for ident, curve in known.items():
        for step, loss in curve[: 3 if ident.serial < 4 else 2]:
            worst.report(ident, step, loss)
    assert pruner.stops(Id(0, 0, 4), worst)


def test_the_median_waits_for_startup_and_warmup_and_the_interval() -> None:
    better = [[1.0] * 12] * 5
    verdicts = [MedianPruner().stops(Id(0, 0, 5), reported(*better, [2.0] * n)) for n in (1, 2)]
    assert verdicts == [True, True]
    assert not MedianPruner(startup=6).stops(Id(0, 0, 5), reported(*better, [2.0]))
    warm = [n for n in range(1, 12) if MedianPruner(warmup=3).stops(Id(0, 0, 5), reported(*better, [2.0] * n))]
    assert warm == [4, 5, 6, 7, 8, 9, 10, 11]
    pruner = MedianPruner(warmup=3, interval=4)
    spaced = [n for n in range(1, 12) if pruner.stops(Id(0, 0, 5), reported(*better, [2.0] * n))]
    assert spaced == [7, 11]


def test_percentile_keeps_its_share() -> None:
    others = [[float(n)] for n in range(101)]
    assert PercentilePruner(25).stops(Id(0, 0, 101), reported(*others, [26.0]))
    assert not PercentilePruner(25).stops(Id(0, 0, 101), reported(*others, [24.0]))
    assert not PercentilePruner(100).stops(Id(0, 0, 101), reported(*others, [100.0]))


def test_patience_counts_reports_without_progress() -> None:
    falling_then_flat = [3.0, 2.0, 1.0, 1.0, 1.2, 0.99]
    stops = [PatiencePruner(2).stops(Id(0, 0, 0), reported(falling_then_flat[:n])) for n in range(1, 7)]
    assert stops == [False, False, False, False, True, False]
    assert PatiencePruner(3, tolerance=0.05).stops(Id(0, 0, 0), reported(falling_then_flat))


@pytest.mark.parametrize("upper", [1.0, 0.0, -5.0])
def test_threshold_is_a_bound_on_the_loss(upper: float) -> None:
    assert ThresholdPruner(upper).stops(Id(0, 0, 0), reported([upper + 0.1]))
    assert not ThresholdPruner(upper).stops(Id(0, 0, 0), reported([upper]))
    assert not ThresholdPruner(upper, warmup=1).stops(Id(0, 0, 0), reported([upper + 0.1]))


def test_the_surrogate_sees_that_a_steep_curve_will_cross() -> None:
    """A late starter that still falls fast goes on where one as high but flat is stopped."""
    flat = [[0.5 + n / 40 + 0.5 * 0.5**t for t in range(40)] for n in range(20)]
    steep = [[0.2 + n / 40 + 2.0 - 0.05 * t for t in range(40)] for n in range(20)]
    for curve, stops in ((steep[0], False), ([1.4] * 40, True)):
        known = reported(*flat, *steep[1:], curve[:20], ended=39)
        assert LearningCurvePruner(keep=3).stops(Id(0, 0, 39), known) is stops


def test_the_surrogate_bears_curves_that_diverge_or_are_all_alike() -> None:
    wild = [[1e300] * 20 if n % 2 else [1.0 / (n + t) for t in range(1, 21)] for n in range(30)]
    assert not LearningCurvePruner().stops(Id(0, 0, 30), reported(*wild, [1e-3] * 10, ended=30))
    assert LearningCurvePruner().stops(Id(0, 0, 30), reported(*wild, [1e300] * 10, ended=30))
    assert not LearningCurvePruner().stops(Id(0, 0, 30), reported(*[[1.0] * 20] * 30, [2.0] * 10, ended=30))


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("MedianPruner", {"n_startup_trials": 3, "n_warmup_steps": 2}),
        ("PercentilePruner", {"percentile": 40.0}),
        ("SuccessiveHalvingPruner", {"min_resource": 3}),
        ("HyperbandPruner", {"min_resource": 3, "max_resource": 30}),
        ("ThresholdPruner", {"upper": 1.0}),
        ("PatientPruner", {"wrapped_pruner": {"MedianPruner": {"n_startup_trials": 3}}, "patience": 2}),
        ("NopPruner", {}),
    ],
)
def test_an_optuna_pruner_judges_as_it_does_in_optuna(name: str, arguments: dict[str, object]) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    theirs_kept = dict(arguments)
    if name == "PatientPruner":
        theirs_kept["wrapped_pruner"] = optuna.pruners.MedianPruner(n_startup_trials=3)
    study = optuna.create_study(study_name="propulate-like", pruner=getattr(optuna.pruners, name)(**theirs_kept))
    pruner, known = OptunaPruner(name, arguments), Curves()
    stopped = 0
    for number, losses in enumerate(power_laws(3, number=40)):
        trial, ident = study.ask(), Id(0, 0, number)
        for step, loss in enumerate(losses[:40], 1):
            trial.report(loss, step)
            known.report(ident, step, loss)
            verdict = trial.should_prune()
            assert pruner.stops(ident, known) is bool(verdict)
            if verdict:
                stopped += 1
                break
        study.tell(trial, None if verdict else loss, state=TrialState.PRUNED if verdict else TrialState.COMPLETE)
        known.end(ident, completed=not verdict)
    assert (stopped > 0) is (name != "NopPruner")


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", ["WilcoxonPruner", "MedianPruner"])
def test_an_optuna_pruner_judges_as_it_does_in_optuna_where_steps_come_in_any_order(name: str) -> None:
    """Wilcoxon's way: each step is an instance of a problem, and an evaluation's value is the mean of what it saw."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(study_name="propulate-like", pruner=getattr(optuna.pruners, name)())
    pruner, known, draw = OptunaPruner(name), Curves(), random.Random(3)
    hardness, stopped = [draw.random() for _ in range(30)], 0
    for number in range(40):
        trial, ident, skill, seen = study.ask(), Id(0, 0, number), draw.random(), []
        for step in draw.sample(range(30), 30):
            seen.append(hardness[step] + skill + draw.gauss(0, 0.1))
            trial.report(seen[-1], step)
            known.report(ident, step, seen[-1])
            verdict = trial.should_prune()
            assert pruner.stops(ident, known) is bool(verdict)
            if verdict:
                stopped += 1
                break
        mean = sum(seen) / len(seen)
        study.tell(trial, None if verdict else mean, state=TrialState.PRUNED if verdict else TrialState.COMPLETE)
        known.end(ident, completed=not verdict, loss=mean)
    assert stopped > 5


def test_a_curve_is_in_the_order_of_its_steps() -> None:
    known, ident = Curves(), Id(0, 0, 0)
    for step, loss in [(5, 3.0), (9, 1.0), (2, 2.0), (5, 0.0), (7, 4.0)]:
        known.report(ident, step, loss)
    assert list(known[ident]) == [(2, 2.0), (5, 3.0), (7, 4.0), (9, 1.0)]
    assert [known[ident].lowest_until(step) for step in (1, 2, 8, 9)] == [math.inf, 2.0, 2.0, 1.0]
    assert known[ident].lowest == 1.0
    known.restart(ident)
    known.report(ident, 2, 7.0)
    assert list(known[ident]) == [(2, 7.0)]


def test_curves_forget_the_oldest() -> None:
    known = Curves(capacity=3)
    for number in range(5):
        known.report(Id(0, 0, number), 1, 0.5)
    assert [ident.serial for ident in known] == [2, 3, 4]
    assert not LearningCurvePruner().stops(Id(0, 0, 4), known)
    assert not OptunaPruner("MedianPruner").stops(Id(0, 0, 4), known)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SuccessiveHalvingPruner(1), "reduction=1 must be a whole number of at least 2"),
        (lambda: PercentilePruner(101), "percentile=101 must be a number of at least 0 and at most 100"),
        (lambda: MedianPruner(startup=0), "startup=0 must be a whole number of at least 1"),
        (lambda: PatiencePruner(0), "patience=0 must be a whole number of at least 1"),
        (lambda: PatiencePruner(3, -1.0), "tolerance=-1.0 must be a number of at least 0"),
        (lambda: ThresholdPruner(float("nan")), "upper=nan must be a number"),
        (lambda: LearningCurvePruner(probability=0.0), "probability=0.0 must be a number above 0 and at most 0.5"),
        (AnyPruner, "at least one rule is needed, such as MedianPruner()"),
        (lambda: AnyPruner("median"), "'median' must be a pruner, such as MedianPruner()"),  # type: ignore[arg-type]
        (lambda: OptunaPruner("Median"), "pruner='Median' must be one of Optuna's; did you mean 'MedianPruner'?"),
        (
            lambda: OptunaPruner("MedianPruner", {"n_warmup": 3}),
            "MedianPruner: unknown key 'n_warmup'; did you mean 'n_warmup_steps'?",
        ),
        (lambda: AnyPruner.of({"medium": None}), "unknown pruner 'medium'; did you mean 'median'?"),
        (
            lambda: AnyPruner.of(["median", {"patience": 0}]),
            "patience: patience=0 must be a whole number of at least 1",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make: Callable[[], Pruner], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


@pytest.mark.parametrize("make", RULES, ids=lambda make: repr(make(0.0)))
def test_a_rule_is_the_same_in_yaml_and_in_python(make: Callable[[float], Pruner]) -> None:
    pruner = make(0.0)
    assert repr(AnyPruner.of(declarations.dump(pruner))) == repr(pruner)


def test_a_list_in_yaml_stops_when_any_rule_does() -> None:
    pruner = AnyPruner.of(["median", {"patience": 5}, {"any": [{"threshold": {"upper": 3, "warmup": 1}}]}])
    inner = AnyPruner(ThresholdPruner(3, 1))
    assert repr(pruner) == repr(AnyPruner(MedianPruner(), PatiencePruner(5), inner))
