"""Words of other libraries, and what is not the language of a search: each is answered by one line that says ours."""

import inspect

import pytest

import propulate_like as pl

SPACE = {"x": (0.0, 1.0)}


def loss(x):
    return x


@pytest.mark.parametrize("search", [pl.minimize, pl.maximize])
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"direction": "maximize"}, "has no direction=: call pl.maximize"),
        ({"n_trials": 5}, "has no n_trials=: write evaluations="),
        ({"sampler": object()}, "propagator=pl.OptunaPropagator"),
        ({"timeout": 5}, "write seconds="),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_keyword_of_another_library_is_answered_by_ours(search, given, words):
    with pytest.raises(TypeError, match=words) as refused:
        search(loss, SPACE, evaluations=3, **given)
    assert "\n" not in str(refused.value)


def test_help_shows_the_keywords_of_a_search_itself():
    assert list(inspect.signature(pl.minimize).parameters)[:3] == ["loss", "space", "directions"]
    assert "directions" not in inspect.signature(pl.maximize).parameters


def test_one_direction_is_answered_by_maximize():
    with pytest.raises(ValueError, match=r"directions='maximize' must be a list .*; of one loss, call pl\.maximize$"):
        pl.minimize(loss, SPACE, evaluations=3, directions="maximize")


@pytest.mark.parametrize("kind", [pl.Choice, pl.Ordinal])
@pytest.mark.parametrize("options", [["a", "b"], ("a", "b"), {"a"}, range(3)], ids=repr)
def test_options_in_one_list_are_answered_by_how_to_write_them(kind, options):
    name = kind.__name__
    with pytest.raises(ValueError, match="must be a string, number, true") as refused:
        kind(options)
    assert f'write {name}("a", "b") or {name}(*options)' in str(refused.value)
    assert f"{{{name.lower()}: [a, b]}}" in str(refused.value)
