"""Optuna's distributions and this package's parameters are told in each other's words."""

import pytest

import propulate_like as pl

optuna = pytest.importorskip("optuna")
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402

DISTRIBUTIONS = {
    "optimizer/rate": FloatDistribution(1e-7, 1.0, log=True),
    "grid": FloatDistribution(-10.2, 10.2, step=0.1),
    "whole": IntDistribution(1, 100, log=True),
    "stepped": IntDistribution(-10, 10, step=2),
    "kind": CategoricalDistribution((1, "a", None, True)),
    "fixed": FloatDistribution(1.0, 1.0, log=True),
    "fixed whole": IntDistribution(1, 1),
}


def test_a_space_of_distributions_gives_the_same_distributions_back():
    space = pl.Space.from_optuna(DISTRIBUTIONS, asked_for=True)
    assert {name: parameter.distribution() for name, parameter in space.items()} == DISTRIBUTIONS


@pytest.mark.parametrize("gene", [0.0, 0.3, 0.77, 1.0])
def test_every_value_is_one_of_its_distribution(gene):
    params = pl.Space.from_optuna(DISTRIBUTIONS, asked_for=True).decode([gene] * len(DISTRIBUTIONS))
    for name, value in params.items():
        distribution = DISTRIBUTIONS[name]
        assert distribution._contains(distribution.to_internal_repr(value))


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_what_cannot_be_written_to_disk_is_refused_with_its_name():
    with pytest.raises(ValueError, match=r"^kind: \{1, 2\} must be a string, number"):
        pl.Space.from_optuna({"kind": CategoricalDistribution(({1, 2}, "a"))})


def test_a_loss_gets_the_parameters_of_such_a_space_as_of_any_other(tmp_path):
    def loss(rate, layers):
        return rate + layers

    space = pl.Space.from_optuna({"rate": FloatDistribution(0.0, 1.0), "layers": IntDistribution(1, 3)})
    for evaluations in (10, 20):
        result = pl.minimize(loss, space, evaluations=evaluations, seed=0, run=tmp_path / "run", progress=False)
        assert result.statuses == {pl.Status.OK: evaluations}
        assert {tuple(each.params) for each in result.individuals} == {("rate", "layers")}
