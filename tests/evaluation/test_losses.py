"""What is a loss: real numbers alone; and intermediate losses that are not finite are noted, and never judged by."""

import datetime as dt
import json
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from conftest import make_individual
from hypothesis import given
from hypothesis import strategies as st
from value_strategies import EXAMPLES

import propulate_like as pl
from propulate_like import Float, Space, Status
from propulate_like.evaluation.calling import Call
from propulate_like.evaluation.context import Evaluation, Task, never_stop
from propulate_like.evaluation.pruning import PrunerState
from propulate_like.evaluation.trial import Trial
from propulate_like.foundation.values import real
from propulate_like.parallel.coordination.curve_sharing import CurveSharing
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Candidate, Id, Individual
from propulate_like.population.outcome import OK, Outcome
from propulate_like.problem.space import NOTHING
from propulate_like.storage import journal_lines
from propulate_like.storage.events import Evaluated
from propulate_like.storage.journal_lines import Shape

SPACE = Space({"x": Float(0, 1)})
NUMBERS = [0.5, np.float64(0.5), np.float32(0.5), np.array(0.5), np.array([0.5]), np.array([[0.5]]), Decimal("0.5")]
NUMBERS += [Fraction(1, 2), np.longdouble(0.5), np.ma.array([0.5]), np.array(0.5, dtype=object), np.float16(0.5)]
NO_NUMBERS = [1j, 0.5 + 0j, np.complex128(0.5), np.complex64(1j), np.array([0.5 + 1j]), np.array(0.5j, dtype=object)]
NO_NUMBERS += ["0.5", b"0.5", np.str_("0.5"), np.array("0.5"), True, np.bool_(True), np.array([True]), np.ma.masked]
NO_NUMBERS += [dt.timedelta(1), np.timedelta64(5, "s"), np.datetime64("2020-01-01"), np.array([0.5, 1.0]), np.array([])]
NO_NUMBERS += [object(), {1.0}, Decimal("sNaN"), 10**400, np.ma.array([0.5], mask=[True]), np.array(["0.5"])]
NO_NUMBERS += [np.array((0.5,), dtype=[("x", float)]), np.array([(0.5,)], dtype=[("x", float)])[0], np.void(b"1")]
complexes = st.complex_numbers(allow_nan=True, allow_infinity=True)


def evaluation(signs=(1.0,), report=never_stop):
    task = Task(Candidate(Id(0, 0, 0), (0.5,), SPACE), 0, "")
    return Evaluation(task, report, signs)


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_real_numbers_of_every_kind_are_losses(value):
    assert (Outcome.of(value).status, Outcome.of(value).loss) == (OK, 0.5)
    context = evaluation()
    context.report(value)
    context.report({"loss": value, "accuracy": value})
    assert context.last_word().metrics == {"accuracy": 0.5}
    assert type(context.last_word().loss) is float


def test_numbers_of_types_that_others_add_to_numpy_are_losses():
    """JAX has losses in bfloat16, whose kind NumPy gives as that of records."""
    added = pytest.importorskip("ml_dtypes")
    for value in (added.bfloat16(0.5), np.array(0.5, dtype=added.bfloat16), np.array([0.5], dtype=added.bfloat16)):
        assert (Outcome.of(value).status, Outcome.of(value).loss) == (OK, 0.5)


@pytest.mark.parametrize(
    "value", NO_NUMBERS, ids=[f"{number}-{type(value).__name__}" for number, value in enumerate(NO_NUMBERS)]
)
def test_what_is_no_real_number_is_invalid_wherever_it_is_said(value):
    assert Outcome.of(value).status is Status.INVALID
    assert Outcome.of({"loss": value}).status is Status.INVALID
    assert Outcome.of((0.5, value)).status is Status.INVALID
    for said in (value, {"loss": value}):
        with pytest.raises(ValueError, match=r"the intermediate loss .* is no number"):
            evaluation().report(said)
    trial = Trial(Task(Candidate(Id(0, 0, 0), (), NOTHING), 0, ""), evaluation())
    with pytest.raises(ValueError, match="is no number"):
        trial.report(value, 1)
    with pytest.raises(ValueError, match=r"constraint 'c': .* is no number"):
        trial.set_constraint("c", value)
    with pytest.raises(ValueError, match=r"target=.* must be a number"):
        pl.minimize(lambda x: x, SPACE, target=value)


