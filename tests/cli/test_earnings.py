"""What each propagator has earned, as a run's status tells it."""

from conftest import make_individual

from propulate_like import Float, Id, Space, Status
from propulate_like.cli.earnings import Earning, Earnings

SPACE = Space({"x": Float(0, 1)})


def evaluated(rank, serial, loss, origin, ended):
    outcome = {"status": Status.ERROR} if loss is None else {"status": Status.OK, "loss": loss}
    return make_individual(Id(0, rank, serial), (0.5,), SPACE, origin=origin, ended=ended, **outcome)


def test_each_improvement_over_all_ranks_is_credited_once():
    earnings = Earnings()
    for serial, (loss, origin, ended) in enumerate(
        [(5.0, "a", 1.0), (4.0, "b", 3.0), (None, "b", 4.0), (1.0, "a", 6.0)]
    ):
        earnings.add(0, evaluated(0, serial, loss, origin, ended))
    for serial, (loss, origin, ended) in enumerate([(3.0, "c", 2.0), (3.5, "c", 5.0), (2.0, "c", 5.5)]):
        earnings.add(1, evaluated(1, serial, loss, origin, ended))
    assert earnings.table() == {"c": Earning(3, 2, 2.0), "a": Earning(2, 2, 1.0), "b": Earning(2, 0, 4.0)}


def test_what_only_failed_has_earned_nothing():
    earnings = Earnings()
    earnings.add(0, evaluated(0, 0, None, "a", 1.0))
    assert earnings.table() == {"a": Earning(1, 0, float("inf"))}


def test_status_says_who_bred(command, tmp_path):
    (tmp_path / "loss.py").write_text("def loss(x):\n    return x * x\n")
    (tmp_path / "c.yaml").write_text(
        "objective: loss.py:loss\nspace: {x: {float: [-1.0, 1.0]}}\n"
        "budget: {evaluations: 1}\npropagator: uniform_initialization\n"
    )
    command("run", "c.yaml", "--run", "r")
    assert (
        "bred by      uniform_initialization  1 evaluation, best so far 1 time, at best"
        in command("status", "r").stdout
    )
