"""Values keep their types on all ways in and out: 1, 1.0, True and "1" are different to a loss, and stay so."""

import csv
import json
import math

import pytest
from conftest import make_individual
from hypothesis import given
from hypothesis import strategies as st
from value_strategies import EXAMPLES, options, points, scalars, typed

import propulate_like as pl
from propulate_like import Choice, Float, Int, Ordinal, Space
from propulate_like.cli import show
from propulate_like.evaluation.child import Load
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.context import Evaluation, Task, never_stop
from propulate_like.evaluation.trial import Trial
from propulate_like.foundation import strict_yaml
from propulate_like.foundation.values import same, short_text, typed_text
from propulate_like.parallel.wire import AskedRecords, Records
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Candidate, Id
from propulate_like.population.outcome import OK, Outcome
from propulate_like.problem.space import NOTHING
from propulate_like.search.rows import nested_row, row
from propulate_like.storage import journal_lines
from propulate_like.storage.config_diff import differences
from propulate_like.storage.events import Evaluated
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.trial_table import read_csv, read_rows


def asked(space, params):
    """Return the space of the parameters that a loss asked for, and the point of these params."""
    space = Space({name: space[name].conditioned({}) for name in params}, asked_for=True)
    return space, space.encode(params)


def evaluated(space, genome):
    return make_individual(Id(0, 1, 2), genome, space, status=OK, loss=0.5, seconds=1.0, ended=2.0)


@EXAMPLES
@given(points())
def test_params_round_trip_through_genes_and_yaml(point):
    space, genome = point
    params = space.decode(genome)
    for parameter in space.parameters:
        value = parameter.decode(genome[0])
        assert type(value) is {Float: float, Int: int}.get(type(parameter), type(value))
    assert typed(space.decode(space.encode(params))) == typed(params)
    read = Space.from_declaration(strict_yaml.load(strict_yaml.dump(space.declaration()).encode()))
    assert read == space
    assert typed(read.decode(genome)) == typed(params)
    assert typed(Space.read(space.written).decode(genome)) == typed(params)
    assert not differences({"space": space.declaration()}, {"space": read.declaration()})


@EXAMPLES
@given(points())
def test_params_round_trip_through_journal_messages_and_child(point):
    space, genome = point
    params = space.decode(genome)
    mine = evaluated(space, genome)
    theirs = evaluated(*asked(space, params))
    for individual, shape, records in (
        (mine, Shape(space), Records(space, 0)),
        (theirs, Shape(NOTHING), AskedRecords()),
    ):
        (event,) = journal_lines.decode([journal_lines.encode([Evaluated(individual)])], shape)
        ((received, _),) = records.unpack(records.pack(individual))
        codec = Codec(shape.space)
        task = codec.decode(codec.encode(Task(individual.candidate, 0, "")), Task)
        for found in (event.individual, received, task.candidate):
            assert typed(found.params) == typed(params)
    load = Load("a.py:f", b"", json.dumps(space.declaration()), (1.0,), "", [], [], {}, 0)
    declaration = codec.decode(codec.encode(load), Load).space
    assert Space.from_declaration(json.loads(declaration)) == space


@EXAMPLES
@given(points())
def test_params_round_trip_through_csv_and_json(tmp_path_factory, point):
    space, genome = point
    params = space.decode(genome)
    rows = [row(evaluated(space, genome))]
    path = tmp_path_factory.getbasetemp() / "table.csv"
    path.write_text(show.as_csv(rows), encoding="utf-8", newline="")
    (found,) = read_rows(read_csv(path), space, (1.0,), as_text=True)
    assert typed(space.decode(found.genome(space))) == typed(params)
    told = json.loads(show.as_json([nested_row(evaluated(space, genome))]))[0]["params"]
    assert told.keys() == params.keys()
    assert all(
        typed(told[name]) == typed(value) for name, value in params.items() if value not in (math.inf, -math.inf)
    )


@EXAMPLES
@given(points())
def test_params_round_trip_through_optuna(point):
    pytest.importorskip("optuna")
    from optuna.distributions import distribution_to_json, json_to_distribution

    from propulate_like.integrations.optuna.choices import internal

    space, genome = point
    params = space.decode(genome)
    for name, value in params.items():
        distribution = json_to_distribution(distribution_to_json(space[name].distribution()))
        assert typed(distribution.to_external_repr(internal(distribution, value))) == typed(value)
        found = pl.problem.parameters.Parameter.from_optuna(distribution)
        assert found.contains(value)


@EXAMPLES
@given(points())
def test_trial_gets_what_was_bred_and_a_command_is_told_it(point):
    space, genome = point
    params = space.decode(genome)
    bred, point = asked(space, params)
    task = Task(Candidate(Id(0, 0, 0), point, bred), 0, "")
    trial = Trial(task, Evaluation(task, never_stop))
    for name, parameter in bred.items():
        match parameter:
            case Float(low=low, high=high, log=log, step=step):
                value = trial.suggest_float(name, low, high, log=log, step=step)
            case Int(low=low, high=high, step=step):
                value = trial.suggest_int(name, low, high, step=step)
            case Ordinal(options=values):
                value = params[name]
                trial.suggest_categorical(name, values)
            case Choice(options=values):
                value = trial.suggest_categorical(name, values)
        assert typed(value) == typed(params[name])
    assert typed(json.loads(json.dumps(params))) == typed(params)


