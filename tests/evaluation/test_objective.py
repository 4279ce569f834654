"""How a loss takes its parameters: by name, as one mapping where it says so, or not at all, which is said at once."""

import asyncio
import functools
from collections.abc import Mapping
from typing import Any, TypedDict

import pytest

import propulate_like as pl

ONE = {"learning_rate": pl.Float(0.0, 1.0)}
SEVERAL = ONE | {"layers": pl.Int(1, 8), "momentum": pl.Float(0.0, 1.0)}


class Typed(TypedDict):
    learning_rate: float


def function(signature, body="return 0.5"):
    names = {"Mapping": Mapping, "Any": Any, "Typed": Typed}
    exec(f"def loss({signature}):\n    {body}", names)
    return names["loss"]


def statuses(loss, space, **options):
    return pl.minimize(loss, space, evaluations=3, seed=0, **options).statuses


class TestMapping:
    @pytest.mark.parametrize(
        "signature",
        [
            "params",
            "config",
            "parameters, verbose=False",
            "p",
            "_",
            "individual",
            "trial",
            "point, *args",
            "x: dict",
            "x: dict[str, float]",
            "x: 'Mapping[str, Any]'",
            "x: Mapping[str, float] | None",
            "params, evaluation",
            "params, **others",
            "my_params",
            "train_config",
            "cfg_dict",
            "HParams",
            "x: Typed",
        ],
    )
    @pytest.mark.parametrize("space", [ONE, SEVERAL], ids=["one", "several"])
    def test_is_passed_where_the_function_says_so(self, signature, space):
        first = signature.partition(",")[0].partition(":")[0]
        loss = function(signature, f"return {first}['learning_rate'] if set({first}) == {set(space)} else None")
        assert statuses(loss, space) == {"ok": 3}

    def test_is_passed_where_nothing_can_be_passed_by_name_and_there_are_several(self):
        assert statuses(function("x, /", "return x['learning_rate']"), SEVERAL) == {"ok": 3}

    def test_is_passed_where_the_name_is_like_none_of_several_or_a_letter_that_begins_them_all(self):
        assert statuses(function("x", "return x['learning_rate']"), SEVERAL) == {"ok": 3}
        assert statuses(lambda x: x["x1"] + x["x2"], {"x1": (0.0, 1.0), "x2": (0.0, 1.0)}) == {"ok": 3}

    @pytest.mark.parametrize(
        ("signature", "space"),
        [
            ("l", ONE | {"batch": pl.Int(1, 8)}),
            ("lr", ONE),
            ("lr", SEVERAL),
            ("learning_rat", ONE),
            ("x", ONE),
            ("learning", SEVERAL),
            ("layer", SEVERAL),
            ("lrate", SEVERAL),
            ("lr: float", SEVERAL),
            ("p: float", ONE),
            ("lr, momentum=0.9", SEVERAL),
            ("lr=0.5", ONE),
            ("lr, *args", ONE),
            ("lr, evaluation", ONE),
            ("*args", ONE),
        ],
    )
    def test_is_not_passed_to_a_parameter_whose_name_does_not_match(self, signature, space):
        loss = function(signature)
        with pytest.raises(ValueError, match=r"loss\(\) has no parameter 'l") as caught:
            statuses(loss, space)
        assert "\n" not in str(caught.value)

    def test_is_offered_where_a_single_parameter_does_not_match(self):
        for read in (lambda: statuses(function("lr"), ONE), lambda: pl.objective(**ONE)(function("lr"))):
            with pytest.raises(ValueError) as caught:  # noqa: PT011
                read()
            assert str(caught.value) == (
                "loss() has no parameter 'learning_rate', which the space has; valid: lr (a function that takes all of "
                "them as one mapping names that params, not lr)"
            )

    def test_is_for_methods_partial_decorated_and_callable_losses_what_it_is_for_functions(self):
        class Model:
            def by_name(self, learning_rate):
                return learning_rate

            def misnamed(self, lr):
                return lr

            def __call__(self, params):
                return params["learning_rate"]

        def logged(loss):
            @functools.wraps(loss)
            def wrapper(*args, **kwargs):
                return loss(*args, **kwargs)

            return wrapper

        def scaled(params, scale):
            return params["learning_rate"] * scale

        taken = [Model().by_name, Model(), logged(Model().by_name), functools.partial(scaled, scale=2.0)]
        taken.append(functools.partial(lambda scale, learning_rate: scale * learning_rate, 2.0))
        for loss in taken:
            assert statuses(loss, ONE) == {"ok": 3}
        for loss in (Model().misnamed, logged(Model().misnamed), functools.partial(Model().misnamed)):
            with pytest.raises(ValueError, match="has no parameter 'learning_rate'"):
                statuses(loss, ONE)


