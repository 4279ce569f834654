"""Bad configurations are one clear line, and exit status 2."""

import subprocess
import sys

import jsonschema
import pytest
from conftest import ROOT

from propulate_like.cli import app
from propulate_like.foundation import strict_yaml
from propulate_like.foundation.declarations import dump
from propulate_like.propagators.from_yaml import read
from propulate_like.search.config import Config, ConfigError
from propulate_like.search.schema import schema

LOSS = "def train(**params):\n    return 1.0\n"
SPACE = "space: {x: {float: [0, 1]}}\n"
BUDGET = "budget: {evaluations: 5}\n"
HEAD = "objective: train.py:train\n"


def whole(space=SPACE, budget=BUDGET, rest=""):
    return HEAD + space + budget + rest


def parameter(form):
    return whole(space=f"space: {{x: {form}, opt: {{choice: [adam, sgd]}}}}\n")


BROKEN = [
    ("", "must be a mapping"),
    ("- a\n- b\n", "must be a mapping"),
    ("just text", "must be a mapping"),
    (b"\xff\xfe\x00", "not UTF-8: byte 0"),
    ("a: [1, 2", "line 1, column 9"),
    ("a:\n\tb: 1\n", "line 2"),
    ("a: " + "[" * 500, "nested more than 50 deep"),
    ("a: &a [*a]\n", "line 1, column 8: the alias *a is within what it repeats"),
    ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)), "characters"),
    ("a: *b\n", "line 1, column 4: found undefined alias 'b'"),
    ("a: {<<: 5}\n", "line 1, column 9: << must be a mapping"),
    ("a: !!python/object/apply:os.system [true]\n", "python/object/apply:os.system' is not supported"),
    (whole() + "seed: 1\nseed: 2\n", "the key 'seed' is given twice"),
    (whole(space="space:\n  x: {float: [0, 1]}\n  x: {float: [0, 2]}\n"), "the key 'x' is given twice"),
    (SPACE + BUDGET, "the key 'objective' is missing"),
    (HEAD + SPACE, "the key 'budget' is missing"),
    (whole(rest="objektive: 3\n"), "unknown key 'objektive'; did you mean 'objective'"),
    (whole(rest="seed: first\n"), "seed: 'first' is not valid: expected a whole number"),
    (whole(rest="seed: -1\n"), "seed: -1 is not valid: expected a whole number of at least 0"),
    (whole(rest="seed: 1.5\n"), "seed: 1.5 is not valid: expected a whole number"),
    (whole(rest="run: 5\n"), "run: 5 is not valid: expected a text\n"),
    (whole(rest="maximize: maybe\n"), "maximize: 'maybe' is not valid: expected true or false\n"),
    (whole(rest="directions: maximize\n"), "directions: 'maximize' is not valid: expected a list\n"),
    (whole(rest="direction: maximize\n"), "unknown key 'direction': write `maximize: true`\n"),
    (
        HEAD + SPACE + "evaluations: 10\n",
        "unknown key 'evaluations': it belongs into `budget`, as in `budget: {evaluations: 10}`\n",
    ),
    (whole(rest="seconds: 9\n"), "unknown key 'seconds': it belongs into `budget`, as in `budget: {seconds: 9}`\n"),
    (whole(rest="isolate: true\n"), "it belongs into `evaluation`, as in `evaluation: {isolate: true}`\n"),
    (whole(rest="topology: ring\n"), "it belongs into `islands`, as in `islands: {topology: ring}`\n"),
    (whole(rest="rungs: [1, 3]\n"), "it belongs into `fidelity`, as in `fidelity: {rungs: [1, 3]}`\n"),
    (SPACE + BUDGET + "command: [echo]\n", "it belongs into `objective`, as in `objective: {command: ['echo']}`\n"),
    (whole(budget="budget: {evaluations: 5, timeout: 3}\n"), "it belongs into `evaluation`, as in"),
    (whole(budget="budget: {evaluations: 5, seed: 3}\n"), "it belongs to the top of the file, beside `budget`\n"),
    (whole(budget="budget: {}\n"), "budget: empty"),
    (whole(budget="budget: 100\n"), "budget: 100 is not valid"),
    (whole(budget="budget: {evaluation: 5}\n"), "budget: unknown key 'evaluation'; did you mean 'evaluations'"),
    (whole(budget="budget: {evaluations: 0}\n"), "budget.evaluations: 0 is not valid"),
    (whole(budget="budget: {evaluations: many}\n"), "budget.evaluations: 'many' is not valid"),
    (whole(budget="budget: {hours: 0}\n"), "budget.hours: 0 is not valid"),
    (whole(budget="budget: {target: .nan}\n"), "budget: target=nan must be a number"),
    (whole(budget="budget: {seconds: .nan}\n"), "seconds"),
    (whole(rest="islands: 0\n"), "islands: count=0 must be a whole number of at least 1"),
    (whole(rest="islands: many\n"), "islands: 'many' is not valid"),
    (whole(rest="islands: [1, 0]\n"), "islands: sizes=0 must be a whole number of at least 1"),
    (whole(rest="islands: {cuont: 2}\n"), "islands: unknown key 'cuont'; did you mean 'count'"),
    (
        whole(rest="islands: {count: 2, topology: rnig}\n"),
        "islands.topology: unknown topology 'rnig'; did you mean 'ring'",
    ),
    (whole(rest="islands: {count: 2, topology: [[0, 1]]}\n"), "islands.topology: [[0, 1]] must be a square matrix"),
    (whole(rest="islands: {count: 2, topology: {random_regular: 0}}\n"), "random_regular: degree=0 must be"),
    (whole(rest="islands: {count: 3, topology: {random_regular: 3}}\n"), "needs more than 3 islands, not 3"),
    (whole(rest="islands: {count: 2, migration_probability: 2}\n"), "migration_probability=2 must be a number"),
    (whole(rest="islands: {count: 2, emigrants: select_bets}\n"), "unknown step 'select_bets'; did you mean"),
    (whole(rest="islands: {count: 2, pollination: false, replaced: select_worst}\n"), "it needs pollination: true"),
    (whole(rest="islands: {count: 2, propagators: [auto]}\n"), "one for each of 2 islands"),
    (whole(space="space: {}\n"), "space: a space needs at least one parameter"),
    (whole(space="space: [x]\n"), "space: ['x'] is not valid"),
    (whole(space="space: {' name': {float: [0, 1]}}\n"), "space: ' name' cannot be a parameter's name"),
    (whole(space="space: {x: {lr: {flaot: [0, 1]}}}\n"), "space.x.lr: {'flaot': [0, 1]} must name one kind"),
    (whole(space="space: {x.lr: {float: [0, 1]}, x: {lr: {int: [0, 1]}}}\n"), "space: 'x.lr' names two parameters"),
    (whole(budget="budget: {evaluations: 1.5}\n"), "budget.evaluations: 1.5 is not valid"),
    (whole(budget="budget: {seconds: soon}\n"), "budget.seconds: 'soon' is not valid: expected a number of seconds"),
    (whole(rest="evaluation: {isolate: true, timeout: 10x}\n"), "evaluation.timeout: '10x' is not valid: expected"),
    (whole(rest="evaluation: {grace: -1s}\n"), "evaluation.grace: '-1s' is not valid"),
    (whole(space="space: {1: {float: [0, 1]}}\n"), "space"),
    (parameter("5"), "space.x: 5 must be a mapping"),
    (parameter("{flaot: [0, 1]}"), "did you mean 'float'"),
    (parameter("{float: [0, 1], int: [0, 1]}"), "must name one kind of parameter"),
    (parameter("{float: [1, 0]}"), "space.x: low=1.0 lies above high=0.0"),
    (parameter("{float: [0, 1], log: true}"), "must be above 0 on a logarithmic scale"),
    (parameter("{float: [0]}"), "missing a required argument: 'high'"),
    (parameter("{float: [0, 1, 2]}"), "has 3 values; expected low, high"),
    (parameter("{float: [a, b]}"), "low='a' must be a number"),
    (parameter("{float: [0, .inf]}"), "must be finite"),
    (parameter("{float: [.nan, 1]}"), "must be finite"),
    (parameter("{float: 3}"), "must be a list such as [0.0, 1.0]"),
    (parameter("{float: [0, 1], step: 0.3}"), "the nearest below is 0.9"),
    (parameter("{float: [0, 1], logg: true}"), "unknown key 'logg'; did you mean 'log'"),
    (parameter("{int: [0.5, 3]}"), "low=0.5 must be a whole number"),
    (parameter("{int: [true, 3]}"), "low=True must be a whole number"),
    (parameter("{choice: []}"), "needs at least one value"),
    (parameter("{choice: [a, a]}"), "'a' is given twice"),
    (parameter("{choice: [[a, b]]}"), "to choose from a list, write Choice"),
    (parameter("{choice: [{a: 1}, 2]}"), "must be a string, number"),
    (parameter("{choice: relu}"), "must be a list such as [a, b]"),
    (parameter("{float: [0, 1], when: {optt: sgd}}"), "did you mean 'opt'"),
    (parameter("{float: [0, 1], when: {opt: sdg}}"), "did you mean 'sgd'"),
    (parameter("{float: [0, 1], when: sgd}"), "must map parameter names"),
    (parameter("{choice: [1], when: {x: 1}}"), "circle"),
    (whole(space="space: {x: {choice: [1], when: {y: 1}}, y: {choice: [1], when: {x: 1}}}\n"), "circle"),
    (whole(rest="warm_start: old.csv\n"), "warm_start: old.csv: there is no such folder or file"),
    ("objective: train.py\n" + SPACE + BUDGET, "must have the form file.py:function"),
    ("objective: trian.py:train\n" + SPACE + BUDGET, "did you mean 'train.py'"),
    ("objective: train.py:trian\n" + SPACE + BUDGET, "did you mean 'train'"),
    ("objective: bad.py:train\n" + SPACE + BUDGET, "is not valid Python"),
    ("objective: deep.py:train\n" + SPACE + BUDGET, "is not valid Python: too many nested parentheses"),
    ("objective: deeper.py:train\n" + SPACE + BUDGET, "is not valid Python"),
    ("objective: no_such_module:train\n" + SPACE + BUDGET, "there is no module 'no_such_module'"),
    (whole(rest="propagator: autoo\n"), "unknown step 'autoo'"),
    (whole(rest="propagator: [selct_best: 3]\n"), "step 1: unknown step 'selct_best'; did you mean 'select_best'"),
    (whole(rest="propagator: [select_best: 0]\n"), "step 1: select_best: count=0"),
    (whole(rest="propagator: [select_best: {size: 3}]\n"), "unknown key 'size'; valid: count"),
    (whole(rest="propagator: [select_best: 1, uniform_crossover: 0.5]\n"), "propagator: UniformCrossover"),
    (whole(rest="propagator: [{select_best: 1}, {uniform_crossover: 0.5}]\n"), "takes exactly 2 individuals"),
    (whole(rest="propagator: [{select_best: 2}]\n"), "one is evaluated at a time"),
    (whole(rest="propagator: []\n"), "at least one step"),
    (whole(rest="propagator: 5\n"), "propagator: 5 is not valid"),
    (whole(rest="propagator: [5]\n"), "must be a step such as select_best: 64"),
    (whole(rest="evaluation: true\n"), "evaluation: True is not valid"),
    (whole(rest="evaluation: {isolated: true}\n"), "evaluation: unknown key 'isolated'; did you mean 'isolate'"),
    (whole(rest="evaluation: {timeout: 5}\n"), "evaluation.timeout: 5.0 needs isolate: true"),
    (whole(rest="evaluation: {isolate: true, timeout: 0}\n"), "evaluation.timeout: 0 is not valid"),
    (whole(rest="evaluation: {isolate: true, memory: 8 Gib}\n"), "unknown unit; did you mean 'GiB'"),
    (whole(rest="evaluation: {isolate: true, memory: much}\n"), "must be a number of bytes, or such as 8 GiB"),
    (whole(rest="evaluation: {retries: -1}\n"), "evaluation.retries: -1 is not valid"),
    (whole(rest="evaluation: {retry_on: [crash]}\n"), "['crash'] is not valid: expected a list of crashed, timeout"),
    (whole(rest="evaluation: {gpus: all}\n"), "evaluation.gpus: 'all' is not valid: expected auto, none or a list"),
    (whole(rest="evaluation: {gpus: []}\n"), "evaluation.gpus: [] must be auto, none or a list"),
    (whole(rest="evaluation: {gpus_per_rank: 2}\n"), "evaluation.gpus_per_rank: 2 needs gpus: auto"),
    (whole(rest="evaluation: {ranks_per_worker: 0}\n"), "evaluation.ranks_per_worker: 0 is not valid"),
    (whole(rest="evaluation: {1: 2}\n"), "evaluation: every key must be a name"),
    (whole(rest="evaluation: {metric: ''}\n"), "evaluation.metric: '' is not valid"),
    (whole(rest="evaluation: {metric: energy}\n"), "metric: 'energy' needs energy: true"),
    (whole(rest="evaluation: {metric: size}\npruner: median\n"), "metric: 'size' cannot be minimized with a pruner"),
    (whole(rest="evaluation: {isolate: true, memory: 8}\n"), "memory: 8 is less than any process needs"),
    (whole(rest="fidelity: {name: epochs, rungs: [.nan, 1]}\n"), "must be at least two rising numbers"),
    (whole(rest="pruner: mediam\n"), "pruner: unknown pruner 'mediam'; did you mean 'median'"),
    (whole(rest="pruner: {median: {startup: 0}}\n"), "pruner.median: startup=0 must be a whole number"),
    (whole(rest="pruner: []\n"), "pruner: at least one rule is needed"),
    (whole(rest="pruner: {optuna: MedianPrunner}\n"), "must be one of Optuna's; did you mean 'MedianPruner'"),
    (whole(rest="fidelity: {name: epochs}\n"), "fidelity: missing a required argument: 'rungs'"),
    (whole(rest="fidelity: {name: x, rungs: [1, 2]}\n"), "fidelity: 'x' is the name of a parameter"),
    (
        "objective: {command: [python, '{y}']}\n" + SPACE + BUDGET,
        "objective.command: '{y}': there is no parameter 'y'",
    ),
    ("objective: {command: [no-such-program]}\n" + SPACE + BUDGET, "there is no program 'no-such-program'"),
    ("objective: {command: [echo, '{x:.3f}']}\n" + SPACE + BUDGET, "a placeholder has no format: write {x}"),
    ("objective: {command: [echo], result: ''}\n" + SPACE + BUDGET, "result: '' must be the name of a file"),
    ('objective: {command: [echo, "a\\0b"]}\n' + SPACE + BUDGET, "has a NUL character"),
    ("objective: {comand: [python]}\n" + SPACE + BUDGET, "objective: unknown key 'comand'; did you mean 'command'"),
    ("objective: {command: [python]}\n" + BUDGET, "space: missing: a command has none of its own"),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.py").write_text(LOSS, encoding="utf-8")
    (tmp_path / "bad.py").write_text("def train(:\n", encoding="utf-8")
    (tmp_path / "deep.py").write_text("x = " + "(" * 10_000, encoding="utf-8")
    (tmp_path / "deeper.py").write_text("x = " + "-" * 500_000 + "1", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("content", "words"), BROKEN, ids=[words for _, words in BROKEN])
