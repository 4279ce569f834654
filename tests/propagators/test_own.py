"""Steps that a user wrote: what they may give, and that anything else ends the search with their name."""

import math
from fractions import Fraction

import numpy as np
import pytest

import propulate_like as pl
from propulate_like.population.outcome import Outcome
from propulate_like.problem.budget import Budget
from propulate_like.search.islands.migration import Islands
from propulate_like.search.simulation import Simulation
from propulate_like.search.specification import SearchSpecification

SPACE = {"x": pl.Float(0, 1), "y": pl.Float(0, 1)}


class _Gives(pl.Propagator):
    """A step that gives what a function says."""

    def __init__(self, given):
        self._given = given  # no attribute with the name of the argument, as a run's folder cannot hold a function

    def __call__(self, individuals, breeding):
        return self._given(individuals, breeding)

    def __repr__(self):
        return "Gives(this)"


class _Selects(pl.Propagator):
    takes = (1, None)

    def __call__(self, individuals, _):
        return individuals[:1]


def search(step, **options):
    chain = pl.Chain(pl.SelectBest(4), pl.SelectRandom(1), step, pl.PointMutation(1))
    return pl.minimize(lambda x, y: x + y, SPACE, evaluations=12, seed=0, propagator=chain, progress=False, **options)


OTHER = pl.Space({"x": pl.Float(0, 1)})


def of_genome(genome):
    return lambda _, breeding: [breeding.child(genome)]


def evaluated_with(genome):
    return lambda individuals, _: [individuals[0].with_genome(genome)]


WRONG = {
    "a genome too short": (of_genome((0.5,)), "which has 1 genes and not 2"),
    "a genome too long": (of_genome((0.5,) * 3), "which has 3 genes and not 2"),
    "an empty genome": (of_genome(()), "has 0 genes"),
    "a gene that is NaN": (of_genome((0.5, math.nan)), "gene 1 is nan, and not a number in"),
    "a gene that is infinite": (of_genome((math.inf, 0.5)), "gene 0 is inf"),
    "genes whose sum is 0": (of_genome((math.inf, -math.inf)), "gene 0 is inf"),
    "a gene above 1": (of_genome((0.5, 1.5)), "gene 1 is 1.5"),
    "a gene below 0": (of_genome((-0.01, 0.5)), "gene 0 is -0.01"),
    "a gene that is text": (of_genome(("0.5", 0.5)), "gene 0 is '0.5'"),
    "a gene that is None": (of_genome((None, 0.5)), "gene 0 is None"),
    "a gene that is complex": (of_genome((0.5j, 0.5)), "gene 0 is 0.5j"),
    "a gene that is a bool": (of_genome((True, 0.5)), "gene 0 is True"),
    "a genome that is text": (of_genome("05"), "the genome '05'"),
    "a genome that is a number": (of_genome(0.5), "the genome 0.5"),
    "an evaluated individual with another genome": (evaluated_with((2.0, 0.5)), "gene 0 is 2.0"),
    "several individuals": (lambda _, b: [b.child((0.5, 0.5))] * 2, "gave 2 individuals of 1, but its gives=1"),
    "no individual": (lambda _, __: [], "gave 0 individuals of 1"),
    "None": (lambda _, __: None, "gave None, and not individuals"),
    "an individual alone": (lambda _, b: b.child((0.5, 0.5)), "gave Individual"),
    "a text": (lambda _, __: "a", "gave 'a'"),
    "a number": (lambda _, __: 3, "gave 3"),
    "what is no individual": (lambda _, __: [(0.5, 0.5)], r"gave \(0.5, 0.5\), which is no Individual"),
    "an individual of another space": (
        lambda i, _: [i[0].with_genome((0.5,), OTHER)],
        "gave an individual of another space",
    ),
    "an id of its own": (
        lambda _, b: [pl.Optimizer(b.space, seed=0, rank=7).ask()],
        "the id Id.*, and not breeding.id, which is 0-0-",
    ),
    "parents that are individuals": (lambda i, b: [b.child((0.5, 0.5), (i[0],))], "whose parents are"),
    "a list of parents": (lambda i, b: [b.child((0.5, 0.5), [i[0].id])], "whose parents are"),
    "an origin that is no text": (lambda _, b: [b.child((0.5, 0.5), (), 3)], "whose origin is 3"),
    "traits that are NaN": (lambda _, b: [b.child((0.5, 0.5), (), "", (math.nan,))], "whose traits are"),
    "traits that are text": (lambda _, b: [b.child((0.5, 0.5), (), "", ("a",))], "whose traits are"),
}


