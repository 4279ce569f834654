"""Nothing that a loss, a child, a command or its file says ends a rank."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import strange

import propulate_like as pl

pytestmark = pytest.mark.process
WAYS = pytest.mark.parametrize("isolate", [False, True], ids=["in the rank", "isolated"])
OF_ITSELF = '{"a":' * 2000 + "1" + "}" * 2000
PRINTED = {
    "open braces": ("invalid", "print('{' * 2000)"),
    "open brackets": ("invalid", "print('[' * 1_000_000)"),
    "braces in braces": ("invalid", f"print('{OF_ITSELF}')"),
    "a loss in braces": ("invalid", f"print('{{\"loss\": {OF_ITSELF}}}')"),
    "a step in braces, and a loss": ("ok", f"print('{{\"step\": {OF_ITSELF}}}'); print(1)"),
    "open braces, and a loss": ("ok", "print('{' * 2000); print(1)"),
    "too large": ("infinite", "print('1e400')"),
    "a loss that is too large": ("infinite", "print('{\"loss\": -1e400}')"),
    "a million digits": ("invalid", "print('1' * 1_000_000)"),
    "thousands of digits": ("invalid", "print('1' * 4000)"),
    "no text": ("invalid", "import os; os.write(1, b'\\xff\\xfe\\n')"),
    "no text, and a loss": ("ok", "import os; os.write(1, b'{\\xff\\n1\\n')"),
    "half a character": ("invalid", "print('\"\\\\ud800\"')"),
    "half a character as a metric": ("ok", 'print(\'{"loss": 1, "\\\\ud800": "\\\\ud800"}\')'),
    "half a character as a key": ("invalid", "print('{\"\\\\ud800\": 1}')"),
    "zeros": ("invalid", "print('\\0' * 1000)"),
    "an endless line": ("invalid", "print('x' * 5_000_000)"),
    "an endless line, and a loss": ("ok", "print('x' * 5_000_000); print(1)"),
    "many metrics": ("ok", "import json; print(json.dumps({'loss': 1, **{str(n): n for n in range(3000)}}))"),
    "a huge step": ("ok", "print('{\"step\": 1' + '0' * 400 + ', \"loss\": 1}'); print(1)"),
    "no step": ("ok", 'print(\'{"step": null, "loss": 1}\'); print(\'{"step": [], "loss": 1}\'); print(1)'),
    "many lines": ("ok", "print('{\\n' * 100_000); print(1)"),
    "lines without end": ("timeout", "\nwhile True: print('y' * 1000)"),
    "reports without end": ("timeout", '\nn = 0\nwhile True: n += 1; print(\'{"step": %d, "loss": 1}\' % n)'),
}
FILE = "import os, pathlib; path = pathlib.Path(os.environ['PROPULATE_LIKE_DIRECTORY'], 'out'); "
FILES = {
    "a pipe": ("invalid", "os.mkfifo(path)"),
    "a folder": ("invalid", "path.mkdir()"),
    "a link to a device": ("invalid", "path.symlink_to('/dev/zero')"),
    "a link to itself": ("invalid", "path.symlink_to(path)"),
    "a link to a file": ("ok", "path.with_name('in').write_text('1'); path.symlink_to('in')"),
    "a huge file": ("invalid", "path.touch(); os.truncate(path, 2**40)"),
    "braces": ("invalid", f"path.write_text('{OF_ITSELF}')"),
    "brackets": ("invalid", "path.write_text('[' * 10_000_000)"),
    "no text": ("invalid", "path.write_bytes(b'\\xff')"),
    "nothing": ("invalid", "path.write_text('')"),
    "no file": ("invalid", "pass"),
}


def statuses(result: pl.Result) -> dict[str, str]:
    """Return the status of each kind, of which each was evaluated once."""
    found = {individual.params["kind"]: str(individual.status) for individual in result.individuals}
    assert len(found) == result.evaluations
    return found


def search(objective: Any, kinds: Any, folder: Path, **settings: Any) -> dict[str, str]:
    """Evaluate each kind once, and return the statuses as the journal has them."""
    space = {"kind": pl.Choice(*kinds)}
    result = pl.minimize(objective, space, evaluations=len(kinds), evaluation=settings, seed=0, run=folder / "run")
    again = pl.minimize(objective, space, evaluations=len(kinds), evaluation=settings, seed=0, run=folder / "run")
    assert statuses(again) == statuses(result)
    return statuses(result)


def words(path: Path, code: dict[str, tuple[str, str]], before: str = "") -> list[str]:
    """Return a command that runs the code of a kind."""
    path.write_text(f"import sys\nCODE = {code!r}\nexec({before!r} + CODE[sys.argv[1]][1])\n", encoding="utf-8")
    return [sys.executable, str(path), "{kind}"]


def test_whatever_a_command_prints_is_an_outcome(tmp_path: Path) -> None:
    command = pl.Command(words(tmp_path / "program.py", PRINTED))
    found = search(command, PRINTED, tmp_path, timeout=3.0)
    assert found == {kind: status for kind, (status, _) in PRINTED.items()}


def test_whatever_lies_in_a_commands_file_is_an_outcome(tmp_path: Path) -> None:
    command = pl.Command(words(tmp_path / "program.py", FILES, FILE), result="out")
    assert search(command, FILES, tmp_path) == {kind: status for kind, (status, _) in FILES.items()}


@WAYS
def test_whatever_a_loss_returns_is_an_outcome(isolate: bool, tmp_path: Path) -> None:
    found = search(strange.returns, strange.RETURNED, tmp_path, isolate=isolate)
    assert found == {kind: status for kind, (status, _) in strange.RETURNED.items()}


@WAYS
def test_whatever_a_loss_raises_is_an_outcome(isolate: bool, tmp_path: Path) -> None:
    with pytest.raises(pl.SearchFailed) as failed:
        search(strange.raises, strange.RAISED, tmp_path, isolate=isolate)
    assert statuses(failed.value.result) == dict.fromkeys(strange.RAISED, "error")
    assert all(individual.cause for individual in failed.value.result.individuals)


@WAYS
@pytest.mark.parametrize(("loss", "kinds"), [("trial_returns", strange.RETURNED), ("trial_raises", strange.RAISED)])
def test_whatever_a_loss_with_a_trial_does_is_an_outcome(loss: str, kinds: Any, isolate: bool) -> None:
    try:
        settings = {"isolate": isolate}
        result = pl.minimize(getattr(strange, loss), evaluations=len(kinds), evaluation=settings, seed=0)
    except pl.SearchFailed as failed:
        result = failed.result
    assert result.evaluations == len(kinds)
    for individual in result.individuals:
        known = strange.RETURNED.get(individual.params["kind"], ("error", None))
        assert str(individual.status) == known[0]


def test_whatever_is_written_to_the_connection_is_an_outcome(tmp_path: Path) -> None:
    found = search(strange.writes, strange.WRITTEN, tmp_path, isolate=True, timeout=2.0)
    assert found == {kind: status for kind, (status, _) in strange.WRITTEN.items()}


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 3])
def test_an_individual_over_which_ranks_end_by_an_error_is_given_up(
    ranks: int, script: Any, python: Any, reports: Any
) -> None:
    path = script("""
        import time, propulate_like as pl
        from propulate_like.evaluation.inline import InlineEvaluator
        def loss(kind):
            time.sleep(0.02)
            return 1.0
        evaluate = InlineEvaluator.__call__
        def fails(self, individual, *others):
            if individual.params["kind"] == "deadly":
                raise RuntimeError("an error of the search")
            return evaluate(self, individual, *others)
        InlineEvaluator.__call__ = fails
        kinds = ["deadly", *map(str, range(20))]
        result = pl.minimize(loss, {"kind": pl.Choice(*kinds)}, evaluations=21, seed=0, run="run")
        report(result.evaluations, *(i.cause for i in result.individuals if i.params["kind"] == "deadly"))
    """)

    def run() -> Any:
        while "last sign" in (ended := python(path, ranks=ranks, check=False)).stderr:
            pass  # a rank of the search before has yet to end
        return ended

    failed = 0
    while (ended := run()).returncode:
        failed += 1
        assert failed <= 2, ended.stderr
    assert failed == 2 or ranks > 1, "before several ranks are aborted, survivors may try it, and even go on"
    assert reports()
    for evaluations, *words in reports():
        assert evaluations == "21"
        assert " ".join(words[1:]) == "ranks died while they evaluated it" or (not words and ranks > 1)


def test_no_descriptor_is_left_open() -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    command = pl.Command([sys.executable, "-c", "print(1)"])
    pl.minimize(command, {"x": (0.0, 1.0)}, evaluations=2, seed=0)
    before = count()
    pl.minimize(command, {"x": (0.0, 1.0)}, evaluations=5, seed=0)
    assert count() == before
