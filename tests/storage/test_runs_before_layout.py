"""Runs and YAML files that the version before the package's new layout wrote continue, report and export unchanged.

What that version said of them lies beside them, in `expected`; README.md there says how they were made.
"""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import jsonschema
import pytest

from propulate_like.foundation import strict_yaml
from propulate_like.search.schema import schema

RUNS = Path(__file__).parent / "runs_before_layout"
RANKS = {
    "plain": 1,
    "several_losses": 1,
    "define_by_run": 1,
    "fidelity": 1,
    "finite": 1,
    "program": 1,
    "cut_off": 1,
    "migration": 4,
    "pollination": 4,
    "teams": 4,
    "death": 3,
}
"""On how many ranks each kind of run was made."""
ALONE = {kind: ranks for kind, ranks in RANKS.items() if ranks == 1}
OTHER_RANKS = [("plain", 2), ("cut_off", 3), ("migration", 1), ("pollination", 3)]
MORE = 10  # evaluations, when a run continues
TIMED = {"seconds", "ended", "cause"}  # the last one because a traceback names the folder
ELSEWHERE = {"propulate_like:run", "propulate_like:version"}  # attributes of a study that another copy has otherwise
COMMANDS = """
import contextlib, io, json, runpy, sys
said = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["propulate-like", *words]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        try:
            runpy.run_module("propulate_like", run_name="__main__")
        except SystemExit as end:
            assert not end.code, (words, end.code)
    said.append(output.getvalue())
print(json.dumps(said))
"""


@pytest.fixture
def copy(tmp_path):
    """Copy a kind's run and YAML file to the test's folder, or to one within."""

    def make(kind, inside="."):
        folder = tmp_path / inside
        unneeded = shutil.ignore_patterns("expected", "__pycache__")
        shutil.copytree(RUNS / kind, folder, symlinks=True, ignore=unneeded, dirs_exist_ok=True)
        owner = folder / "run/owner.json"
        if owner.exists():
            os.utime(owner, (0, 0))  # that run was cut off long ago, though its file may just have been checked out
        return folder

    return make


@pytest.fixture
def commands(python):
    """Run several `propulate-like` commands in one process, which saves time, and give what each one printed."""
    return lambda *lists: json.loads(python("-c", COMMANDS, json.dumps([[*map(str, words)] for words in lists])).stdout)


@pytest.fixture
def proceed(copy, command):
    """Continue a kind's run, see that nothing is lost or done twice, and give the new evaluations, rank by rank."""

    def run(kind, ranks):
        folder = copy(kind)
        before, known = journals(folder), evaluated(folder)
        total = len(known) + MORE
        ended = command("run", f"{kind}.yaml", "-n", ranks, "--set", f"budget.evaluations={total}")
        assert f"\n{total} evaluations" in ended.stdout
        after = journals(folder)
        assert all(after[name].startswith(content) for name, content in before.items())
        told = evaluated(folder)
        numbers = {tuple(event["id"][1:]) for event in told}  # no rank gives one twice, whatever its island
        assert len(told) == len(numbers) == total
        command("export", "run", "exported.csv", "--to", "csv")
        then, now = rows(expected(kind, "exported.csv")), rows((folder / "exported.csv").read_text(encoding="utf-8"))
        assert len(then) == len(known)
        assert all(now[ident].items() >= cells.items() for ident, cells in then.items())
        unfinished = json.loads(expected(kind, "status.json"))["running"]
        assert set(unfinished) <= now.keys() - then.keys()
        assert bool(unfinished) == (kind == "cut_off")
        return [event for event in told if event not in known]

    return run


def expected(kind, name):
    return (RUNS / kind / "expected" / name).read_text(encoding="utf-8")


def journals(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "run/journal").iterdir())}


def evaluated(folder):
    """Return what the journals of a run say of evaluations that ended, rank by rank."""
    events = [json.loads(line) for content in journals(folder).values() for line in content.splitlines()]
    return [event for event in events if event["type"] == "evaluated"]


def rows(text):
    """Return the rows of a table by their ids, without empty cells, which depend on the other rows."""
    table = csv.DictReader(io.StringIO(text, newline=""))
    return {row["id"]: {name: cell for name, cell in row.items() if cell} for row in table}