@pytest.mark.parametrize("command", [["check"], ["run", "-n", "2"]], ids=["check", "run"])
def test_broken_config_is_one_line_with_the_place_and_a_hint(content, words, command, folder, monkeypatch, capsys):
    path = folder / "search.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setattr(sys, "argv", ["propulate-like", command[0], str(path), *command[1:]])
    with pytest.raises(SystemExit) as ended:
        app.main()
    output, errors = capsys.readouterr()
    assert ended.value.code == 2
    assert output == ""
    assert errors.count("\n") == 1
    assert errors.startswith(str(path))
    assert words in errors
    assert len(errors) < 800
    assert not (folder / "runs").exists()


SEVERAL = """
space:
  x: {flaot: [0, 1]}
  y: {int: [1, 8]}
  z: {int: [8, 1]}
  w: {float: [0, 1], when: {x: 1}}
budget: {evaluations: 0, secnds: 5, hours: 1}
objective: trian.py:train
seed: first
propagator: [selct_best: 3, uniform_crossover, {point_mutation: -1}]
islands: {count: 2, topology: rnig, polination: true}
evaluation: {timeout: 5, memory: much, retries: -1}
sed: 1
pruner: mediam
"""
SEVERAL_LINES = [
    "--set run: must have the form",
    "--set seed.x=1: 'seed' is no mapping",
    "search.yaml: space.x: {'flaot': [0, 1]} must name one kind of parameter; did you mean 'float'",
    "search.yaml: space.z: low=8 lies above",
    "search.yaml: budget.evaluations: 0 is not valid",
    "search.yaml: budget: unknown key 'secnds'; did you mean 'seconds'",
    "search.yaml: objective: 'trian.py:train': there is no file",
    "search.yaml: seed: 'first' is not valid",
    "search.yaml: propagator: step 1: unknown step 'selct_best'",
    "search.yaml: propagator: step 3: ",
    "search.yaml: islands.topology: unknown topology 'rnig'",
    "search.yaml: islands: unknown key 'polination'",
    "search.yaml: evaluation.timeout: 5.0 needs isolate: true",
    "search.yaml: evaluation.memory: 'much' must be a number of bytes",
    "search.yaml: evaluation.retries: -1 is not valid",
    "search.yaml: unknown key 'sed'",
    "search.yaml: pruner: unknown pruner 'mediam'",
]


