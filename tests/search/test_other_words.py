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


def test_directions_belong_to_minimize():
    with pytest.raises(TypeError, match=r"maximize\(\) has no directions=: call pl\.minimize, whose directions"):
        pl.maximize(loss, SPACE, evaluations=3, directions=["minimize", "maximize"])


def test_place_of_an_error_has_one_form_in_python():
    for given in ({"timeout": 5}, {"timeout": "soon"}, {"memory": "8 GiB"}, {"metric": "energy"}):
        with pytest.raises(ValueError, match=rf"^evaluation\.{next(iter(given))}: "):
            pl.minimize(loss, SPACE, evaluations=3, evaluation=given)


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