@EXAMPLES
@given(st.lists(scalars, min_size=2, max_size=5, unique_by=lambda value: (type(value), value)))
def test_texts_tell_values_apart(values):
    assert len({typed_text(value) for value in values}) == len(values)
    assert len({repr(Choice(value)) for value in values}) == len(values)
    assert len({Choice(value) for value in values}) == len(values)
    first, second, *_ = values
    assert not same(first, second)
    assert same([first, {"a": second}], (first, {"a": second}))


@EXAMPLES
@given(options(), st.data())
def test_condition_holds_for_the_value_that_it_names_and_no_equal_one(parent, data):
    needed = data.draw(st.sampled_from(parent.options))
    space = Space({"child": Float(0, 1, when={"parent": needed}), "parent": parent})
    for level, option in enumerate(parent.options):
        params = space.decode((0.5, parent.gene(level)))
        assert ("child" in params) == (typed(option) == typed(needed))
        assert space.contains(params)


def float_of(x):
    return float(x)


def test_condition_takes_an_array_or_a_range_as_the_values_in_it():
    np = pytest.importorskip("numpy")
    for needed in (np.array([1, 3]), range(1, 4, 2), {1, 3}, (np.int64(1), 3)):
        space = Space({"a": Choice(1, 2, 3, True), "b": Float(0, 1, when={"a": needed})})
        active = ["b" in space.decode((space["a"].encode(value), 0.5)) for value in (1, 2, 3, True)]
        assert active == [True, False, True, False]


def test_yaml_has_the_types_that_it_shows():
    form = strict_yaml.load(b"{choice: [1, 1.0, true, yes, 1e3, '1', 1_000, null, .inf]}")
    (space,) = Space.from_declaration({"x": form}).parameters
    assert typed(space.options) == typed([1, 1.0, True, "yes", 1000.0, "1", "1_000", None, math.inf])


CONFUSED = Choice("sqrt", 1, 1.0, True, "1")


def test_run_with_true_and_false_is_not_continued_with_one_and_zero(tmp_path):
    run = tmp_path / "run"
    pl.minimize(float_of, {"x": Choice(True, False)}, evaluations=4, run=run, progress=False)
    with pytest.raises(ValueError, match=r"space\.x\.choice: was \[True, False\], is \[1, 0\]"):
        pl.minimize(float_of, {"x": Choice(1, 0)}, evaluations=8, run=run, progress=False)


def test_tables_show_which_value_it_is():
    assert [short_text(value, 5) for value in (1, 1.0, True, "1", "a", 1e-7)] == [
        "1",
        "1.0",
        "True",
        '"1"',
        "a",
        "1e-07",
    ]
    table = show.table([{"params.x": option} for option in CONFUSED.options])
    assert table.split() == ["x", "sqrt", "1", "1.0", "True", '"1"']


def test_text_of_a_foreign_table_that_may_be_several_options_is_left_out():
    table = [{"x": text, "loss": "1"} for text in ("1", "1.0", "true", '"1"', "1.00")]
    space = Space({"x": CONFUSED})
    *fitting, last = read_rows(table, space, (1.0,), as_text=True)
    values = [space.decode(found.genome(space))["x"] for found in fitting]
    assert typed(values) == typed([1, 1.0, True, "1"])
    with pytest.raises(ValueError, match=r"x: '1\.00' may be 1 or 1\.0"):
        last.genome(space)


FOREIGN = {
    "as Python has it": ([1, "1", 1.0, True, "True"], [1, "1", 1.0, True, "True"]),
    "as a CSV file has it": (["1", '"1"', "1.0", "True", '"True"'], [1, "1", 1.0, True, "True"]),
    "of two texts": (["1", "sqrt"], [None, "sqrt"]),
    "of texts that nothing tells apart": (["True", "1", "sqrt"], [None, None, "sqrt"]),
    "of floats": ([1.0, 1.0], [None, None]),
}


@pytest.mark.parametrize("table", FOREIGN)
def test_cells_of_a_frame_that_may_be_several_options_are_left_out(table):
    pd = pytest.importorskip("pandas")
    cells, expected = FOREIGN[table]
    space = Space({"x": Choice(*CONFUSED.options, "True")})
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=float if table == "of floats" else object), "loss": 1.0})
    if [value for value in expected if value is not None]:
        known = pl.WarmStart(frame).read(space)
        assert typed([one.params["x"] for one in known]) == typed([value for value in expected if value is not None])
    else:
        with pytest.raises(ValueError, match=r"x: 1\.0 may be 1\.0 or 1"):
            pl.WarmStart(frame).read(space)