@pytest.mark.parametrize(
    "words", [["check"], ["run"], ["run", "-n", "2"], ["run", "--check"], ["simulate"]], ids=" ".join
)
def test_all_that_is_wrong_is_said_in_the_order_of_the_file(words, folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    (folder / "search.yaml").write_text(SEVERAL, encoding="utf-8")
    changes = ["--set", "run", "--set", "seed.x=1"]
    monkeypatch.setattr(sys, "argv", ["propulate-like", words[0], "search.yaml", *words[1:], *changes])
    with pytest.raises(SystemExit) as ended:
        app.main()
    lines = capfd.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert len(lines) == len(SEVERAL_LINES), lines
    for line, begins in zip(lines, SEVERAL_LINES, strict=True):
        assert line.startswith(begins), line
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (whole(rest="evaluation: {isolate: 5, timeout: 5, memory: 8 GiB}\n"), "evaluation.isolate: 5 is not valid"),
        (whole(rest="evaluation: {energy: 5, metric: energy}\n"), "evaluation.energy: 5 is not valid"),
        (HEAD + "space: {x: 5, y: {int: [1, 2], when: {x: 1}}}\n" + BUDGET, "space.x: 5 must be a mapping"),
        ("objective: {command: [echo, '{x}']}\nspace: {x: 5}\n" + BUDGET, "space.x: 5 must be a mapping"),
        (whole(space="space: {x: 5}\n", rest="propagator: cma_es\nfidelity: {name: x, rungs: [1, 2]}\n"), "space.x: 5"),
        (whole(budget="budget: {evaluations: no}\n"), "budget.evaluations: 'no' is not valid"),
        (SPACE + BUDGET + "objektive: train.py:train\n", "unknown key 'objektive'; did you mean 'objective'"),
        (whole(rest="islands: {count: two, topology: [[0, 1], [1, 0]]}\n"), "islands: count='two' must be a whole"),
    ],
)
def test_what_only_follows_from_another_error_is_not_said(content, words, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError) as refused:
        Config.parse(content.encode(), "search.yaml", finds=True)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(f"search.yaml: {words}")


