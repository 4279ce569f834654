"""Types in words: what is valid is said as people say it who write YAML."""

import pytest

from propulate_like.foundation.type_words import in_words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Expected `int | null`, got `str`", "expected a whole number"),
        ("Expected `int` >= 0", "expected a whole number of at least 0"),
        ("Expected `float | null` > 0.0", "expected a number above 0"),
        ("Expected `float` >= 0.25", "expected a number of at least 0.25"),
        ("Expected `int | float | bool`", "expected a number or true or false"),
        ("Expected `int | array | object | null`, got `str`", "expected a whole number or a list or a mapping"),
        ("Expected `str | null` of length >= 1", "expected a text, not an empty one"),
        ("Invalid enum value 'x'", "invalid enum value 'x'"),
    ],
)
def test_types_and_bounds_are_said_in_words(said, words):
    assert in_words(said) == words
