"""What ranks compare before a search begins: where one was asked for another search than rank 0, none begins."""

import dataclasses
import functools
import inspect
import json
import subprocess
import sys

import pytest

import propulate_like as pl
from propulate_like.evaluation.fingerprint import fingerprint
from propulate_like.problem.budget import Budget
from propulate_like.search.agreement import disagreement, word_of
from propulate_like.search.specification import SearchSpecification, Settings
from propulate_like.storage.run import Run

SPACE = {"x": pl.Float(0.0, 1.0), "y": pl.Int(1, 8)}


def loss(x, y, epochs=1):
    return x * y / epochs


def word(objective=loss, **options):
    budget = options.pop("budget", Budget(20))
    space = options.pop("space", SPACE)
    return word_of(SearchSpecification.read(objective, space, budget=budget, **options))


class TestTerms:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"budget": Budget(21)}, "budget.evaluations (21) than rank 0 (20)"),
            ({"budget": Budget(20, target=0.5)}, "budget.target (0.5) than rank 0 (null)"),
            ({"space": {"y": pl.Int(1, 8), "x": pl.Float(0.0, 1.0)}}, "space (in another order than rank 0"),
            ({"space": SPACE | {"y": pl.Int(1, 9)}}, 'space.y ({"int": [1, 9]}) than rank 0 ({"int": [1, 8]})'),
            ({"space": {"x": SPACE["x"]}, "objective": lambda x: x}, 'space (["x"]) than rank 0 (["x", "y"])'),
            ({"maximize": True}, 'directions (["maximize"]) than rank 0 (["minimize"])'),
            ({"directions": ["minimize", "minimize"]}, "directions"),
            ({"islands": 2}, "islands"),
            ({"propagator": pl.UniformInitialization()}, "propagator"),
            ({"pruner": "median"}, "pruner"),
            ({"fidelity": {"name": "epochs", "rungs": [1, 3]}}, "fidelity"),
            ({"evaluation": {"metric": "size"}}, 'evaluation.metric ("size") than rank 0 (null)'),
            ({"evaluation": {"grace": 1}}, "evaluation.grace (1.0) than rank 0 (5.0)"),
            ({"run": "here"}, "run"),
            ({"objective": pl.Command(["echo", "{x}", "{y}"])}, "loss"),
        ],
    )
    def test_name_what_must_be_the_same_on_all_ranks(self, options, words):
        said = disagreement([word(), word(**options)])
        assert said.startswith("rank 1 was given another ")
        assert words in said
        assert said.endswith(
            ": every rank must make the same call, so draw what is random from a seed that all of them have"
        )

    def test_leave_out_what_rank_0_says_for_all(self, tmp_path):
        assert word() == word(budget=Budget(20, 60.5), seed=1, warm_start=tmp_path / "old", points=[{"x": 0.5}])

    def test_know_a_folder_by_whatever_path(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "link").symlink_to(tmp_path)
        assert word(run="run") == word(run=tmp_path / "run") == word(run="link/run")

    def test_take_objects_without_a_text_of_their_own_by_their_class_and_sets_by_their_members(self):
        class _Drawn(pl.Propagator):
            takes = (0, None)

            def __init__(self, source):
                self.source = source

        first, again, other = (word(propagator=_Drawn(source)) for source in (object(), object(), {1}))
        assert first == again != other
        assert word(propagator=_Drawn({"b", "a"})) == word(propagator=_Drawn({"a", "b"}))

    def test_say_that_a_set_has_no_order(self):
        first, other = (word(space=SPACE | {"x": pl.Choice(*each)}) for each in (["a", "b", "c"], ["c", "a", "b"]))
        assert "space.x (in another order than rank 0, as a set has in each process: give a list)" in disagreement(
            [first, other]
        )

    def test_do_not_depend_on_the_order_of_a_mapping_or_of_statuses(self):
        assert word(evaluation={"retries": 1, "grace": 1}) == word(evaluation={"grace": 1, "retries": 1})
        statuses = ["crashed", "timeout", "nan"]
        assert word(evaluation={"retry_on": statuses}) == word(evaluation={"retry_on": statuses[::-1]})
        conditions = [{"a": 1, "b": 2}, {"b": 2, "a": 1}]
        spaces = [{"a": pl.Int(1, 2), "b": pl.Int(1, 2), "c": pl.Int(1, 9, when=when)} for when in conditions]
        same = [word(objective=lambda a, b, c=1: a, space=space).terms["space.c"] for space in spaces]
        assert same[0] == same[1]

    @pytest.mark.parametrize(
        ("others", "words"),
        [
            ([1], "rank 1 was given another budget.evaluations (5) than rank 0 (20), islands"),
            ([2, 5], "ranks 2 and 5 were given another budget"),
            ([1, 2, 3], "ranks 1, 2 and 3 were"),
            ([1, 2, 3, 4, 5], "ranks 1, 2, 3 and 2 more were"),
        ],
    )
    def test_say_which_ranks_differ(self, others, words):
        same, other = word(), word(islands=2, budget=Budget(5))
        assert disagreement([other if rank in others else same for rank in range(6)]).startswith(words)

    def test_show_where_long_values_begin_to_differ(self):
        first, other = (
            word(space=SPACE | {"x": pl.Choice(*map(str, range(100)), last)}) for last in ("first", "other")
        )
        said = disagreement([first, other])
        assert '"other"' in said
        assert '"first"' in said
        assert len(said) < 300