@pytest.mark.parametrize("given", WRONG)
def test_what_a_step_must_not_give_ends_the_search_with_its_name(given, tmp_path):
    gives, words = WRONG[given]
    with pytest.raises(pl.PartError, match=rf"(?s)^Gives\(this\) .*{words}") as error:
        search(_Gives(gives), run=tmp_path / "run")
    assert "\n" not in str(error.value)
    assert len(list(pl.Run(tmp_path / "run").individuals())) >= 4


def test_the_same_newborn_given_again_ends_the_search():
    kept = []

    def once(_, breeding):
        kept[:] = kept or [breeding.child((0.5, 0.5))]
        return kept

    with pytest.raises(pl.PartError, match=r"Gives\(this\) gave a newborn with the id"):
        search(_Gives(once))


def test_an_exception_in_a_step_ends_the_search_with_the_steps_name_and_the_line():
    def broken(_, __):
        return 1 / 0

    with pytest.raises(pl.PartError, match=r"Gives\(this\) raised ZeroDivisionError: .*test_own.py, line \d+") as error:
        search(_Gives(broken))
    assert isinstance(error.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "genome",
    [
        [0.25, 1.0],
        (0, 1),
        np.array([0.25, 0.5]),
        (np.float32(0.25), np.int64(1)),
        (Fraction(1, 4), 0.5),
        (-1e-15, 1.0 + 1e-15),
    ],
)
def test_what_are_numbers_within_the_borders_becomes_a_tuple_of_floats(genome, tmp_path):
    options = {"evaluations": 8, "seed": 0, "run": tmp_path / "run", "progress": False}
    result = pl.minimize(
        lambda x, y: x + y,
        SPACE,
        propagator=pl.Chain(pl.SelectBest(2), pl.SelectRandom(1), _Gives(of_genome(genome))),
        **options,
    )
    assert result.statuses == {pl.Status.OK: 8}
    for one in result.individuals:
        assert type(one.genome) is tuple
        assert all(type(gene) is float and 0.0 <= gene <= 1.0 for gene in one.genome)


def test_any_sequence_and_a_generator_of_individuals_will_do():
    for made in (tuple, list, iter, lambda given: (one for one in given)):
        assert search(_Gives(lambda _, b, made=made: made([b.child((0.5, 0.5))]))).statuses == {pl.Status.OK: 12}


def test_an_evaluated_individual_may_be_given_to_be_evaluated_again():
    result = pl.minimize(
        lambda x, y: x + y,
        SPACE,
        evaluations=8,
        seed=0,
        propagator=pl.Chain(pl.SelectBest(2), pl.SelectRandom(1), _Gives(lambda individuals, _: individuals)),
        progress=False,
    )
    assert {one.origin for one in result.individuals} == {"uniform_initialization", "copy"}


def test_a_step_within_others_is_named_by_itself():
    broken = _Gives(lambda _, __: [])
    for step in (pl.Sometimes(1.0, broken), pl.Choose(broken), pl.Chain(broken), pl.Chain(pl.Sometimes(1.0, broken))):
        with pytest.raises(pl.PartError, match=r"^Gives\(this\) gave 0 individuals"):
            search(step)


