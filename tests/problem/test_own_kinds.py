"""Kinds of parameters that a user wrote: what they must do, and that what fails ends the search with its name."""

import math

import pytest

import propulate_like as pl


class _Power(pl.Parameter):
    """Powers of two, as a kind of a user's."""

    kind = "power"

    def __init__(self, most, *, when=None):
        super().__init__(when)
        self.most = most
        self.levels = most + 1
        self.decode = lambda gene: 2 ** self.level(gene)

    def encode(self, value):
        return self.gene(value.bit_length() - 1)

    def contains(self, value):
        return isinstance(value, int) and value in {2**level for level in range(self.levels)}

    def declaration(self):
        return {self.kind: [self.most], **self._conditions()}


def broken_above(limit):
    def decode(gene):
        if 0.5 < gene < 1.0 and gene > limit:
            raise ZeroDivisionError(f"no value at {gene:.1f}")
        return 1

    return decode


def power(**changes):
    made = _Power(4)
    for name, change in changes.items():
        setattr(made, name, change)
    return made


def test_a_kind_of_ones_own_is_searched():
    result = pl.minimize(lambda n: abs(n - 4), {"n": _Power(4)}, evaluations=5, seed=0, progress=False)
    assert sorted(one.params["n"] for one in result.individuals) == [1, 2, 4, 8, 16]


def refuse(*_):
    raise ZeroDivisionError("never")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decode": refuse}, r"raised ZeroDivisionError: never \(.*test_own_kinds.py, line \d+\)"),
        ({"encode": refuse}, "raised ZeroDivisionError"),
        ({"encode": lambda _: 2.0}, r"its gene 2.0 is not in \[0, 1\]"),
        ({"encode": lambda _: math.nan}, "its gene nan"),
        ({"encode": lambda _: None}, "raised TypeError"),
        ({"gene": lambda _: -1}, "its gene -1"),
        ({"levels": 2.5}, "levels=2.5 must be a whole number"),
        ({"contains": lambda _: False}, "it decodes to 1, which it does not contain"),
        ({"declaration": lambda: {"power": [object]}}, "raised TypeError"),
    ],
)
def test_a_kind_that_does_not_do_what_it_must_is_refused_with_the_parameters_name(changes, words):
    with pytest.raises(ValueError, match=f"^n: .*{words}"):
        pl.Space({"n": power(**changes)})


@pytest.mark.parametrize(
    "evaluation",
    [None, pytest.param({"isolate": True}, marks=pytest.mark.process)],
)
def test_a_kind_that_cannot_decode_a_gene_ends_the_search_and_not_one_evaluation(evaluation):
    space = {"n": power(decode=broken_above(0.6))}
    with pytest.raises(pl.PartError, match=r"^_Power\(4\) raised ZeroDivisionError: no value at \d\.\d \(.*own_kinds"):
        pl.minimize(loss, space, evaluations=50, seed=0, progress=False, evaluation=evaluation)


def loss(n):
    return float(n)