class TestFingerprint:
    def test_of_a_function_is_its_name_and_code_but_not_what_it_holds(self):
        def made(power, name="loss", how="x ** power"):
            held = {"power": power}
            exec(f"def {name}(x):\n    return {how}", held)
            return held[name]

        assert fingerprint(made(2)) == fingerprint(made(3))
        assert fingerprint(made(2)) != fingerprint(made(2, name="other"))
        assert fingerprint(made(2)) != fingerprint(made(2, how="x + power"))
        assert fingerprint(made(2, how="x + 1")) != fingerprint(made(2, how="x + 2"))
        assert fingerprint(made(2, how="x in {'a', 'b'}")) == fingerprint(made(2, how="x in {'b', 'a'}"))

    def test_of_what_wraps_a_function_has_the_code_of_both(self):
        def logged(function, how=1):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)

            @functools.wraps(function)
            def other(*args, **kwargs):
                return function(*args, **kwargs) + how

            return wrapper if how == 1 else other

        def inner(x):
            return x

        changed = logged(lambda x: x + 1)
        assert fingerprint(logged(inner)) != fingerprint(inner)
        assert fingerprint(logged(inner)) != fingerprint(logged(inner, 2))
        assert fingerprint(logged(inner)) != fingerprint(changed)

    def test_of_partial_functions_methods_objects_and_classes_is_that_of_their_functions(self):
        @dataclasses.dataclass
        class Model:
            size: int = 1

            def __call__(self, x):
                return x

            def train(self, x):
                return x + 1

        assert fingerprint(functools.partial(loss, y=1)) == fingerprint(functools.partial(loss, y=2))
        assert fingerprint(functools.partial(loss, y=1)) == fingerprint(loss)
        assert fingerprint(Model(1)) == fingerprint(Model(2)) != fingerprint(Model(1).train)
        assert fingerprint(Model(1).train) == fingerprint(Model(2).train)
        assert len({fingerprint(each) for each in (Model, max, min, Model())}) == 4

    def test_of_a_set_in_the_code_is_the_same_in_every_process(self):
        code = (
            "from propulate_like.evaluation.fingerprint import fingerprint\n"
            "def loss(x):\n    return x in {'a', 'b', 'c', 'd', ('e', 1)}\nprint(fingerprint(loss))"
        )
        said = {
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
            for _ in range(3)
        }
        assert len(said) == 1


