"""A result tells what the loss function returned, in one order of columns, and shows itself in a notebook."""

import html
import json
import math
import re

import pytest

import propulate_like as pl
from propulate_like.cli import show
from propulate_like.population.pareto import front
from propulate_like.search.rows import merged
from propulate_like.storage.run import Run

SPACE = {
    "rate": pl.Float(0.0, 1.0),
    "kind": pl.Choice("adam", "sgd"),
    "momentum": pl.Float(0.0, 0.9, when={"kind": "sgd"}),
    "decay": pl.Float(0.0, 0.1, when={"kind": "adam"}),
    "layers": pl.Int(1, 8),
}


def accuracy(rate, kind, layers, momentum=0.0, decay=0.0):
    if layers == 8:
        raise ValueError("too many layers")
    return 1.0 - (rate - 0.5) ** 2 - 0.1 * (kind == "adam") - 0.01 * momentum - decay


@pytest.fixture(scope="module")
def maximized(tmp_path_factory):
    folder = tmp_path_factory.mktemp("result") / "run"
    return pl.maximize(accuracy, SPACE, evaluations=60, seed=0, run=folder)


class TestValues:
    def test_they_are_what_the_loss_function_returned(self, maximized):
        assert maximized.value == maximized.best.value == -maximized.best.loss == accuracy(**maximized.best.params)
        for one in [*maximized.individuals, *Run(maximized.run).individuals()]:
            told = accuracy(**one.params) if one.has_loss else math.nan
            assert one.value == pytest.approx(told, nan_ok=True)
            assert one.values == pytest.approx((told,), nan_ok=True)
        assert "value=0.9" in repr(maximized.best)

    def test_they_are_the_same_without_a_run_folder(self):
        result = pl.maximize(accuracy, SPACE, evaluations=20, seed=0)
        assert all(one.value == accuracy(**one.params) for one in result.individuals if one.has_loss)
        assert math.isnan(result.failure.value) == result.failure.failed

    def test_the_best_one_grows_along_the_trace_where_it_is_maximized(self, maximized):
        values = [each.value for each in maximized.trace]
        assert values == sorted(values)
        assert values[-1] == maximized.value
        assert [each.loss for each in maximized.trace] == [-value for value in values]

    def test_of_several_losses_each_has_its_direction(self):
        result = pl.minimize(
            lambda x: (x, 2 - x) if x < 0.9 else (x, math.nan),
            {"x": (0.0, 1.0)},
            directions=["minimize", "maximize"],
            evaluations=40,
            seed=0,
        )
        assert all(one.values == (one.params["x"], 2 - one.params["x"]) for one in result.individuals if one.has_loss)
        assert all(len(one.values) == 2 for one in result.individuals)
        with pytest.raises(LookupError, match="there are 2 values: see `values`"):
            _ = result.front[0].value
        with pytest.raises(LookupError, match="none is the best: see `front`"):
            _ = result.trace
        assert repr(result.front[0]).endswith(f"ok, values={result.front[0].values})")

    def test_an_optimizer_minimizes_so_that_they_are_the_losses(self):
        optimizer = pl.Optimizer(SPACE, seed=0)
        optimizer.tell(optimizer.ask(), 3.0)
        assert (optimizer.best.value, optimizer.best.values) == (3.0, (3.0,))


class TestTables:
    def test_the_value_has_a_column_beside_the_loss_in_every_form(self, maximized):
        frame = maximized.to_dataframe()
        told = frame[frame["status"] == "ok"]
        assert (told["value"] == -told["loss"]).all()
        assert told["value"].max() == maximized.value
        run = Run(maximized.run)
        found = show.best(run, 3)
        assert [row["value"] for row in show.rows_of(found, run)] == [one.value for one in found]
        assert [row["value"] for row in show.nested_rows(found, run)] == [one.value for one in found]
        header = show.table(show.rows_of(found, run)).splitlines()[0].split()
        assert header[:2] == ["id", "value"]
        assert "loss" not in header

    def test_parameters_are_in_the_order_of_the_space_whichever_row_has_them_first(self, maximized):
        wanted = [f"params.{name}" for name in SPACE]
        kinds = [one.params["kind"] for one in maximized.individuals]
        assert {"adam", "sgd"} == set(kinds)
        assert [name for name in maximized.to_dataframe().columns if name.startswith("params.")] == wanted
        run = Run(maximized.run)
        header = show.as_csv(show.rows_of(show.best(run, 50), run)).splitlines()[0].split(",")
        assert [name for name in header if name.startswith("params.")] == wanted
        assert header[-4:-1] == ["ended", "origin", "parents"] or header[-3:] == ["ended", "origin", "parents"]

    def test_parameters_that_a_trial_asks_for_are_in_the_order_of_its_questions(self):
        def objective(trial):
            deep = trial.suggest_categorical("deep", [True, False])
            if deep:
                trial.suggest_float("a", 0, 1)
            return trial.suggest_float("z", 0, 1)

        frame = pl.minimize(objective, evaluations=30, seed=0).to_dataframe()
        names = [name for name in frame.columns if name.startswith("params.")]
        assert names == ["params.deep", "params.a", "params.z"]

    def test_json_has_params_as_a_mapping_whose_values_keep_their_types(self, tmp_path):
        options = [1, 1.0, True, "1", None]
        space = {"mixed": pl.Choice(*options), "x": pl.Float(0, 1, when={"mixed": "1"}), "metrics": pl.Int(1, 3)}
        result = pl.minimize(lambda **p: {"loss": p["metrics"], "n": [1.5]}, space, evaluations=40, seed=0,
                             run=tmp_path / "run")  # fmt: skip
        run = Run(tmp_path / "run")
        rows = json.loads(show.as_json(show.nested_rows(show.best(run, 40), run)))
        params = {one["id"]: one["params"] for one in rows}
        for one in result.individuals:
            told = params[str(one.id)]
            assert [(name, type(value), value) for name, value in told.items()] == [
                (name, type(value), value) for name, value in one.params.items()
            ]
        assert rows[0]["metrics"] == {"n": [1.5]}
        assert {type(row["params"]["mixed"]) for row in rows} == {int, float, bool, str, type(None)}

    def test_a_new_name_comes_behind_the_one_before_it(self):
        assert merged([["a", "d"], ["a", "c", "d"], ["b", "c"], ["e"]]) == ["e", "b", "a", "c", "d"]
        assert merged([]) == []