@pytest.mark.parametrize("value", [1j, np.complex128(0.5), "0.5", True])
def test_evaluation_that_reports_what_is_no_number_is_invalid(value):
    def yielding(x):
        yield x
        yield value

    def reporting(x, evaluation):
        evaluation.report({"loss": value})
        return x

    def constrained(trial):
        trial.set_constraint("c", value)
        return trial.suggest_float("x", 0, 1)

    for loss, space in ((yielding, SPACE), (reporting, SPACE), (constrained, None)):
        with pytest.raises(pl.SearchFailed, match=r"is no number$") as failed:
            pl.minimize(loss, space, evaluations=2, progress=False)
        assert failed.value.result.statuses == {Status.INVALID: 2}


@EXAMPLES
@given(complexes, st.sampled_from([complex, np.complex64, np.complex128, np.array, lambda value: np.array([value])]))
def test_complex_numbers_are_no_losses_whatever_their_imaginary_part(value, kind):
    with np.errstate(over="ignore"):
        number = kind(value)
    assert Outcome.of(number).status is Status.INVALID
    assert Outcome.of({"loss": 0.5, "z": number}).metrics["z"] == str(number)
    with pytest.raises(ValueError, match="is no number"):
        evaluation().report(number)


@EXAMPLES
@given(st.floats() | st.fractions() | st.decimals(allow_nan=False, allow_infinity=False) | st.integers())
def test_real_numbers_are_what_float_makes_of_them(value):
    try:
        expected = float(value)
    except OverflowError:
        with pytest.raises(ValueError, match="OverflowError"):
            real(value)
        return
    for number in [value, np.float64(expected), np.array(expected), np.array([expected])]:
        assert real(number) == expected or math.isnan(expected)


losses = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf])
curves = st.lists(losses, min_size=1, max_size=6)


@EXAMPLES
@given(curves)
def test_curves_are_written_and_read_back_whole(values):
    curve = tuple(enumerate(values))
    individual = make_individual(Id(0, 0, 0), (0.5,), SPACE, status=OK, loss=0.5, seconds=1.0, ended=1.0, curve=curve)
    line = journal_lines.encode([Evaluated(individual)])
    json.loads(line, parse_constant=pytest.fail)
    (event,) = journal_lines.decode([line], Shape(SPACE))
    codec = Codec(SPACE)
    for found in (event.individual, codec.decode(codec.encode(individual), Individual)):
        assert list(map(str, found.curve)) == list(map(str, curve))


class Alone:
    """What publishes to no other rank."""

    alone = True


class Judges(pl.Pruner):
    """Stop nothing, and see all."""

    def stops(self, ident, curves):
        assert all(math.isfinite(loss) for _, loss in curves[ident])
        self.seen = [loss for _, loss in curves[ident]]
        return False


@EXAMPLES
@given(curves, st.sampled_from([(1.0,), (-1.0,)]))
def test_pruners_judge_by_finite_losses_and_the_last_word_is_the_loss(values, signs):
    pruner = Judges()
    sharing = CurveSharing(PrunerState(pruner), Alone())
    individual = make_individual(Id(0, 0, 0), (0.5,), SPACE)
    context = evaluation(signs, lambda step, loss: sharing.report(individual, step, loss))

    outcome = Call(yields, SPACE, signs=signs).finish(iter_of(*values), context)
    finite = [signs[0] * value for value in values if math.isfinite(value)]
    assert getattr(pruner, "seen", []) == finite
    curve = sharing.end(individual).curve
    assert [str(loss) for _, loss in curve] == [str(signs[0] * value) for value in values]
    last = values[-1]
    if math.isfinite(last):
        assert (outcome.status, outcome.loss) == (OK, signs[0] * last)
    else:
        assert outcome.status is (Status.NAN if math.isnan(last) else Status.INFINITE)
        shown = "NaN" if math.isnan(last) else last
        assert outcome.cause == f"the value that the loss reported last is {shown}"