# Each argument of `minimize`, as one rank has it besides the usual call; the second text is what names it.
ARGUMENTS = {
    "loss": ("loss=lambda x, epochs=1: x + 1", "loss"),
    "space": ("space={'x': pl.Float(0, 2)}", "space.x"),
    "directions": ("directions=['maximize']", "directions"),
    "evaluations": ("evaluations=31", "budget.evaluations (31) than rank 0 (30)"),
    "seconds": ("seconds=50 + rank", None),
    "target": ("target=-5.0", "budget.target"),
    "islands": ("islands=3", "islands.count"),
    "migration": ("migration={'topology': 'full'}", "islands.topology"),
    "propagator": ("propagator=pl.UniformInitialization()", "propagator"),
    "pruner": ("pruner='median'", "pruner"),
    "fidelity": ("fidelity={'name': 'epochs', 'rungs': [1, 3]}", "fidelity.name"),
    "evaluation": ("evaluation={'retries': 3}", "evaluation.retries"),
    "seed": ("seed=7 + rank", None),
    "run": ("run='elsewhere'", "run"),
    "fork": ("fork='copy'", "fork"),
    "warm_start": ("warm_start=[{'x': 0.1, 'loss': 0.1}]", None),
    "callbacks": ("callbacks=lambda search, individual: None", None),
    "ranks": ("ranks=4", "cannot begin the search, and other ranks can: ranks=4: an MPI launcher has started 3 ranks"),
    "points": ("points=[{'x': 0.5}]", None),
    "progress": ("progress=True", None),
}
# Each key of `evaluation`.
EVALUATION = {
    "isolate": False,
    "timeout": 5,
    "memory": "4 GiB",
    "retries": 2,
    "retry_on": ["nan"],
    "gpus": "none",
    "gpus_per_rank": 2,
    "ranks_per_gpu": 2,
    "ranks_per_worker": 3,
    "energy": True,
    "grace": 2,
    "metric": "size",
}
NEEDED = {
    "timeout": {"isolate": True},
    "memory": {"isolate": True},
    "gpus_per_rank": {"gpus": [0, 1]},
    "ranks_per_gpu": {"gpus": [0]},
}
OTHERS = {  # what a user may do besides
    "maximize": ("search=pl.maximize", "directions"),
    "two losses": ("directions=['minimize', 'minimize'], propagator='auto'", "directions"),
    "no folder": ("run=None", "run (null)"),
    "a folder for each rank": ("run=f'runs/{rank}'", "run"),
    "a set": ("space={'x': pl.Choice(*'abc'[rank:], *'abc'[:rank])}", "space.x (in another order than rank 0"),
    "a refused value": ("evaluations=-1", "cannot begin the search, and other ranks can: evaluations=-1"),
    "another error": ("space=Broken(x=1)", "cannot begin the search, and other ranks can: LookupError: broken"),
    "an unfit loss": ("loss=lambda z, w: z", "loss"),
    "no such file": ("loss='nowhere.py:f'", "loss"),
}
PROGRAM = """
    import json, os, sys
    import propulate_like as pl
    from propulate_like.parallel.transport import launched

    class Broken(dict):
        def items(self):
            raise LookupError("broken")

    rank = launched()[0]
    for number, (name, change) in enumerate(json.load(open("cases.json"))):
        given = {
            "search": pl.minimize, "loss": lambda x, epochs=1: x if isinstance(x, float) else 0.5,
            "space": {"x": pl.Float(0, 1)}, "evaluations": 30, "islands": 2, "seed": 3, "run": f"run-{number}",
        }
        if rank == 1 or name == "a set":
            given |= eval(f"dict({change})")
        kept, said = os.dup(2), f"said-{number}-{rank}"
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
        try:
            result = given.pop("search")(**given)
            ended = [result.evaluations, str(result.best.id)]
        except SystemExit as end:
            ended = ["exit", end.code]
        except Exception as error:
            ended = [repr(error)]
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
        json.dump([ended, open(said).read()], open(f"ended-{number}-{rank}", "w"))
"""


def differing():
    """Return the changes of one rank, by their names, with the words that name them, or None where rank 0's holds."""
    assert set(ARGUMENTS) == set(inspect.signature(pl.minimize).parameters), "each argument is tried"
    assert set(EVALUATION) == set(pl.EvaluationSettings.__struct_fields__), "each key of `evaluation` is tried"
    settings = {
        key: (f"evaluation={ {**NEEDED.get(key, {}), key: value}!r}", f"evaluation.{key}")
        for key, value in EVALUATION.items()
    }
    return ARGUMENTS | settings | OTHERS


@pytest.mark.mpi
@pytest.mark.every_mpi
def test_each_argument_of_one_rank_alone_is_refused_by_its_name_or_rank_0_s_holds(script, pooled, tmp_path):
    cases = differing()
    changes = [[name, change] for name, (change, _) in cases.items()]
    (tmp_path / "cases.json").write_text(json.dumps(changes))
    pooled(script(PROGRAM), ranks=3)
    for number, (name, (_, words)) in enumerate(cases.items()):
        told = [json.loads((tmp_path / f"ended-{number}-{rank}").read_text()) for rank in range(3)]
        endings, said = [ended for ended, _ in told], [text for _, text in told]
        if words is None:
            assert endings[0][0] == 30, name
            assert endings[1:] == endings[:1] * 2, name
            config = Run(tmp_path / f"run-{number}").config
            assert (config["seed"], config["budget"]) == (3, {"evaluations": 30}), name
            continue
        assert endings == [["exit", 2]] * 3, (name, told)
        assert said[1:] == ["", ""], name
        assert len(said[0].splitlines()) == 1, (name, said[0])
        assert words in said[0], (name, said[0])
        assert "rank 1" in said[0] or name == "a set", (name, said[0])
        assert not (tmp_path / f"run-{number}").exists(), name