FITTING = """
import functools
import propulate_like as pl
def named(x, y): ...
def renamed(x, z): ...
def missing(x): ...
def needs(x, y, z): ...
def defaults(x, y, z=1, *, w=2, evaluation=None): ...
def mapping(params): ...
def typed(one: dict[str, float]): ...
def alike(x1): ...
def keywords(**params): ...
def only(*, x, y): ...
def asks(trial): ...
async def waits(x, y): ...
async def waits_not(x, q): ...
@pl.objective(x=pl.Float(0, 1), y=pl.Int(1, 8))
def decorated(x, y): ...
@pl.objective(x=pl.Float(0, 1), y=pl.Int(1, 8))
def misnamed(x, other): ...
@pl.objective({"model.lr": pl.Float(0, 1), "model": {"depth": pl.Int(1, 8)}}, batch=pl.Int(1, 8))
def odd(params): ...
@pl.objective(**{"model": {"lr": pl.Float(0, 1)}, "batch": pl.Int(1, 8)})
def nested(model, batch): ...
@pl.objective({"model.lr": pl.Float(0, 1)}, batch=pl.Int(1, 8))
def odd_by_name(batch): ...
@functools.cache
def wrapped(x1): ...
@functools.wraps(named)
def unknown(other): ...
def twice(x, y): ...
twice = functools.partial(twice, y=1)
partial = functools.partial(named, y=1)
if True:
    def inside(x1): ...
if True:
    def either(q): ...
else:
    def either(x, y): ...
def again(x, y): ...
def again(x1): ...
short = lambda x1: ...
other_name = same_name = short
alias = named
misnamed_alias = needs
constant = 3
def outside():
    def hidden(x, y): ...
    global shown
    def shown(x, y): ...
"""
TWO = "space: {x: {float: [0, 1]}, y: {int: [1, 8]}}\n"