ASYNC = """
import asyncio
import propulate_like as pl

async def loss(x):
    await asyncio.sleep(0)
    return x

async def steps(x):
    for step in range(3):
        await asyncio.sleep(0)
        yield x + (3 - step)

async def fails(x):
    raise ArithmeticError("no")

async def asks(trial):
    return trial.suggest_float("x", 0.0, 1.0)

if __name__ == "__main__":
    for isolate in (False, True):
        for tried, space in ((loss, True), (steps, True), (fails, True), (asks, False)):
            try:
                result = pl.minimize(
                    tried, {"x": (0.0, 1.0)} if space else None, evaluations=4, evaluation={"isolate": isolate}
                )
            except pl.SearchFailed as failed:
                result = failed.result
            losses = {one.loss == one.params["x"] + (tried is steps) for one in result.individuals if one.has_loss}
            print(*result.statuses, losses, [len(one.curve) for one in result.individuals])
"""


class TestAsync:
    def test_function_is_run_in_the_rank_and_in_a_child(self, script, python):
        lines = python(script(ASYNC)).stdout.splitlines()
        expected = [
            "ok {True} [0, 0, 0, 0]",
            "ok {True} [3, 3, 3, 3]",
            "error set() [0, 0, 0, 0]",
            "ok {True} [0, 0, 0, 0]",
        ]
        assert lines == expected * 2

    def test_function_is_found_in_a_file(self, script, command, tmp_path):
        script(ASYNC, "losses.py")
        (tmp_path / "search.yaml").write_text(
            "objective: losses.py:loss\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 5}\n"
        )
        assert "is valid" in command("check", "search.yaml").stdout
        assert "5 evaluations in" in command("run", "search.yaml").stdout

    def test_generator_that_is_stopped_is_closed(self):
        closed = []

        async def steps(x):
            try:
                for step in range(100):
                    yield x + step
            finally:
                closed.append(x)

        assert statuses(steps, {"x": (0.0, 1.0)}, pruner={"threshold": {"upper": 5.0}}) == {"stopped": 3}
        assert len(closed) == 3

    def test_decorators_may_run_them_already(self):
        def collected(loss):
            @functools.wraps(loss)
            def wrapper(**params):
                async def last():
                    return [value async for value in loss(**params)][-1]

                return asyncio.run(last())

            return wrapper

        def run(loss):
            return functools.wraps(loss)(lambda **params: asyncio.run(loss(**params)))

        async def steps(x):
            yield x + 1
            yield x

        async def plain(x):
            return x

        for loss in (collected(steps), run(plain)):
            assert statuses(loss, {"x": (0.0, 1.0)}) == {"ok": 3}

    def test_methods_and_objects_are_run_too(self):
        class Model:
            async def train(self, x):
                return x

            async def __call__(self, x):
                return x

        decorated = functools.wraps(Model().train)(lambda x: Model().train(x))
        losses = [Model().train, Model(), functools.partial(Model().train), decorated, lambda x: Model().train(x)]
        for loss in losses:
            assert statuses(loss, {"x": (0.0, 1.0)}) == {"ok": 3}

    def test_what_an_ordinary_function_awaits_nowhere_is_awaited(self):
        async def steps(x):
            yield x + 1
            yield x

        def loss(x):
            return steps(x)

        result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=3)
        assert all(one.loss == one.params["x"] and len(one.curve) == 2 for one in result.individuals)


@pytest.mark.parametrize("loss", [None, 3, {"x": 1}, ["train.py", "train"]])
def test_what_is_no_function_is_no_loss(loss):
    with pytest.raises(ValueError, match=r"is no loss: give a function"):
        pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=3)