# Each key of a configuration, as one rank was started with it.
KEYS = {
    "objective": "objective=other.py:loss",
    "budget": "budget.evaluations=31",
    "space": "space.x.float=[0, 2]",
    "islands": "islands=2",
    "propagator": "propagator=evolution",
    "pruner": "pruner=median",
    "fidelity": "fidelity={name: epochs, rungs: [1, 3]}",
    "evaluation": "evaluation.retries=1",
    "maximize": "maximize=true",
    "directions": "directions=[minimize, minimize]",
    "seed": "seed=4",
    "run": "run=elsewhere",
    "warm_start": "warm_start=old.csv",
    "callbacks": "callbacks=[mine]",
    "points": "points=[{x: 0.5}]",
}
# What all three are started with, where the file of the loss gives one of them another one.
LOSSES = {
    "loss.py:unfit": "rank 2 cannot begin the search, and other ranks can: unfit() needs 'other'",
    "loss.py:renamed": "rank 2 was given another loss",
    "loss.py:decorated": "rank 1 was given another space.x (in another order than rank 0",
    "loss.py:missing": "rank 1 cannot begin the search, and other ranks can: '",
    "fails.py:loss": "rank 2 cannot begin the search, and other ranks can: ModuleNotFoundError: No module named",
}
LOSS = """
import propulate_like as pl
from propulate_like.parallel.transport import launched
rank = launched()[0]
def loss(x):
    return x
def unfit(x):
    return x
def renamed(x):
    return x
def missing(x):
    return x
if rank == 1:
    del missing
if rank == 2:
    def unfit(x, other):
        return x
    def renamed(x):
        return x + 1
@pl.objective(x=pl.Choice(*("ba" if rank == 1 else "ab")))
def decorated(x):
    return 1.0
"""
FAILS = """
from propulate_like.parallel.transport import launched
if launched()[0] == 2:
    import nowhere
def loss(x):
    return x
"""
STARTED = """
    import json, os
    from propulate_like.cli.rank import Order, run
    from propulate_like.parallel.transport import launched
    rank = launched()[0]
    os.chdir(f"host-{rank}")
    for number, orders in enumerate(json.load(open("../orders.json"))):
        order = {"source": "search.yaml", "run": f"../run-{number}"} | orders["all"] | orders.get(str(rank), {})
        kept, said = [os.dup(1), os.dup(2)], os.open("said", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1), os.dup2(said, 2)
        status = run(Order(**order))
        os.dup2(kept[0], 1), os.dup2(kept[1], 2)
        json.dump([status, open("said").read()], open(f"../ended-{number}-{rank}", "w"))
"""


@pytest.fixture
def started(script, pooled, tmp_path):
    """Start ranks of three hosts, each with files of its own, and give what each of them ends with."""
    for rank in range(3):
        host = tmp_path / f"host-{rank}"
        host.mkdir()
        budget = f"budget: {{evaluations: {30 + rank}}}"  # of which only rank 0 reads its own
        (host / "search.yaml").write_text(f"objective: loss.py:loss\nspace: {{x: {{float: [0, 1]}}}}\n{budget}\n")
        (host / "loss.py").write_text(LOSS)
        (host / "fails.py").write_text(FAILS)

    def start(orders):
        (tmp_path / "orders.json").write_text(json.dumps(orders))
        pooled(script(STARTED), ranks=3)
        for number in range(len(orders)):
            yield [json.loads((tmp_path / f"ended-{number}-{rank}").read_text()) for rank in range(3)]

    return start


@pytest.mark.mpi
@pytest.mark.every_mpi
def test_each_key_that_one_rank_was_started_with_is_refused_by_its_name(started, tmp_path):
    assert set(KEYS) == set(Settings.__struct_fields__), "each key is tried"
    orders = {f"--set {change.partition('=')[0]}=": {"changes": [change]} for change in KEYS.values()}
    orders |= {"CONFIG other.yaml": {"source": "other.yaml"}, "--run other": {"run": "other"}}
    orders |= {"--fork copy": {"fork": "copy"}}
    endings = started([{"all": {}, "1": order} for order in orders.values()])
    for number, ((words, _), ending) in enumerate(zip(orders.items(), endings, strict=True)):
        assert [status for status, _ in ending] == [2, 2, 2], words
        said = [text for _, text in ending]
        assert said[1:] == ["", ""], words
        assert (
            said[0]
            .replace("'", "")
            .startswith(f"rank 1 cannot begin the search, and other ranks can: it was started with {words}")
        )
        assert len(said[0].splitlines()) == 1
        assert not (tmp_path / f"run-{number}").exists()