@pytest.mark.parametrize(
    ("name", "space", "words"),
    [
        *((name, TWO, "") for name in ("named", "defaults", "mapping", "typed", "keywords", "only", "waits", "asks")),
        *((name, TWO, "") for name in ("unknown", "twice", "partial", "either")),  # known only once they are imported
        *((name, TWO, "") for name in ("shown", "alias", "other_name")),
        *((name, TWO, f"{name}() has no parameter 'x'") for name in ("wrapped", "inside", "again", "short")),
        ("misnamed_alias", TWO, "misnamed_alias() needs 'z', which the space does not have"),
        ("constant", TWO, "'constant' is no function"),
        ("hidden", TWO, "'fitting.py:hidden': fitting.py defines no 'hidden'"),
        ("renamed", TWO, "renamed() has no parameter 'y', which the space has"),
        ("missing", TWO, "missing() has no parameter 'y', which the space has"),
        ("alike", TWO, "alike() has no parameter 'x', which the space has"),
        ("needs", TWO, "needs() needs 'z', which the space does not have"),
        ("waits_not", TWO, "waits_not() has no parameter 'y', which the space has"),
        (
            "only",
            TWO.replace("[1, 8]", "[1, 8], when: {x: 1}").replace("float: [0, 1]", "int: [0, 1]"),
            "only() needs a default for 'y'",
        ),
        ("asks", "", ""),
        ("decorated", "", ""),
        ("decorated", SPACE, "decorated() needs 'y', which the space does not have"),
        ("misnamed", "", "misnamed() has no parameter 'y', which the space has"),
        ("odd", "", ""),
        ("nested", "", ""),
        ("odd_by_name", "", "odd_by_name() takes its parameters by name, and 'model.lr' cannot be the name of one"),
        ("mapping", "space: {lambda: {float: [0, 1]}, model: {lr: {float: [0, 1]}}}\n", ""),
        ("named", "space: {x: {y: {float: [0, 1]}}, y: {int: [0, 1]}}\n", ""),
        (
            "named",
            "space: {x: {int: [0, 1]}, y: {int: [0, 1]}, lambda: {int: [0, 1]}}\n",
            "named() takes its parameters",
        ),
        ("named", "", "named() has no search space: decorate it"),
    ],
)
def test_check_refuses_a_function_that_does_not_fit_and_runs_nothing(name, space, words, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    (folder / "fitting.py").write_text(FITTING + "raise SystemExit('it was run')\n", encoding="utf-8")
    (folder / "search.yaml").write_text(f"objective: fitting.py:{name}\n{space}{BUDGET}", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["propulate-like", "check", "search.yaml"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    output, errors = capsys.readouterr()
    if words:
        assert ended.value.code == 2
        assert errors.startswith(f"search.yaml: objective: {words}")
        assert errors.count("\n") == 1
    else:
        assert (ended.value.code, errors) == (0, "")
        assert "is valid" in output


@pytest.mark.usefixtures("optuna")
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("run: train.py\n", "run: train.py is no folder"),
        ("warm_start: {storage: no.log, study: x}\n", "warm_start: the study 'x' in no.log: there is no file no.log"),
        ("warm_start: {storage: 'sqlite:///no.db', study: x}\n", "there is no file no.db"),
    ],
)
def test_check_refuses_files_that_run_refuses(lines, words, folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    (folder / "missing_files.py").write_text(LOSS, encoding="utf-8")  # a name of its own, as `run` imports it
    text = whole(rest=lines).replace("objective: train.py", "objective: missing_files.py")
    (folder / "search.yaml").write_text(text, encoding="utf-8")
    for command in ("check", "run"):
        monkeypatch.setattr(sys, "argv", ["propulate-like", command, "search.yaml"])
        with pytest.raises(SystemExit) as ended:
            app.main()
        errors = capfd.readouterr().err
        assert (ended.value.code, errors.count("\n")) == (2, 1)
        assert words.removeprefix("run: ") in errors
    assert not list(folder.glob("runs"))


@pytest.mark.parametrize(
    "arguments", [["check", "nowhere.yaml"], ["run", "search.yml"], ["status", "."], ["results", "x"]]
)
def test_missing_file_or_run_is_one_line_in_a_real_process(arguments, folder):
    (folder / "search.yaml").write_text(whole(), encoding="utf-8")
    command = [sys.executable, "-m", "propulate_like", *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("budget.evaluations", "must have the form"),
        ("budget.evaluations=[", "--set"),
        ("seed.x=1", "no mapping"),
        ("buget.evaluations=5", "did you mean 'budget'"),
    ],
)
def test_bad_change_is_one_line(change, words, folder, monkeypatch, capsys):
    path = folder / "search.yaml"
    path.write_text(whole(rest="seed: 1\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["propulate-like", "check", str(path), "--set", change])
    with pytest.raises(SystemExit) as ended:
        app.main()
    errors = capsys.readouterr().err
    assert (ended.value.code, errors.count("\n")) == (2, 1)
    assert words in errors


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_configs_are_valid_and_fit_the_schema(config, command):
    assert "is valid" in command("check", config).stdout
    validator = jsonschema.Draft202012Validator(schema())
    validator.validate(strict_yaml.load(config.read_bytes()))


@pytest.mark.parametrize(
    "content",
    [
        SPACE + BUDGET,
        whole(rest="sed: 1\n"),
        whole(budget="budget: {evaluations: -1}\n"),
        parameter("{float: [0, 1], lg: true}"),
        whole(space="space: {model: {lr: {flaot: [0, 1]}}}\n"),
        whole(space="space: {model: {}}\n"),
        whole(rest="evaluation: {isolate: true, timeout: soon}\n"),
        whole(rest="propagator: [selct_best: 3]\n"),
    ],
)
def test_schema_refuses_what_the_program_refuses(content):
    validator = jsonschema.Draft202012Validator(schema())
    assert not validator.is_valid(strict_yaml.load(content.encode()))


def test_schema_takes_what_the_program_takes():
    content = whole(
        space="x-a: &a {float: [0, 1]}\nspace: {model: {lr: *a, deep: {lambda: {<<: *a}}}, learning rate: *a}\n",
        budget="budget: {evaluations: 1e3, seconds: 1h30m}\n",
        rest="evaluation: {isolate: true, timeout: 10m, grace: 90s}\n",
    )
    jsonschema.Draft202012Validator(schema()).validate(strict_yaml.load(content.encode()))
    Config.parse(content.encode(), "search.yaml")


@pytest.mark.parametrize(
    "form",
    [
        ["select_best: 64", {"select_random": 2}, {"uniform_crossover": {"probability": 0.7}}, "point_mutation"],
        [
            {
                "warmup": {
                    "initial": {"sobol_initialization": 32},
                    "then": [{"select_best": 8}, {"select_random": 1}],
                    "size": 8,
                }
            },
            {"sometimes": [0.5, {"gaussian_mutation": 0.1}]},
            {"choose": {"options": ["point_mutation", {"gaussian_mutation": [0.1, 0.5]}], "weights": [1, 2]}},
        ],
    ],
)
def test_propagator_survives_being_written_and_read_back(form):
    form = [{"select_best": 64} if step == "select_best: 64" else step for step in form]
    built = read(form)
    again = read(strict_yaml.load(strict_yaml.dump(dump(built)).encode()))
    assert repr(again) == repr(built)
