"""Aliases and merge keys of YAML: what they repeat is written out, up to a limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from value_strategies import EXAMPLES

from propulate_like.foundation import strict_yaml

keys = st.sampled_from("abc")
mappings = st.recursive(
    st.dictionaries(keys, st.integers(0, 9), max_size=3), lambda inner: st.dictionaries(keys, inner, max_size=3)
)


def load(text):
    return strict_yaml.load(text.encode())


def test_alias_repeats_a_value_as_if_it_was_written_out():
    read = load("a: &a {x: [1, 2]}\nb: *a\nc: [*a, &s text, *s]\n")
    assert read == {"a": {"x": [1, 2]}, "b": {"x": [1, 2]}, "c": [{"x": [1, 2]}, "text", "text"]}
    read["a"]["x"].append(3)
    assert read["b"] == {"x": [1, 2]}


@EXAMPLES
@given(mappings, mappings, mappings)
def test_merge_key_brings_what_the_mapping_itself_has_not(one, other, own):
    text = strict_yaml.dump({"one": one, "other": other})
    one_text, other_text, own_text = (
        "".join(f"{key}: {strict_yaml_flow(form[key])}, " for key in form) for form in (one, other, own)
    )
    read = load(
        f"one: &one {{{one_text}}}\nother: &other {{{other_text}}}\nwhole: {{<<: [*one, *other], {own_text}}}\n"
    )
    assert read["whole"] == {**other, **one, **own}
    assert {name: read[name] for name in ("one", "other")} == load(text)
    assert load(f"one: &one {{{one_text}}}\nwhole: {{{own_text}<<: *one}}\n")["whole"] == {**one, **own}
    assert [*read["whole"]] == [*dict.fromkeys([*one, *other, *own])]


def strict_yaml_flow(form):
    if isinstance(form, dict):
        return "{" + ", ".join(f"{key}: {strict_yaml_flow(value)}" for key, value in form.items()) + "}"
    return str(form)


def test_merged_mapping_may_merge_another():
    read = load("a: &a {x: 1, y: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, z: 3}\n")
    assert read["c"] == {"x": 1, "y": 2, "z": 3}
    assert read["b"] == {"x": 1, "y": 2}


def test_merge_sign_is_a_text_where_it_is_no_key_or_in_quotes():
    assert load("a: [<<, '<<']\nb: <<\n'<<': 1\n") == {"a": ["<<", "<<"], "b": "<<", "<<": 1}
    assert load(strict_yaml.dump({"<<": {"*a": "&a"}})) == {"<<": {"*a": "&a"}}


def bomb(first, times, levels):
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * times)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bomb("[lol]", 9, 9), "line 7, column 20: what aliases repeat has more than 1048576 characters at "),
        (bomb("x" * 600_000, 1, 9), "line 3, column 10: what aliases repeat has more than 1048576 characters at \\*a1"),
        ("a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [[[[[[[[[*a{n - 1}]]]]]]]]]" for n in range(1, 9)), "50 deep"),
        ("a: &a [*a]", "line 1, column 8: the alias \\*a is within what it repeats"),
        ("a: &a {b: {<<: *a}}", "the alias \\*a is within what it repeats"),
        ("a: *b", "line 1, column 4: found undefined alias 'b'"),
        ("a: &a 1\nb: &a 2", "line 2, column 4: the anchor &a is given twice"),
        ("<<: 5", "line 1, column 5: << must be a mapping, or a list of mappings"),
        ("a: {<<: [{}, 1]}", "line 1, column 14: << must be a mapping"),
        ("a: {<<: {x: 1}, <<: {y: 1}}", "line 1, column 17: the key '<<' is given twice"),
        ("a: {<<: {x: 1}, y: 1, y: 2}", "the key 'y' is given twice"),
    ],
)
def test_what_would_grow_without_limit_or_means_nothing_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        load(text)
