"""Every propagator breeds from ties, failures, extreme losses and spaces of a single point."""

import itertools
import math
import sys
from random import Random

import pytest
from conftest import make_individual

import propulate_like as pl
from propulate_like.propagators import PROPAGATORS

TINY, HUGE = 5e-324, sys.float_info.max
EVALUATIONS = 14
PARENTS = 5

SPACES = {
    "one parameter": {"x": pl.Float(0, 1)},
    "a single point": {"x": pl.Float(1, 1), "kind": pl.Choice("a"), "n": pl.Int(3, 3), "width": pl.Ordinal(16)},
    "fewer points than evaluations": {"n": pl.Int(1, 3), "flag": pl.Choice(True, False)},
    "every kind": {
        "x": pl.Float(-8e307, 8e307),
        "scale": pl.Float(1e-300, 1e5, log=True),
        "one": pl.Choice("a"),
        "n": pl.Int(0, 9),
        "kind": pl.Choice("a", "b", "c"),
        "momentum": pl.Float(0, 1, when={"kind": "b"}),
    },
}

LOSSES = {
    "all equal": lambda n, losses: (1e6,) * losses,
    "all failed": lambda n, losses: (math.nan,) * losses,
    "one that did not fail": lambda n, losses: (math.nan if n else 1.0,) * losses,
    "all equal but for failures": lambda n, losses: (math.nan if n % 3 else 1.0,) * losses,
    "the last one constant": lambda n, losses: (*map(float, range(n, n + losses - 1)), 3.0),
    "the first one constant": lambda n, losses: (3.0, *map(float, range(n, n + losses - 1))),
    "the largest and smallest": lambda n, losses: tuple((HUGE, -HUGE)[n >> loss & 1] for loss in range(losses)),
    "denormal": lambda n, losses: tuple(TINY * ((n + loss) % 3) for loss in range(losses)),
    "of all sizes": lambda n, losses: tuple((1e308, 1.0, 1e-300, -0.0)[(n + loss) % 4] for loss in range(losses)),
    "last digits": lambda n, losses: (1.0 + n % 5 * sys.float_info.epsilon,) * losses,
}


def among(*steps):
    """Return what makes a chain of these steps after the parents' selection, for a number of losses."""
    return lambda losses: pl.Chain((pl.SelectPareto if losses > 1 else pl.SelectBest)(PARENTS), *steps)


def pairs_of(selection):
    return lambda _: pl.Chain(selection, pl.SelectRandom(2), pl.UniformCrossover(), pl.PointMutation())


WITH_ARGUMENTS = {
    "chain": among(pl.SelectRandom(1), pl.PointMutation()),
    "choose": lambda losses: pl.Choose(among(pl.SelectRandom(1))(losses), pl.UniformInitialization()),
    "gaussian_mutation": among(pl.SelectRandom(1), pl.GaussianMutation()),
    "latin_hypercube_initialization": lambda _: pl.LatinHypercubeInitialization(8),
    "mean_crossover": among(pl.MeanCrossover()),
    "multi_parent_crossover": among(pl.MultiParentCrossover()),
    "point_mutation": among(pl.SelectRandom(1), pl.PointMutation(2)),
    "random_point_mutation": among(pl.SelectRandom(1), pl.RandomPointMutation(0, 3)),
    "random_restart": among(pl.SelectRandom(1), pl.RandomRestart(0.5)),
    "self_adaptive_mutation": among(pl.SelectRandom(1), pl.SelfAdaptiveMutation()),
    "sigmoid_crossover": among(pl.SelectRandom(2), pl.SigmoidCrossover()),
    "sometimes": among(pl.SelectRandom(1), pl.Sometimes(0.5, pl.PointMutation())),
    "uniform_crossover": among(pl.SelectRandom(2), pl.UniformCrossover()),
    "warmup": lambda losses: pl.Warmup(pl.UniformInitialization(), among(pl.SelectRandom(1))(losses), PARENTS),
    **{
        selection.name: pairs_of(selection(PARENTS))
        for selection in (
            pl.SelectBest,
            pl.SelectPareto,
            pl.SelectRandom,
            pl.SelectRanked,
            pl.SelectTournament,
            pl.SelectWorst,
        )
    },
}
OURS = [name for name in PROPAGATORS if PROPAGATORS[name].__module__.startswith("propulate_like.propagators")]


def optimizer(name, losses, space=SPACES["one parameter"]):
    """Return what breeds by the propagator of a name, or None where that goes by one loss and there are several."""
    make = WITH_ARGUMENTS.get(name)
    propagator = "auto" if name == "auto" else make(losses) if make else PROPAGATORS[name]()
    if losses > 1 and name != "auto" and PROPAGATORS[name].by_loss:
        return None
    return pl.Optimizer(space, propagator=propagator, evaluations=200, losses=losses, seed=0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "seconds"), [*((name, 60.0) for name in OURS), ("auto", 1e-4), ("auto", 0.01)])
def test_whatever_the_losses_and_the_space_a_propagator_gives_points_of_the_unit_cube(name, seconds):
    for losses, (space, parameters), (kind, loss) in itertools.product((1, 2, 3), SPACES.items(), LOSSES.items()):
        one = optimizer(name, losses, parameters)
        for number in range(EVALUATIONS if one else 0):
            individual = one.ask()
            genome = individual.genome
            assert len(genome) == len(parameters), (space, kind)
            assert all(type(gene) is float and 0.0 <= gene <= 1.0 for gene in genome), (space, kind, genome)
            told = loss(number, losses)
            one.tell(individual, told if losses > 1 else told[-1], seconds)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", OURS)
def test_a_propagator_breeds_from_one_point_with_many_losses_and_from_many_copies_of_one_individual(name):
    for same_id, losses in itertools.product((False, True), (1, 2)):
        one = optimizer(name, losses)
        for number in range(EVALUATIONS if one else 0):
            values = (1.0 if same_id else float(number % 4),) * losses
            ident = pl.Id(0, 1, 0 if same_id else number)
            known = {"status": pl.Status.OK, "loss": values[0], "losses": values if losses > 1 else ()}
            one.absorb(make_individual(ident, (0.25,), one.space, seconds=60.0, **known))
            assert 0.0 <= one.ask().genome[0] <= 1.0


@pytest.mark.parametrize("losses", [1, 2, 3])
@pytest.mark.parametrize("selection", [name for name in OURS if name.startswith("select_")])
def test_a_selection_gives_its_count_where_all_losses_are_equal(selection, losses):
    values = (1e6,) * losses
    known = [
        make_individual(pl.Id(0, 0, n), (n / 9,), pl.Space(SPACES["one parameter"]), status=pl.Status.OK, loss=1e6)
        for n in range(9)
    ]
    known = [one.with_outcome(losses=values if losses > 1 else ()) for one in known]
    breeding = pl.BreedingContext(known[0].space, Random(3), pl.Id(0, 0, 99))
    chosen = PROPAGATORS[selection](PARENTS)(known, breeding)
    assert len(chosen) == PARENTS
    if selection != "select_tournament":
        assert len({one.id for one in chosen}) == PARENTS