def canonical(study, distribution_to_json):
    """Write a study without what another storage, place or time zone would change."""
    distributions = set()
    trials = []
    for trial in study.trials:
        assert trial.distributions.keys() == trial.params.keys()
        distributions |= {(name, distribution_to_json(one)) for name, one in trial.distributions.items()}
        trials.append(
            {
                "number": trial.number,
                "state": trial.state.name,
                "values": trial.values,
                "params": trial.params,
                "intermediate_values": trial.intermediate_values,
                "user_attrs": trial.user_attrs,
            }
        )
    told = {
        "directions": [direction.name for direction in study.directions],
        "user_attrs": {name: value for name, value in study.user_attrs.items() if name not in ELSEWHERE},
        "distributions": [[name, json.loads(text)] for name, text in sorted(distributions)],
        "trials": trials,
    }
    return json.dumps(told, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("kind", RANKS)
def test_status_results_failures_and_table_of_a_run_are_the_same(kind, copy, commands):
    folder = copy(kind)
    before = journals(folder)
    status, results, failed, _ = commands(
        ["status", "run", "--json"],
        ["results", "run", "--top", 4, "--format", "json"],
        ["results", "run", "--top", 2, "--failed", "--format", "json"],
        ["export", "run", "exported.csv", "--to", "csv"],
    )
    known, state = json.loads(expected(kind, "status.json")), json.loads(status)
    told, first = known.pop("failure"), state.pop("failure")  # of several, the first one is told now
    assert (first is None) is (told is None)
    assert {name: state[name] for name in known} == known
    then, now = table(RUNS / kind / "expected/exported.csv"), table(folder / "exported.csv")
    assert flat(results, then[0]) == json.loads(expected(kind, "results.json"))
    assert flat(failed, then[0]) == json.loads(expected(kind, "failed.json"))
    assert [{name: each[name] for name in then[0]} for each in now] == then
    assert {name.partition(".")[0] for name in now[0].keys() - then[0].keys()} <= {"value", "loss"}
    assert journals(folder) == before


def flat(text, columns):
    """Return rows of JSON in the older form, which had no value where that was the loss, and no nested mappings."""
    found = []
    for row in json.loads(text):
        values = {f"value.{number}": value for number, value in enumerate(row.pop("values", []))}
        values |= {name: row.pop(name) for name in ("value", "loss") if name in row}
        params, metrics = row.pop("params"), row.pop("metrics")
        told = {name: value for name, value in values.items() if name in columns}
        inside = {f"params.{name}": value for name, value in params.items()}
        inside |= {f"metrics.{name}": value for name, value in metrics.items()}
        row.pop("losses", None)
        found.append({**row, **told, **inside, "parents": " ".join(row["parents"])})
    return found


def table(path):
    """Return the rows of a CSV file, in whatever order its columns are."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_studies_that_runs_are_exported_to_are_the_same(copy, commands, tmp_path):
    optuna = pytest.importorskip("optuna")
    for kind in RANKS:
        copy(kind, kind)
    storage = f"sqlite:///{tmp_path}/studies.db"
    commands(*(["export", f"{kind}/run", storage, "--to", "optuna", "--study", kind] for kind in RANKS))
    for kind in RANKS:
        study = optuna.load_study(study_name=kind, storage=storage)
        told = canonical(study, optuna.distributions.distribution_to_json)
        assert json.loads(told) == json.loads(expected(kind, "study.json")), kind
        assert told == expected(kind, "study.json"), f"{kind}: types of values differ"


def test_every_yaml_file_is_valid_and_check_says_the_same(commands, tmp_path):
    pytest.importorskip("optuna")  # one of them names a sampler and a pruner of Optuna's
    shutil.copytree(RUNS, tmp_path, symlinks=True, dirs_exist_ok=True)
    for name in ("old.csv", "study.log", "old.db"):  # what two of them start from, with the run beside it
        (tmp_path / name).touch()
    (tmp_path / "runs/old").mkdir(parents=True)
    said = commands(*(["check", path.relative_to(RUNS)] for path in sorted(RUNS.glob("*/*.yaml"))))
    assert said == (RUNS / "checks.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(said) > len(RANKS)


def test_the_schema_of_yaml_files_takes_what_it_took():
    """A definition has another name, which only the schema itself uses; there may be more keys, and more forms."""
    before = json.loads((RUNS / "schema.json").read_text(encoding="utf-8").replace("BudgetSettings", "Budget"))
    now = schema()
    for name, definition in before["$defs"].items():
        found = now["$defs"][name]
        assert definition.get("required") == found.get("required"), name
        for key, member in definition.get("properties", {}).items():
            assert member.get("default") == found["properties"][key].get("default"), key
    validator = jsonschema.Draft202012Validator(now)
    for path in sorted(RUNS.glob("*/*.yaml")):
        validator.validate(strict_yaml.load(path.read_bytes()))


@pytest.mark.parametrize(
    ("kind", "ranks"),
    [
        pytest.param(kind, ranks, marks=[pytest.mark.mpi] * (ranks > 1))
        for kind, ranks in [*RANKS.items(), *OTHER_RANKS]
        if (kind, ranks) not in ALONE.items()
    ],
)
def test_a_run_continues_with_a_larger_budget_and_keeps_all_that_it_had(kind, ranks, proceed):
    proceed(kind, ranks)


@pytest.mark.parametrize("kind", ALONE)
def test_a_run_on_one_rank_continues_to_the_bit_as_the_version_before_did(kind, proceed):
    added = {"constraints"}  # in lines of today
    new = [{name: value for name, value in one.items() if name not in TIMED | added} for one in proceed(kind, 1)]
    recorded = [json.loads(line) for line in expected(kind, "continued.jsonl").splitlines()]
    assert [one["genome"] for one in new] == [one["genome"] for one in recorded]
    assert new == recorded


def test_a_run_that_is_forked_stays_as_it_is_and_the_copy_goes_on(copy, command):
    folder = copy("plain")
    before, known = journals(folder), len(evaluated(folder))
    changes = ("--set", f"budget.evaluations={known + MORE}", "--set", "seed=5")
    ended = command("run", "plain.yaml", "--fork", "forked/run", *changes)
    assert f"\n{known + MORE} evaluations" in ended.stdout
    assert f"all {known} evaluated individuals taken over" in ended.stderr
    assert journals(folder) == before
    assert [one["id"] for one in evaluated(folder / "forked")[:known]] == [one["id"] for one in evaluated(folder)]


def test_a_new_run_begins_with_what_a_run_knows(copy, command):
    folder = copy("several_losses")
    known = len(evaluated(folder))
    changes = ("--set", "warm_start=run", "--set", f"budget.evaluations={MORE}")
    ended = command("run", "several_losses.yaml", "--run", "new/run", *changes)
    assert f"\n{MORE} evaluations" in ended.stdout
    assert f"{known} individuals known from run" in ended.stderr
    new = evaluated(folder / "new")
    assert len(new) == MORE
    assert all(one["origin"].startswith("uniform_crossover") for one in new)