@pytest.mark.mpi
@pytest.mark.every_mpi
def test_rank_0_alone_reads_the_files_and_what_a_loss_is_elsewhere_is_said(started, tmp_path):
    space = {"loss.py:decorated": "space=null"}
    changes = [[f"objective={loss}", space.get(loss, "seed=0")] for loss in LOSSES]
    same, *differing = started([{"all": {}}, *({"all": {"changes": each}} for each in changes)])
    assert [status for status, _ in same] == [0, 0, 0]
    assert Run(tmp_path / "run-0").config["budget"] == {"evaluations": 30}
    for words, ending in zip(LOSSES.values(), differing, strict=True):
        assert [status for status, _ in ending] == [2, 2, 2], ending
        assert ending[0][1].startswith(words)
        assert len(ending[0][1].splitlines()) == 1
        assert [said for _, said in ending[1:]] == ["", ""]


@pytest.mark.mpi
@pytest.mark.every_mpi
@pytest.mark.slow
def test_a_program_whose_ranks_differ_ends_with_status_2(script, python):
    path = script("""
        import propulate_like as pl
        from propulate_like.parallel.transport import launched
        pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=50 + (launched()[0] == 2))
        print("unreached")
    """)
    ended = python(path, ranks=3, check=False)
    assert ended.returncode == 2
    assert "unreached" not in ended.stdout
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("rank 2 was given another budget.evaluations (51) than rank 0 (50): ") == 1


@pytest.mark.mpi
def test_ranks_that_wait_long_for_another_say_so(script, pooled):
    path = script("""
        import os, time
        import propulate_like as pl
        from propulate_like.parallel.transport import launched
        from propulate_like.search import agreement
        agreement._PATIENCE_SECONDS = 0.2
        said = ".rank-0-stderr"  # which is there once rank 0 has begun
        while launched()[0] == 2 and not (os.path.exists(said) and os.path.getsize(said)):
            time.sleep(0.05)
        pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=50)
    """)
    said = pooled(path, ranks=3).stderr
    assert "rank 0 has waited 0.2 s for other ranks: each must make the same searches in turn" in said
    assert "rank 2 has" not in said


@pytest.mark.mpi
@pytest.mark.every_mpi
def test_searches_in_another_turn_are_refused(script, pooled, reports):
    path = script("""
        import propulate_like as pl
        from propulate_like.parallel.transport import launched
        rank = launched()[0]
        losses = [lambda x: x, lambda x: -x]
        for loss in losses if rank < 2 else losses[::-1]:
            try:
                pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=20)
            except SystemExit as end:
                report(end.code)
        report(pl.minimize(losses[0], {"x": (0.0, 1.0)}, evaluations=20).evaluations)
    """)
    said = pooled(path, ranks=3).stderr.splitlines()
    assert [line.partition(" (")[0] for line in said] == ["rank 2 was given another loss"] * 2
    assert sorted(reports()) == [["2"]] * 6 + [["20"]] * 3


SETS = """
import propulate_like as pl
words = set(map(str, range(9)))
print(pl.Int(1, 8, when={"a": words}).declaration())
for read in (
    lambda: pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=1, directions={"minimize", "maximize"}),
    lambda: pl.minimize(lambda x: x, {"x": words}, evaluations=1),
    lambda: pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=1, islands={2, 6}),
    lambda: pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=1, warm_start={"a.csv", "b.csv"}),
    lambda: pl.Fidelity("epochs", {1, 3, 9}),
    lambda: pl.Choice(words),
):
    try:
        print("taken", read())
    except ValueError:
        print("refused")
settings = {"gpus": {"GPU-a1", "GPU-b1", "GPU-c1"}, "retry_on": {"crashed", "error", "nan"}}
again = {"retry_on": settings["retry_on"]}
pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=1, run="RUN", evaluation=again)
print(open("RUN/config.yaml").read().partition("seed")[0])
print(pl.EvaluationSettings(**settings))
"""


def test_sets_where_lists_are_meant_are_ordered_or_refused(tmp_path):
    said = set()
    for run in range(3):
        program = SETS.replace("RUN", f"run-{run}")
        said.add(
            subprocess.run(
                [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
            ).stdout
        )
    assert len(said) == 1
    assert "taken" not in said.pop()