def test_a_front_has_the_same_losses_and_params_once_and_other_params_each():
    result = pl.minimize(
        lambda a, b: (a, 1 - a),
        {"a": pl.Int(0, 1), "b": pl.Int(1, 2)},
        directions=["minimize", "minimize"],
        evaluations=60,
        seed=0,
    )
    points = [(one.params["a"], one.params["b"]) for one in result.front]
    assert sorted(points) == [(0, 1), (0, 2), (1, 1), (1, 2)]
    for one in result.front:
        alike = [each for each in result.individuals if each.params == one.params]
        assert one.id == min(alike, key=lambda each: (each.ended, each.id)).id
    twice = [*result.individuals, *result.individuals]
    assert [one.id for one in front(twice)] == [one.id for one in result.front]


class TestNotebooks:
    def cells(self, text):
        return [html.unescape(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", text)]

    def test_a_result_and_an_individual_are_tables(self, maximized):
        cells = self.cells(maximized._repr_html_())
        assert "60 (" in cells[cells.index("evaluations") + 1]
        assert cells[cells.index("value") + 1] == f"{maximized.value:.6g}"
        assert cells[cells.index("kind") + 1] == maximized.best.params["kind"]
        failed = self.cells(maximized.failure._repr_html_())
        assert failed[failed.index("cause") + 1] == "ValueError: too many layers"
        assert "value" not in failed

    def test_a_front_has_a_line_for_each_with_its_values(self):
        result = pl.minimize(
            lambda x: (x, 2 - x), {"x": (0.0, 1.0)}, directions=["minimize", "maximize"], evaluations=9, seed=0
        )
        text = result._repr_html_()
        assert f"{result.front[0].values[0]:.6g}, {result.front[0].values[1]:.6g}" in self.cells(text)
        assert "Front of 1" in text

    def test_a_result_without_any_success_or_evaluation_is_shown(self):
        with pytest.raises(pl.SearchFailed) as caught:
            pl.minimize(lambda x: math.nan, {"x": (0.0, 1.0)}, evaluations=4)
        assert "4 (4 nan)" in self.cells(caught.value.result._repr_html_())

    def test_what_others_wrote_is_escaped_and_short(self):
        evil = "<script>alert('x')</script>\x1b[2J"
        result = pl.minimize(
            lambda c: {"loss": 1.0, evil: evil * 100}, {"c": pl.Choice(evil, "b<i>")}, evaluations=2, seed=0
        )
        text = result._repr_html_()
        assert "<script" not in text
        assert "\x1b" not in text
        assert "<i>" not in text
        assert len(text) < 10_000

    def test_no_colour_of_a_table_assumes_a_light_or_a_dark_page(self, maximized):
        styles = " ".join(re.findall(r'style="([^"]*)"', maximized._repr_html_()))
        assert not re.search(r"(?<![-\w])(color|background)", styles)


def test_one_rank_is_the_root(maximized):
    assert maximized.is_root


@pytest.mark.mpi
@pytest.mark.parametrize("members", [1, 2])
def test_one_of_several_ranks_is_the_root_and_all_have_the_same_values(members, script, pooled, reports):
    path = script(f"""
        import propulate_like as pl
        from propulate_like.parallel.transport import launched
        settings = {{"ranks_per_worker": {members}, "isolate": False}}
        result = pl.maximize(lambda x: -x * x, {{"x": (-1.0, 1.0)}}, evaluations=40, seed=0, evaluation=settings)
        report(launched()[0], result.is_root, result.best.value, result.best.value == -result.best.params["x"] ** 2,
               sum(one.value for one in result.individuals), result.added)
    """)
    pooled(path, ranks=4)
    lines = sorted(reports())
    assert [line[1] for line in lines] == ["True", "False", "False", "False"]
    assert len({tuple(line[2:]) for line in lines}) == 1
    assert lines[0][3] == "True"
    assert lines[0][5] == "40"