PRUNERS = ["median", "successive_halving", {"patience": 2}, {"threshold": 10.0}, {"percentile": 50.0}]
PRUNERS += [{"learning_curve": {"startup": 5}}, {"optuna": "MedianPruner"}]
LATE = [math.inf, math.nan, 3.0, -math.inf, 2.0]


def yields(x):
    for value in LATE:
        yield value + x if math.isfinite(value) else value
    yield x


def reports(x, evaluation):
    for value in LATE:
        if evaluation.report(value):
            return None
    return x


def asks(trial):
    for step, value in enumerate(LATE):
        trial.report(value, step)
        if trial.should_prune():
            return 5.0
    return trial.suggest_float("x", 0, 1)


@pytest.mark.parametrize("pruner", PRUNERS, ids=str)
@pytest.mark.parametrize("loss", [yields, reports, asks])
def test_losses_that_are_not_finite_end_no_evaluation_under_any_pruner(pruner, loss, optuna):  # noqa: ARG001
    space = None if loss is asks else SPACE
    result = pl.minimize(loss, space, evaluations=20, seed=1, pruner=pruner, progress=False)
    assert set(result.statuses) <= {Status.OK, Status.STOPPED}
    for individual in result.individuals:
        assert math.isfinite(individual.loss)
        assert [str(value) for _, value in individual.curve[:2]] == ["inf", "nan"]


@pytest.mark.parametrize("pruner", [None, "median"])
@pytest.mark.parametrize(
    ("loss", "status", "cause"),
    [
        (lambda x: iter_of(x, math.nan), Status.NAN, "the value that the loss reported last is NaN"),
        (lambda x: iter_of(x, -math.inf), Status.INFINITE, "the value that the loss reported last is -inf"),
        (lambda x: iter_of(math.nan, x), Status.OK, ""),
    ],
    ids=["nan", "inf", "finite"],
)
def test_last_word_of_a_generator_is_its_loss_with_a_pruner_and_without(pruner, loss, status, cause):
    outcomes = []

    def watched(x):
        outcomes.append(x)
        return loss(x)

    try:
        result = pl.minimize(watched, SPACE, evaluations=4, pruner=pruner, progress=False)
    except pl.SearchFailed as failed:
        result = failed.result
    assert {(individual.status, individual.cause) for individual in result.individuals} == {(status, cause)}
    assert len(outcomes) == 4


def iter_of(*values):
    yield from values


def test_pruned_trial_whose_last_report_was_nan_says_so(optuna):
    def asking(trial):
        trial.report(0.5, 1)
        trial.report(math.nan, 2)
        raise optuna.TrialPruned

    with pytest.raises(pl.SearchFailed, match="the value that the loss reported last is NaN") as failed:
        pl.minimize(asking, evaluations=3, progress=False)
    assert failed.value.result.statuses == {Status.NAN: 3}


def test_curve_with_nan_is_in_the_run_and_comes_back_when_it_continues(tmp_path):
    def search(evaluations):
        return pl.minimize(
            yields, SPACE, evaluations=evaluations, seed=1, pruner="median", run=tmp_path / "run", progress=False
        )

    search(10)
    result = search(20)
    assert result.evaluations == 20
    assert all(str(individual.curve[1]) == "(2, nan)" for individual in result.individuals)


