"""Rows of genes, their levels and their cells are the same to models as to the space."""

import random

import numpy as np
import pytest

from propulate_like import Choice, Float, Int, Ordinal, Space
from propulate_like.problem.partition import PointPartition
from propulate_like.propagators.models.encoding import Encoding

SPACES = {
    "grid": Space({"kind": Choice("a", "b", "c"), "size": Int(1, 500, log=True), "width": Ordinal(16, 32, 64)}),
    "conditional": Space(
        {
            "depth": Int(1, 9, when={"kind": ["a", "c"]}),
            "kind": Choice("a", "b", "c"),
            "step": Float(0.0, 1.0, step=0.1, when={"depth": [2, 3]}),
            "rate": Float(1e-5, 1.0, log=True, when={"kind": "b"}),
            "many": Int(1, 10**6, when={"kind": "b"}),
        }
    ),
    "conditions on one of many": Space(
        {"n": Int(0, 10_000), "m": Float(0, 1, when={"n": list(range(5000))}), "c": Choice(*range(5000))}
    ),
    "point": Space({"only": Choice("x"), "one": Int(2, 2)}),
}


def sample(space, count):
    generator = random.Random(0)
    return [space.sample(generator) for _ in range(count)]


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_canonical_form_is_that_of_the_space_for_what_can_be_told_apart(space):
    genomes = sample(space, 300)
    rows, _ = Encoding(space).canonical(np.array(genomes))
    expected = np.array([space.canonical(genome) for genome in genomes])
    fine = [index for index, parameter in enumerate(space.parameters) if parameter.levels and not parameter.countable]
    rows[:, fine] = expected[:, fine]
    assert np.array_equal(rows, expected)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_codes_are_those_of_the_cells(space):
    encoding, partition, genomes = Encoding(space), PointPartition(space, 0), sample(space, 300)
    _, levels = encoding.canonical(np.array(genomes))
    codes = encoding.codes(levels).tolist()
    known = encoding.countable(levels).tolist()
    assert [code if has else None for code, has in zip(codes, known, strict=True)] == list(map(partition.code, genomes))


def test_two_options_are_one_apart_and_the_ends_of_a_number_too():
    space = Space({"kind": Choice("a", "b", "c"), "width": Ordinal(1, 2, 3, 4, 5)})
    encoding = Encoding(space)
    genomes = [space.encode({"kind": kind, "width": width}) for kind, width in [("a", 1), ("b", 1), ("a", 5), ("a", 2)]]
    rows = encoding.coordinates(*encoding.canonical(np.array(genomes)))
    assert np.linalg.norm(rows[1:] - rows[0], axis=1) == pytest.approx([1.0, 1.0, 0.25])


@pytest.mark.parametrize("log", [False, True])
def test_steps_lead_to_other_levels_the_nearest_at_least(log):
    encoding = Encoding(Space({"n": Int(1, 500, log=log)}))
    genes = encoding.genes[0][[0, 1, 2, 9, 498, 499]]
    up, down = (
        encoding.canonical(encoding.stepped(0, genes, np.full(6, step))[:, None])[1][:, 0].tolist()
        for step in (1.0, -1.0)
    )
    assert up[:4] == [1, 2, 3, 10]
    assert down[:4] == [0, 0, 1, 8]
    assert up[5] == 499
    assert down[4] == (497 if not log else pytest.approx(492, abs=5))