@pytest.mark.parametrize("way", ["pandas", "csv"])
def test_export_is_read_by_others_with_the_types_that_it_has(way, tmp_path, command):
    space = {"x": Choice("sqrt", 1, 1.0, True, "1", "True", "NA", "null", None), "y": Float(0, 1)}
    result = pl.minimize(lambda x, y: y, space, evaluations=60, seed=1, progress=False, run=tmp_path / "run")
    command("export", tmp_path / "run", "--to", "csv", tmp_path / "table.csv")
    if way == "pandas":
        table = pytest.importorskip("pandas").read_csv(tmp_path / "table.csv")
    else:
        table = list(csv.DictReader((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()))
    known = pl.WarmStart(table).read(Space.of(space))
    assert typed([one.params["x"] for one in known]) == typed([one.params["x"] for one in result.individuals])


def test_frame_of_a_result_keeps_types():
    pd = pytest.importorskip("pandas")
    space = {"x": Choice(1, 1.0, True), "y": Float(0, 1)}
    result = pl.minimize(lambda x, y: y, space, evaluations=30, seed=1, progress=False)
    frame = result.to_dataframe()
    assert typed(list(frame["params.x"])) == typed([individual.params["x"] for individual in result.individuals])
    assert frame["params.y"].dtype == float
    again = pl.minimize(lambda x, y: y, space, evaluations=1, seed=1, progress=False, warm_start=frame)
    assert again.evaluations == 1
    assert isinstance(frame, pd.DataFrame)


def test_parquet_keeps_columns_of_several_types_as_texts(tmp_path, command):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    space = {"x": Choice(1, 1.0, "a"), "y": Int(1, 2)}
    result = pl.minimize(lambda x, y: y, space, evaluations=30, seed=1, run=tmp_path / "run", progress=False)
    command("export", "run", "t.parquet", "--to", "parquet")
    columns = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    assert columns["params.x"] == [str(individual.params["x"]) for individual in result.individuals]
    assert set(columns["params.y"]) == {1, 2}


@pytest.mark.parametrize("target", ["study.log", "sqlite:///study.db"])
def test_export_to_optuna_keeps_types(tmp_path, monkeypatch, optuna, target):
    from propulate_like.integrations.optuna.export import Export
    from propulate_like.storage.run import Run

    monkeypatch.chdir(tmp_path)
    result = pl.minimize(
        lambda x: 1.0, {"x": Choice(1, 1.0, True, "1")}, evaluations=20, seed=1, run="run", progress=False
    )
    Export(Run(tmp_path / "run"), target).look()
    storage = target
    if "://" not in target:
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(target))
    trials = optuna.load_study(study_name="run", storage=storage).trials
    assert typed([trial.params["x"] for trial in trials]) == typed([each.params["x"] for each in result.individuals])
    warm = pl.minimize(
        lambda x: 1.0,
        {"x": Choice(1, 1.0, True, "1")},
        evaluations=1,
        progress=False,
        warm_start={"storage": target},
    )
    assert warm.evaluations == 1


def test_sampler_refuses_choices_that_optuna_takes_for_each_other(optuna):
    study = optuna.create_study(sampler=pl.PropagatorSampler(seed=1))
    with pytest.raises(ValueError, match=r"cannot tell all of \(1, True\) apart"):
        study.ask().suggest_categorical("x", [1, True])


def test_command_refuses_options_that_are_the_same_word():
    space = Space({"x": CONFUSED})
    with pytest.raises(ValueError, match=r"1 and '1' of x are the same word: use \{params\}"):
        Command(["train", "{x}"]).check(space)
    Command(["train", "{params}"]).check(space)
    Command(["train", "{x}"]).check(Space({"x": Choice("sqrt", 1, 1.0, True)}))


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (10**5000, "of 16,610 bits has more than 10,000"),
        ("a" * 10_001, "has 10,001 characters"),
        (math.nan, "nan must be a string, number"),
    ],
    ids=["huge", "long", "nan"],
)
def test_option_that_a_file_cannot_hold_is_refused_when_it_is_given(option, words):
    for kind in (Choice, Ordinal):
        with pytest.raises(ValueError, match=words) as refused:
            kind("a", option)
        assert "\n" not in str(refused.value)


def test_learned_space_tells_the_types_of_parents_apart():
    def asking(trial):
        kind = trial.suggest_categorical("kind", [1, 1.0, True])
        return trial.suggest_float("x", 0, 1) if type(kind) is float else 1.0

    optimizer = pl.Optimizer(seed=1)
    for _ in range(40):
        individual = optimizer.ask()
        task = Task(individual.candidate, 0, "")
        trial = Trial(task, Evaluation(task, never_stop))
        outcome = trial.completed(Outcome.of(asking(trial)))
        optimizer.tell(individual.evaluated(outcome), outcome.loss, 1.0)
    (when,) = optimizer.space["x"].when.values()
    assert typed(list(when)) == typed([1.0])
