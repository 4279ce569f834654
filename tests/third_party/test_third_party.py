"""A distribution adds a propagator, a pruner, a callback, a topology and a command, a file each, and none of ours."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT
from installing import declare, declare_project, install

from propulate_like.foundation import strict_yaml
from propulate_like.storage.run import Run

pytestmark = pytest.mark.process
LOSS = """
import time

def train(x, y):
    for step in range(9):
        time.sleep(0.001)  # so that both ranks find something to do
        yield (x - 0.3) ** 2 + y ** 2 + 1 / (step + 1)
"""
CONFIG = """
objective: train.py:train
space: {x: {float: [0, 1]}, y: {float: [-1, 1]}}
budget: {evaluations: 40}
propagator: [select_best: 4, select_random: 1, sometimes: [0.5, opposite: 0.9], gaussian_mutation]
pruner: {step_limit: 3}
callbacks: [{count_file: counted}]
islands: {count: 2, topology: line, migration_probability: 1}
seed: 0
"""
ONE_ISLAND = "islands: {count: 1, topology: line}"
PLAIN = """
objective: train.py:train
space: {x: {float: [0, 1]}, y: {float: [0, 1]}}
budget: {evaluations: 5}
islands: {count: 1}
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return an environment in which the distribution is installed."""
    return install(Path(__file__).parent, tmp_path_factory.mktemp("site"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.py").write_text(LOSS)
    (tmp_path / "search.yaml").write_text(CONFIG)
    return tmp_path


def python(folder, environment, *arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def propulate(folder, environment, *arguments, status=0):
    ended = python(folder, environment, "-m", "propulate_like", *arguments)
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended


def refusals(folder, environment, changes):
    """Return what `check` says of each change to the configuration."""
    code = """
import sys
from propulate_like.search.config import Config, ConfigError
for change in sys.argv[1:]:
    try:
        Config.read("search.yaml", [change])
        print("valid")
    except ConfigError as error:
        print(error)
"""
    said = python(folder, environment, "-c", code, *changes).stdout.splitlines()
    assert len(said) == len(changes)
    return said


def test_parts_are_used_from_python(folder, installed):
    code = """
import propulate_like as pl
from search_parts.line import Line
from search_parts.opposite import Opposite
from search_parts.step_limit import StepLimitPruner
from train import train

chain = pl.Chain(pl.SelectBest(4), pl.SelectRandom(1), Opposite(0.9), pl.GaussianMutation())
result = pl.minimize(train, {"x": (0.0, 1.0), "y": (-1.0, 1.0)}, evaluations=20, propagator=chain,
                     pruner=StepLimitPruner(3), islands={"count": 1, "topology": Line()}, progress=False)
print(result.evaluations, {len(one.curve) for one in result.individuals})
"""
    ended = python(folder, installed, "-c", code)
    assert ended.stdout == "20 {3}\n", ended.stderr


def test_parts_are_valid_in_yaml_and_unknown_names_get_the_nearest_of_them(folder, installed):
    assert "is valid" in propulate(folder, installed, "check", "search.yaml").stdout
    said = refusals(folder, installed, ["propagator=oposite", "pruner=step_limt", "islands.topology=lin"])
    hints = [line.partition("; ")[2] for line in said]
    assert hints == ["did you mean 'opposite'?", "did you mean 'step_limit'?", "did you mean 'line'?"]


def test_arguments_of_parts_are_checked_as_those_of_others(folder, installed):
    expected = {
        "propagator={opposite: {shore: 0.5}}": "opposite: unknown key 'shore'; did you mean 'share'?",
        "propagator={opposite: 2}": "opposite: share=2 must be in [0, 1]",
        "pruner=step_limit": "step_limit: missing a required argument: 'limit'",
        "callbacks={count_file: {pth: x}}": "count_file: unknown key 'pth'; did you mean 'path'?",
        "propagator={sometimes: [0.5, {opposite: {}}]}": "takes 1, but is given the whole population",
    }
    said = refusals(folder, installed, expected)
    assert all(words in line for words, line in zip(expected.values(), said, strict=True)), said


def test_schema_has_the_parts(folder, installed):
    printed = propulate(folder, installed, "schema")
    assert printed.stderr == ""
    definitions = json.loads(printed.stdout)["$defs"]
    callback = definitions["Settings"]["properties"]["callbacks"]["anyOf"][1]
    for form, name in (
        (definitions["step"], "opposite"),
        (definitions["rule"], "step_limit"),
        (callback, "count_file"),
        (definitions["topology"], "line"),
    ):
        assert any(name in each.get("enum", ()) for each in form["anyOf"])
        assert any(name in each.get("properties", {}) for each in form["anyOf"])
    jsonschema.Draft202012Validator(json.loads(printed.stdout)).validate(strict_yaml.load(CONFIG.encode()))


@pytest.mark.parametrize(("ranks", "islands"), [(1, ONE_ISLAND), pytest.param(2, "islands: {}", marks=pytest.mark.mpi)])
@pytest.mark.parametrize("isolate", ["false", "true"])
def test_parts_search_on_every_rank_and_with_children(folder, installed, ranks, islands, isolate):
    if ranks == 1:
        (folder / "search.yaml").write_text(re.sub(r"islands: .*", islands, CONFIG))
    ended = propulate(
        folder, installed, "run", "search.yaml", "-n", ranks, "--run", "run", "--set", f"evaluation.isolate={isolate}"
    )
    assert "40 evaluations" in ended.stdout
    known = list(Run(folder / "run").individuals())
    assert {len(individual.curve) for individual in known} == {3}
    assert any("opposite" in individual.origin for individual in known)
    assert {individual.id.rank for individual in known} == set(range(ranks))
    assert (folder / "counted").read_text() == "40"
    if ranks == 2:
        first, last = (file.read_text() for file in sorted((folder / "run/journal").glob("rank-*")))
        assert '"moved"' in first
        assert '"moved"' not in last


def test_command_is_listed_explained_and_run(folder, installed):
    assert re.search(r"worst +Show the worst individuals of a run\.", propulate(folder, installed, "--help").stdout)
    assert "--count" in propulate(folder, installed, "worst", "--help").stdout
    propulate(folder, installed, "run", "search.yaml", "--run", "run", "--set", "islands=1")
    shown = propulate(folder, installed, "worst", "run", "--count", 2).stdout.splitlines()
    losses = [float(line.split()[0]) for line in shown]
    assert len(losses) == 2
    assert losses[0] >= losses[1] >= max(one.loss for one in Run(folder / "run").individuals()) - 1
    assert propulate(folder, installed, "worst", "nowhere", status=2).stderr.count("\n") == 1


@pytest.fixture
def broken(tmp_path):
    """Return an environment with distributions of which nothing can be used, each for another reason."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "refuses.py").write_text("raise RuntimeError('not on\\na Tuesday')\n")
    (site / "ours.py").write_text(
        "import propulate_like as pl\n"
        "class PointMutation(pl.Propagator): ...\n"
    )  # fmt: skip
    (site / "misnamed.py").write_text("import propulate_like as pl\nclass Other(pl.Propagator): ...\nnumber = 3\n")
    group = "propulate_like."
    declare(site, "gone", "0.1", {group + "propagators": {"lost": "nowhere:Lost"}, group + "pruners": {"no": "no:No"}})
    declare(site, "tired", "0.2", {group + "propagators": {"idle": "refuses:Idle"}})
    declare(site, "thief", "0.3", {group + "propagators": {"point_mutation": "ours:PointMutation"}})
    declare(site, "vague", "0.4", {group + "propagators": {"this": "misnamed:Other", "that": "misnamed:number"}})
    declare(site, "twin-a", "1", {group + "topologies": {"twin": "a:Twin"}})
    declare(site, "twin-b", "2", {group + "topologies": {"twin": "b:Twin"}})
    return declare(
        site, "orders", "0.5", {group + "commands": {"lost": "nowhere:f", "number": "misnamed:number", "run": "a:run"}}
    )


