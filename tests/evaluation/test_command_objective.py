"""Command objectives: programs in any language, by their arguments and what they print."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

import propulate_like as pl

pytestmark = pytest.mark.process
SPACE = {"x": (0.0, 1.0)}


def program(folder: Path, text: str, name: str = "program.sh") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def search(command: Any, evaluations: int = 5, space: Any = None, **settings: Any) -> pl.Result:
    command = command if isinstance(command, pl.Command) else pl.Command(command)
    return pl.minimize(command, space or SPACE, evaluations=evaluations, seed=0, **settings)


@pytest.mark.skipif(shutil.which("awk") is None, reason="awk is not installed")
def test_another_language_takes_its_parameters_and_prints_its_loss() -> None:
    command = ["awk", "-v", "x={x}", 'BEGIN {print "thinking"; printf "%.17g\\n", x * x}']
    result = search(command, 20)
    for individual in result.individuals:
        assert individual.loss == pytest.approx(individual.params["x"] ** 2, rel=1e-15)


def test_placeholders_are_filled_and_inactive_ones_left_out_with_their_option(tmp_path: Path) -> None:
    path = program(tmp_path, 'for word in "$@"; do echo "$word"; done > "$PROPULATE_LIKE_DIRECTORY/words"; echo 1')
    space = {
        "kind": ["a b", "c"],
        "n": pl.Int(1, 9, when={"kind": "c"}),
        "flag": pl.Choice(True, False),
    }
    words = [path, "--kind={kind}", "--n", "{n}", "--flag", "{flag}", "--all", "{params}", "--to", "{directory}"]
    more = ["--from", "{parent_directory}", "{id}-{seed}"]
    chain = pl.Chain(pl.SelectBest(4), pl.SelectRandom(2), pl.UniformCrossover(), pl.PointMutation(1))
    result = search([*words, *more], 60, space, run=tmp_path / "run", propagator=chain)  # which always has parents
    trials = tmp_path / "run/trials"
    for individual in result.individuals:
        params = individual.params
        expected = [f"--kind={params['kind']}"]
        expected += ["--n", str(params["n"])] if "n" in params else []
        expected += ["--flag", json.dumps(params["flag"]), "--all", json.dumps(params)]
        expected += ["--to", str(trials / str(individual.id))]
        expected += ["--from", str(trials / str(individual.parents[0]))] if individual.parents else []
        expected.append(f"{individual.id}-0")
        assert (trials / str(individual.id) / "words").read_text().splitlines() == expected
    assert any(individual.parents for individual in result.individuals)


def test_a_shell_is_used_only_where_asked_for_and_values_are_quoted(tmp_path: Path) -> None:
    space = {"word": ["$(touch stolen)", "a;b", "plain"]}
    text = "printf '%s' {word} > $PROPULATE_LIKE_DIRECTORY/word && echo 1 | cat"
    result = search(pl.Command(text, shell=True, folder=str(tmp_path)), 20, space, run=tmp_path / "run")
    for individual in result.individuals:
        assert (tmp_path / "run/trials" / str(individual.id) / "word").read_text() == individual.params["word"]
    assert not (tmp_path / "stolen").exists()
    with pytest.raises(pl.SearchFailed, match=r"no JSON number or object: '1 \| cat'"):
        search(["echo", "1 | cat"], 1)


@pytest.mark.parametrize(
    ("text", "status", "cause"),
    [
        ("echo 0.5", "ok", ""),
        ('echo \'{"loss": 0.5, "accuracy": 0.9}\'; echo', "ok", ""),
        ("printf 0.5", "ok", ""),
        ("echo 0.5; sleep 0.1; echo bye >&2", "ok", ""),
        ("echo done", "invalid", "the last line that the command printed is no JSON number or object: 'done'"),
        ("true", "invalid", "the last line that the command printed is no JSON number or object: ''"),
        ("echo NaN", "nan", ""),
        ("echo broken >&2; exit 3", "error", "the command exited with status 3\nbroken"),
        ("kill -SEGV $$", "crashed", "the command was killed by SIGSEGV"),
        ("sleep 100", "timeout", "it took longer than 0.5 s"),
    ],
)
def test_every_end_has_its_status(text: str, status: str, cause: str, tmp_path: Path) -> None:
    path = program(tmp_path, text)
    try:
        result = search([path], 1, evaluation={"timeout": 0.5}, run=tmp_path / "run")
    except pl.SearchFailed as failed:
        result = failed.result
    (individual,) = result.individuals
    assert str(individual.status) == status
    assert cause in individual.cause
    if status == "ok":
        assert individual.loss == 0.5


def test_the_loss_may_be_in_a_file_with_metrics(tmp_path: Path) -> None:
    path = program(tmp_path, 'echo talk; echo \'{"loss": 2, "size": 7}\' > "$1/out.json"')
    result = search(pl.Command([path, "{directory}"], result="out.json"), 2, run=tmp_path / "run")
    assert result.best.loss == 2
    assert result.best.metrics == {"size": 7}
    with pytest.raises(pl.SearchFailed, match=r"missing\.json cannot be read"):
        search(pl.Command([path, "{directory}"], result="missing.json"), 1)


def test_lines_with_steps_are_intermediate_losses_and_a_stop_ends_all_of_it(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("""
import json, subprocess, sys, time
x = float(sys.argv[1])
sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)  # started-by-a-command"])
for step in range(1, 9):
    print(json.dumps({"step": step, "loss": x + 1 / step}))
    time.sleep(0.05)