@pytest.mark.parametrize("fewest", [1, 3])
def test_a_step_is_never_given_fewer_individuals_than_it_takes(fewest):
    seen = []

    class _Watches(_Selects):
        takes = (fewest, None)

        def __call__(self, individuals, _):
            seen.append(len(individuals))
            return individuals[:1]

    watches = _Watches()
    for propagator in (
        watches,
        pl.Chain(watches, pl.PointMutation()),
        pl.Choose(watches),
        pl.Sometimes(1.0, watches, watches),
    ):
        seen.clear()
        optimizer = pl.Optimizer(SPACE, propagator=propagator, seed=0)
        for number in range(8):
            optimizer.tell(optimizer.ask(), float(number))
        assert len(seen) == 8 - fewest
        assert min(seen) == fewest


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"takes": 2}, r"takes=2 must be the fewest and the most individuals, such as \(2, 2\)"),
        ({"takes": (1, 2, 3)}, "takes="),
        ({"takes": (-1, None)}, "the fewest that it takes=-1"),
        ({"takes": (3, 2)}, "the most that it takes=2 must be a whole number of at least 3"),
        ({"takes": ("1", None)}, "the fewest that it takes='1'"),
        ({"gives": 0}, "gives=0"),
        ({"gives": "1"}, "gives='1'"),
        ({"gives": 1.5}, "gives=1.5"),
        ({"wants": None}, "wants=None"),
        ({"traits": -1}, "traits=-1"),
        ({"requirements": {"best": 3}}, r"requirements=.* must be Requirements, such as Requirements\(best=8\)"),
        ({"requirements": pl.Requirements}, "requirements="),
    ],
)
def test_what_a_step_says_of_itself_is_checked_when_it_is_put_to_use(declared, words):
    own = type("_Own", (_Selects,), declared)()
    uses = [
        lambda: pl.Chain(own, pl.PointMutation()),
        lambda: pl.Warmup(own, own, 5),
        lambda: pl.Sometimes(0.5, own, own),
        lambda: pl.Choose(own),
        lambda: pl.Optimizer(SPACE, propagator=own),
        lambda: Islands(2, propagators=[own, own]),
    ]
    for use in uses:
        with pytest.raises(ValueError, match=f"_Own: {words}"):
            use()


class Emigrant(pl.Selection):
    """A selection of emigrants that gives what a function says."""

    def __init__(self, given=None):
        super().__init__(1)
        self.given = given or (lambda individuals, _: individuals[-1:])

    def __call__(self, individuals, breeding):
        return self.given(individuals, breeding)


def migrating(**selections):
    specification = SearchSpecification(
        objective=lambda x, y: x + y,
        space=pl.Space(SPACE),
        budget=Budget(60),
        islands=pl.Islands(2, migration_probability=0.5, **selections),
        propagator=pl.Chain(pl.SelectBest(4), pl.SelectRandom(1), pl.PointMutation()),
        seed=0,
    )
    evaluate = lambda one: one.evaluated(Outcome.of(sum(one.genome)))  # noqa: E731
    return Simulation(specification, 4, evaluate, lambda _, generator: generator.random()).run()


def test_a_selection_of_ones_own_chooses_emigrants_and_whom_they_replace():
    assert migrating(emigrants=Emigrant(), replaced=Emigrant()).evaluations.finished == 60


@pytest.mark.parametrize("role", ["emigrants", "replaced"])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda _, __: [], "gave 0 individuals"),
        (lambda individuals, _: individuals[0], "gave Individual"),
        (lambda _, breeding: [breeding.child((0.5, 0.5))], "gave an individual that it was not given"),
        (lambda _, __: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_a_selection_for_migration_that_gives_something_else_ends_the_search_with_its_name(role, given, words):
    with pytest.raises(pl.PartError, match=f"^Emigrant.*{words}"):
        migrating(**{role: Emigrant(given)})