BROKEN = {
    "propagator=lost": "the propagator 'lost' of the distribution gone 0.1 (nowhere:Lost) cannot be loaded: Module",
    "propagator=idle": "distribution tired 0.2 (refuses:Idle) cannot be loaded: RuntimeError: not on a Tuesday",
    "propagator=this": "the distribution vague 0.4 (misnamed:Other) declares as 'this' is no propagator of that name",
    "propagator=that": "the distribution vague 0.4 (misnamed:number) declares as 'that' is no propagator",
    "pruner=no": "the pruner 'no' of the distribution gone 0.1 (no:No) cannot be loaded: ModuleNotFoundError",
    "islands.topology=twin": "the topology 'twin' is declared by the distribution",
}  # fmt: skip


def test_what_cannot_be_loaded_is_one_line_that_names_its_distribution(folder, broken):
    (folder / "search.yaml").write_text(PLAIN)
    said = refusals(folder, broken, BROKEN)
    assert all(words in line for words, line in zip(BROKEN.values(), said, strict=True)), said


def test_what_cannot_be_loaded_spoils_nothing_else(folder, broken):
    ended = propulate(folder, broken, "schema")
    assert {"point_mutation", "select_best"} < set(json.loads(ended.stdout)["$defs"]["step"]["anyOf"][0]["enum"])
    lines = ended.stderr.splitlines()
    assert len(lines) == len(BROKEN) + 1
    assert any("'point_mutation' is taken by propulate_like.propagators.mutation" in line for line in lines)
    (folder / "search.yaml").write_text(PLAIN)
    config = ["search.yaml", "--set", "propagator=[select_best: 1, point_mutation]", "--set", "pruner=median"]
    assert "is valid" in propulate(folder, broken, "check", *config).stdout


def test_command_that_cannot_be_loaded_says_so_and_leaves_the_others(folder, broken):
    helped = propulate(folder, broken, "--help")
    assert {"init", "run", "lost", "number"} <= set(re.findall(r"^│ (\w+)", helped.stdout, re.MULTILINE))
    assert "the command 'run' of the distribution orders 0.5 (a:run) is not used: the name is taken" in helped.stderr
    assert propulate(folder, broken, "lost", "x", "-n", "3", "--help", status=2).stderr == (
        "the command 'lost' of the distribution orders 0.5 (nowhere:f) cannot be loaded: "
        "ModuleNotFoundError: No module named 'nowhere'\n"
    )
    assert "'number' is none" in propulate(folder, broken, "number", status=2).stderr


@pytest.mark.slow
@pytest.mark.parametrize("project", ["tests/third_party", "benchmarks"])
def test_pip_installs_the_entry_points_that_these_tests_declare(project, tmp_path):
    pytest.importorskip("hatchling", reason="builds the wheel: pip install hatchling")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    target = [*pip, "--no-build-isolation", "--target", tmp_path / "real", ROOT / project]
    subprocess.run(list(map(str, target)), capture_output=True, text=True, timeout=120, check=True)
    declare_project(ROOT / project, tmp_path / "declared")
    assert entry_points(tmp_path / "real") == entry_points(tmp_path / "declared")


def entry_points(site):
    found = [one for each in metadata.distributions(path=[str(site)]) for one in each.entry_points]
    return sorted((one.group, one.name, one.value) for one in found)