print(x)
sleeper.kill()
""")
    result = search([sys.executable, str(script), "{x}"], 12, pruner=pl.MedianPruner(startup=2), run=tmp_path / "run")
    assert result.statuses[pl.Status.STOPPED] >= 2
    for individual in result.individuals:
        x = individual.params["x"]
        assert individual.curve == tuple((step, x + 1 / step) for step in range(1, len(individual.curve) + 1))
        assert individual.loss == (x if individual.status is pl.Status.OK else individual.curve[-1][1])
    everyone = psutil.process_iter(["cmdline"])
    assert not [p for p in everyone if any("started-by-a-command" in word for word in p.info["cmdline"] or [])]


def test_what_is_printed_is_in_the_log(tmp_path: Path) -> None:
    result = search([program(tmp_path, "echo out; echo err >&2; echo 1")], 1, run=tmp_path / "run")
    log = tmp_path / "run/trials" / str(result.best.id) / "output.log"
    assert log.read_text() == "out\n1\n"
    assert log.with_name("errors.log").read_text() == "err\n"


def test_a_result_file_of_before_is_none(tmp_path: Path) -> None:
    path = program(tmp_path, '[ "$1" = 1 ] && echo $2 > "$3/out.json" || true')
    command = pl.Command([path, "{epochs}", "{x}", "{directory}"], result="out.json")
    result = search(command, 20, fidelity=pl.Fidelity("epochs", [1, 3]))
    assert {str(individual.status) for individual in result.individuals if individual.rung} == {"invalid"}


def test_a_negative_value_is_no_option() -> None:
    command = pl.Command(["echo", "{x}", "{y}", "-v", "{y}", "end"])
    assert command.filled({"x": "-1.5"}, ["x", "y"]) == ["echo", "-1.5", "end"]


@pytest.mark.mpi
def test_the_first_members_output_counts_in_a_team(script: Any, pooled: Any, reports: Any) -> None:
    path = script("""
        import propulate_like as pl
        text = 'if [ $RANK = 1 ]; then sleep 0.1; echo -1000; else echo {x}; fi'
        result = pl.minimize(
            pl.Command(text, shell=True), {"x": (0.0, 1.0)}, evaluations=4, run="run",
            evaluation={"ranks_per_worker": 2},
        )
        for i in result.individuals:
            assert i.loss == i.params["x"], i
            assert (result.trials / str(i.id) / "output-1.log").read_text() == "-1000\\n"
        report(result.evaluations)
    """)
    pooled(path, ranks=2)
    assert reports() == [["4"]] * 2


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (pl.Command(["no-such-program", "{x}"]), "command: there is no program 'no-such-program'"),
        (pl.Command(["echo", "{y}"]), "command: '{y}': there is no parameter 'y'; "),
        (pl.Command("echo {x}"), "command: 'echo {x}' must be a list of words, or one text with shell: true"),
        (pl.Command(["echo"], shell=True), "must be one text, as shell: true"),
        (pl.Command([]), "command: empty: give the words of a command, such as [python, train.py]"),
    ],
)
def test_a_command_that_cannot_work_is_refused_before_the_search(command: pl.Command, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        search(command)


@pytest.mark.mpi
def test_a_command_from_yaml_on_several_ranks(command: Any, tmp_path: Path) -> None:
    program(tmp_path, "echo $(( $1 * $1 ))")
    (tmp_path / "search.yaml").write_text("""
objective: {command: [./program.sh, "{n}"]}
space: {n: {int: [-9, 9]}}
budget: {evaluations: 40}
run: runs/it
""")
    said = command("run", "search.yaml", "-n", "2").stdout
    assert "40 evaluations in" in said
    assert "best 0" in said or "best       0" in said or "n = 0" in said
    again = command("run", str(tmp_path / "search.yaml"), "--set", "budget.evaluations=50").stdout
    assert "50 evaluations in" in again
