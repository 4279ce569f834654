"""Hundreds of branches, and names that change each time: an evaluation takes work in proportion to them, at most."""

import sys

import pytest

import propulate_like as pl


def calls_of(run):
    """Return how many functions are called while something runs: work that no other program disturbs."""
    count = 0

    def note(_frame, event, _argument):
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def declared(branches):
    names = [f"b{number}" for number in range(branches)]
    space = {"branch": pl.Choice(*names)}
    space |= {f"x{number}": pl.Float(0, 1, when={"branch": name}) for number, name in enumerate(names)}
    return {"loss": lambda branch, **active: sum(active.values()) + int(branch[1:]) / branches, "space": space}


def in_yaml(branches):
    space = declared(branches)["space"]
    declaration = {name: parameter.declaration() for name, parameter in space.items()}
    return declared(branches) | {"space": pl.Space.from_declaration(declaration)}


def asked_for(branches):
    names = [f"b{number}" for number in range(branches)]

    def loss(trial):
        number = int(trial.suggest_categorical("branch", names)[1:])
        return trial.suggest_float(f"x{number}", 0, 1) + number / branches

    return {"loss": loss}


def search(loss, space=None, evaluations=60, **options):
    return pl.minimize(loss, space, evaluations=evaluations, seed=0, progress=False, **options)


@pytest.mark.parametrize(
    ("kind", "propagator"),
    [(declared, "auto"), (declared, pl.CoordinateSearch()), (in_yaml, "auto"), (asked_for, "auto")],
)
def test_four_times_the_branches_take_hardly_more_than_four_times_the_work(kind, propagator):
    few, many = (calls_of(lambda number=number: search(**kind(number), propagator=propagator)) for number in (100, 400))
    assert many < 6 * few


def changing(per_name, suggest):
    return lambda trial: trial.suggest_float("x", 0, 1) + 0 * suggest(trial, f"n{trial.number // per_name}")


CHANGING = {
    "floats": changing(1, lambda trial, name: trial.suggest_float(name, 0, 1)),
    "choices": changing(1, lambda trial, name: trial.suggest_categorical(name, [0, 1])),
    "each name twice": changing(2, lambda trial, name: trial.suggest_float(name, 0, 1)),
    "three at a time": changing(1, lambda trial, name: sum(trial.suggest_float(f"{name}{n}", 0, 1) for n in range(3))),
    "ranges": lambda trial: trial.suggest_float("x", 0, 1 + trial.number),
    "options": lambda trial: (
        trial.suggest_float("x", 0, 1) + 0 * len(trial.suggest_categorical("kind", ["a", f"o{trial.number}"]))
    ),
}


@pytest.mark.parametrize("kind", CHANGING)
def test_names_that_change_each_time_take_as_much_work_for_each_evaluation(kind):
    few, many = (calls_of(lambda number=number: search(CHANGING[kind], evaluations=number)) for number in (150, 600))
    assert many < 7 * few


def test_what_stays_is_found_among_names_that_change():
    assert search(CHANGING["floats"], evaluations=400).best.loss < 1e-6


def test_the_space_is_learned_anew_ever_more_seldom():
    optimizer = pl.Optimizer(seed=0)
    moved, space = [], None
    for number in range(1500):
        asked = pl.Space({"x": pl.Float(0, 1), f"n{number // 3}": pl.Float(0, 1)}, asked_for=True)
        individual = optimizer.ask().with_genome((0.5, 0.5), asked)
        optimizer.tell(individual, 1.0, seconds=1e-4)
        if optimizer.space is not space:
            moved.append(number)
            space = optimizer.space
    assert len(moved) < 60


def test_a_name_that_joins_the_space_late_brings_the_values_that_it_had():
    optimizer = pl.Optimizer(propagator=pl.Chain(pl.SelectBest(64), pl.SelectRandom(1)), seed=0)
    told = []
    for number in range(400):
        names = ["x"] if number % 200 != 150 else ["x", "late"]
        asked = pl.Space({name: pl.Float(0, 1) for name in names}, asked_for=True)
        individual = optimizer.ask().with_genome((0.125, 0.875)[: len(names)], asked)
        told.append(optimizer.tell(individual, -1.0 if len(names) > 1 else 1.0, seconds=1e-4))
        if number == 300:
            assert optimizer.space.names == ("x",)
    assert optimizer.space.names == ("x", "late")
    assert {one.params["late"] for one in optimizer.population.best(2)} == {0.875}
    assert optimizer.as_evaluated()[0].space.names == ("x", "late")
