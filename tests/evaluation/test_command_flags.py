"""Flags of commands: a word that is there where a parameter is true, and left out where it is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import propulate_like as pl

pytestmark = pytest.mark.process
SPACE = {
    "nesterov": pl.Choice(True, False),
    "kind": pl.Choice("adam", "sgd"),
    "amsgrad": pl.Choice(True, False, None, when={"kind": "adam"}),
    "x": pl.Float(0, 1),
    "momentum": pl.Float(0, 1, when={"kind": "sgd"}),
}


def told(folder: Path, command: Any, *, shell: bool = False) -> list[tuple[dict[str, Any], list[str]]]:
    """Search with a command that writes its words to `words`, and return them beside the params."""
    random = pl.UniformInitialization()  # whatever time an evaluation takes
    result = pl.minimize(
        pl.Command(command, shell=shell), SPACE, evaluations=30, seed=0, run=folder / "run", propagator=random
    )
    assert result.statuses == {pl.Status.OK: 30}
    trials = folder / "run/trials"
    return [
        (one.params, (trials / str(one.id) / "words").read_text(encoding="utf-8").splitlines())
        for one in result.individuals
    ]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "program.sh"
    text = 'for word in "$@"; do echo "$word"; done > "$PROPULATE_LIKE_DIRECTORY/words"; echo 1'
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def expected(params: dict[str, Any]) -> list[str]:
    words = ["--verbose"] + ["--nesterov"] * params["nesterov"]
    words += ["--amsgrad yes"] * bool(params.get("amsgrad"))
    return [*words, "{unknown:word}", "--x", str(params["x"])]


def test_a_word_is_there_where_its_parameter_is_true_and_active(script: Path, tmp_path: Path) -> None:
    words = [str(script), "--verbose", "{nesterov:--nesterov}", "{amsgrad:--amsgrad yes}", "{unknown:word}"]
    kinds = set()
    for params, found in told(tmp_path, [*words, "--x", "{x}", "--momentum", "{momentum}"]):
        momentum = ["--momentum", str(params["momentum"])] if "momentum" in params else []
        assert found == expected(params) + momentum
        kinds.add((params["nesterov"], params.get("amsgrad")))
    assert len(kinds) == 6  # each combination, of inactive ones and None one


def test_a_shell_gets_it_in_quotes_or_nothing(script: Path, tmp_path: Path) -> None:
    text = f"{script} --verbose {{nesterov:--nesterov}} {{amsgrad:--amsgrad yes}} '{{unknown:word}}' --x {{x}}"
    for params, found in told(tmp_path, f"{text} ${{HOME:+ }} # {{unknown:'word}}", shell=True):
        assert found == expected(params)


def test_an_inactive_parameter_is_nothing_to_a_shell(script: Path, tmp_path: Path) -> None:
    for params, found in told(tmp_path, f"{script} {{momentum}}", shell=True):
        assert found == [str(params.get("momentum", ""))]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["a", "{x:--x}"], "'{x:--x}': x must be true or false, as in choice: [true, false]"),
        (["a", "{x:.3f}"], "'{x:.3f}': a placeholder has no format: write {x}"),
        (["a", "{nesterov!r}"], "'{nesterov!r}': a placeholder has no format: write {nesterov}"),
        (["a", "{seed:--seed}"], "'{seed:--seed}': seed must be true or false, as in choice: [true, false]"),
        (["a", "{nestrov:--nesterov}"], "there is no parameter 'nestrov'; did you mean 'nesterov'?"),
        (["a", "--opts={nesterov:on}"], "{nesterov:on} must be a word of its own, which may be left out"),
        ("a '{nesterov:--nesterov}'", "{nesterov:--nesterov} is inside quotes, where the shell may run parts"),
        ("a ${nesterov}", "{nesterov} is inside ${...}, where the shell may run parts"),
    ],
)
def test_what_is_no_flag_is_refused(command: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        pl.minimize(pl.Command(command, shell=isinstance(command, str)), SPACE, evaluations=1)
