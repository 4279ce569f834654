"""Options that are tuples and lists come back as they were given, from wherever they were kept."""

import json
import warnings

import optuna
import pytest

import propulate_like as pl
from propulate_like.foundation.values import typed_text
from propulate_like.problem.parameters import Choice, Parameter
from propulate_like.storage.run import Run

OPTIONS = [(64,), (64, 64), [128, "a"], "x", None, (1, (True, [2.5]))]


def objective(trial):
    hidden = trial.suggest_categorical("hidden", OPTIONS)
    assert any(hidden == option and type(hidden) is type(option) for option in OPTIONS)
    if hidden == (64, 64):
        return trial.suggest_float("x", 0, 1)
    if isinstance(hidden, list):
        hidden.append("of the loss alone")
        return 2 + trial.suggest_float("y", 0, 1)
    return 5.0


def search(loss=objective, **options):
    return pl.minimize(loss, **{"evaluations": 40, "seed": 1, "progress": False, **options})


def written(individuals):
    return [repr(each.params["hidden"]) for each in individuals]


def test_a_trials_options_survive_the_journal_and_continuing(tmp_path):
    first = search(run=tmp_path / "run")
    assert set(written(first.individuals)) == set(map(repr, OPTIONS))
    again = search(run=tmp_path / "run", evaluations=60)
    assert again.statuses == {pl.Status.OK: 60}, again.failure.cause
    assert written(again.individuals)[:40] == written(first.individuals)
    assert written(Run(tmp_path / "run").individuals()) == written(again.individuals)
    assert again.best.params["hidden"] == (64, 64)
    assert again.best.loss < 0.1


@pytest.mark.process
def test_they_survive_a_child_process(tmp_path):
    (tmp_path / "nested_losses.py").write_text(
        "def objective(trial):\n"
        "    shape = trial.suggest_categorical('hidden', [(64,), [64], (64, (64, 1))])\n"
        "    trial.set_user_attr('kind', type(shape).__name__)\n"
        "    return len(shape)\n"
    )
    result = search(f"{tmp_path / 'nested_losses.py'}:objective", evaluations=12, evaluation={"isolate": True})
    assert result.statuses == {pl.Status.OK: 12}, result.failure.cause
    assert all(type(each.params["hidden"]).__name__ == each.metrics["kind"] for each in result.individuals)


@pytest.mark.mpi
def test_they_survive_the_wire(script, pooled, reports):
    path = script("""
        import propulate_like as pl
        def objective(trial):
            hidden = trial.suggest_categorical("hidden", [(64,), [64, 64], (1, (2.5, None))])
            return len(hidden) + trial.suggest_float(f"x {hidden}", 0, 1)
        result = pl.minimize(objective, evaluations=200, seed=0, progress=False)
        kinds = {repr(each.params["hidden"]) for each in result.individuals}
        report(len(kinds), type(result.best.params["hidden"]).__name__, result.statuses[pl.Status.OK])
    """)
    pooled(path, ranks=3)
    assert reports() == [["3", "tuple", "200"]] * 3


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_they_survive_exports_and_warm_starts_of_these(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = search(run="run")
    for target in (["optuna", "sqlite:///study.db"], ["optuna", "sqlite:///study.db"], ["csv", "table.csv"]):
        command("export", "run", "--to", *target)
    study = optuna.load_study(study_name="run", storage="sqlite:///study.db")
    as_lists = [json.dumps(each.params["hidden"]) for each in result.individuals]
    assert [json.dumps(each.params["hidden"]) for each in study.trials] == as_lists
    row = json.loads(command("results", "run", "--top", "1", "--format", "json").stdout)[0]
    assert row["params"]["hidden"] == [64, 64]
    space = {"hidden": Choice(*OPTIONS)}
    for known in (study, "table.csv"):
        source = pl.WarmStart(known)
        read = list(source.read(pl.Space({**space, "x": pl.Float(0, 1, when={"hidden": [(64, 64)]})}), ["minimize"]))
        fitting = [each for each in result.individuals if "y" not in each.params]
        assert written(read) == written(fitting)


def test_optuna_does_not_warn_of_options_that_are_kept_all_the_same():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distribution = Choice(*OPTIONS).distribution()
        result = search(propagator=pl.OptunaPropagator("TPESampler"))
    assert distribution.choices == tuple(OPTIONS)
    assert result.statuses == {pl.Status.OK: 40}


def test_declared_options_may_be_nested_and_conditions_too(tmp_path):
    space = pl.Space({"shape": Choice((1,), [1], "a"), "x": pl.Float(0, 1, when={"shape": [[1], "a"]})})

    def loss(shape, x=None):
        assert (x is None) is (shape == (1,))
        return 0.0 if x is None else 1 + x

    result = search(loss, space=space, run=tmp_path / "run")
    assert result.statuses == {pl.Status.OK: 40}, result.failure.cause
    assert Run(tmp_path / "run").space == space
    again = search(loss, space=space, run=tmp_path / "run", evaluations=50)
    assert again.best.params == {"shape": (1,)}


@pytest.mark.parametrize("when", [[[1, 2]], [(1, 2)], [(1, 2), [1, 2]], "a"])
def test_a_declaration_reads_back_as_it_was(when):
    space = pl.Space({"shape": Choice((1, 2), [1, 2], "a", "b"), "x": pl.Float(0, 1, when={"shape": when})})
    again = pl.Space.from_declaration(json.loads(json.dumps(space.declaration())))
    assert again == space
    assert repr(again) == repr(space)


def test_an_option_that_is_a_list_is_a_new_one_each_time():
    choice = Choice([1], [2])
    choice.decode(0.0).append("more")
    assert choice.decode(0.0) == [1]


def test_texts_in_tables_that_look_like_a_tuple_are_told_from_one():
    choice = Choice((1, 2), "(1, 2)")
    texts = [typed_text(option) for option in choice.options]
    assert [choice.meant(text) for text in texts] == list(choice.options)
    assert Parameter.from_declaration(choice.declaration()) == choice


def test_one_option_that_is_a_list_is_a_mistake_in_a_declaration_alone():
    with pytest.raises(ValueError, match="to choose from a list, write Choice"):
        Choice(["a", "b"])

    def constant(trial):
        return len(trial.suggest_categorical("a", [(1,)]) + trial.suggest_categorical("b", [(1,)])) + len(
            trial.suggest_categorical("c", [[1, 2]])
        )

    result = search(constant, evaluations=6)
    assert result.statuses == {pl.Status.OK: 6}, result.failure.cause
    assert result.best.params == {"a": (1,), "b": (1,), "c": [1, 2]}
    (read,) = {repr(pl.Space.read(each.space.written)) for each in result.individuals}
    assert read == repr(result.best.space)