@pytest.mark.parametrize("target", ["study.log", "sqlite:///study.db"])
def test_curve_with_nan_is_exported_to_optuna(tmp_path, monkeypatch, optuna, target):
    from propulate_like.integrations.optuna.export import Export
    from propulate_like.storage.run import Run

    monkeypatch.chdir(tmp_path)
    pl.minimize(yields, SPACE, evaluations=5, seed=1, run="run", progress=False)
    Export(Run(tmp_path / "run"), target).look()
    storage = target
    if "://" not in target:
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(target))
    for trial in optuna.load_study(study_name="run", storage=storage).trials:
        values = list(trial.intermediate_values.values())
        assert [str(value) for value in (values[0], values[1], values[3])] == ["inf", "nan", "-inf"]


def test_metric_that_is_no_real_number_is_no_loss():
    def search(metric):
        try:
            result = pl.minimize(
                lambda x: {"loss": x, "m": metric},
                SPACE,
                evaluations=1,
                evaluation={"metric": "m"},
                progress=False,
            )
        except pl.SearchFailed as failed:
            result = failed.result
        (individual,) = result.individuals
        return individual.status, individual.cause

    assert search(np.float32(0.5)) == (OK, "")
    assert search(math.nan) == (Status.NAN, "the metric 'm' is NaN")
    assert search(-math.inf) == (Status.INFINITE, "the metric 'm' is -inf")
    assert search(1 + 2j) == (Status.INVALID, "the metric 'm' is '(1+2j)' (str), which is no number")
    assert search(np.bool_(True)) == (Status.INVALID, "the metric 'm' is True (bool), which is no number")


SAID = """
import math
import numpy as np
import propulate_like as pl
LATE = [math.inf, math.nan, 3.0, -math.inf, 2.0]
def yields(x):
    yield from LATE
    yield x
def ends_with_nan(x):
    yield x
    yield math.nan
def complex_number(x):
    return np.complex128(x)
"""


def test_child_says_what_is_not_finite_as_the_rank_does(tmp_path, script, python):
    script(
        f"""{SAID}
if __name__ == "__main__":
    for loss in (yields, ends_with_nan, complex_number):
        try:
            result = pl.minimize(loss, dict(x=(0.0, 1.0)), evaluations=3, pruner="median", seed=1, progress=False,
                                 evaluation=dict(isolate=True))
        except pl.SearchFailed as failed:
            result = failed.result
        for individual in result.individuals:
            report(individual.status, str([value for _, value in individual.curve][:2]).replace(" ", ""))
"""
    )
    python("script.py")
    (lines,) = [path.read_text().splitlines() for path in tmp_path.glob("report-*")]
    assert lines[:3] == ["ok [inf,nan]"] * 3
    assert [line.split()[0] for line in lines[3:]] == ["nan"] * 3 + ["invalid"] * 3


def test_command_says_it_as_well(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["printf", '{"step": 1, "loss": NaN}\\n{"step": 2, "loss": -Infinity}\\n%s\\n']
    commands = {"ok": [*words, "{x}"], "nan": [*words, '{"step": 3, "loss": NaN}']}
    for status, command in commands.items():
        try:
            result = pl.minimize(
                pl.Command(command), {"x": Float(0, 1)}, evaluations=3, pruner={"threshold": -1e9}, progress=False
            )
        except pl.SearchFailed as failed:
            result = failed.result
        assert result.statuses == {Status(status): 3}
        assert all(str(individual.curve[:2]) == "((1, nan), (2, -inf))" for individual in result.individuals)


@pytest.mark.mpi
def test_ranks_share_what_is_finite_and_keep_the_rest(tmp_path, script, pooled):
    path = script(
        f"""{SAID}
result = pl.minimize(yields, dict(x=(0.0, 1.0)), evaluations=30, pruner="median", seed=1, run="run", progress=False)
report(result.evaluations, *sorted(map(str, result.statuses)),
       all(str(individual.curve[1][1]) == "nan" for individual in result.individuals))
"""
    )
    pooled(path, ranks=3)
    lines = [path.read_text().split() for path in tmp_path.glob("report-*")]
    assert len(lines) == 3
    assert all(line[0] == "30" and line[-1] == "True" and set(line[1:-1]) <= {"ok", "stopped"} for line in lines)
