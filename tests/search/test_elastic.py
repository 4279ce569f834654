"""One run on ever other numbers of ranks, islands and teams."""

import json

import pytest

from propulate_like.storage.events import Evaluated, Session, Started
from propulate_like.storage.journal import migrations, read
from propulate_like.storage.run import Run

pytestmark = pytest.mark.mpi

CONFIG = """\
objective: loss.py:loss
space: {x: {float: [-5, 5]}, y: {float: [-5, 5]}}
propagator: [{select_best: 8}, {select_random: 2}, uniform_crossover, self_adaptive_mutation]
budget: {evaluations: 1}
seed: 0
run: run
"""
LOSS = """\
import time
def loss(x, y):
    time.sleep(0.012)
    return x * x + y * y
"""


@pytest.fixture
def session(tmp_path, command):
    """Continue the run on so many ranks and islands up to so many evaluations; give its individuals, newest last."""
    (tmp_path / "s.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "loss.py").write_text(LOSS, encoding="utf-8")

    def run(
        ranks, islands, evaluations, *more, migration="{migration_probability: 0.2, pollination: false, count: %d}"
    ):
        changes = ("--set", f"islands={migration % islands}", "--set", f"budget.evaluations={evaluations}", *more)
        ended = command("run", "s.yaml", "-n", ranks, *changes)
        assert f"\n{evaluations} evaluations in" in ended.stdout
        individuals = sorted(Run(tmp_path / "run").individuals(), key=lambda one: one.ended)
        assert len({one.id for one in individuals}) == len(individuals) == evaluations
        return individuals

    return run


def test_ranks_and_islands_may_change_each_time_it_goes_on(session, tmp_path):
    known = {}
    evaluations = 0
    for ranks, islands in [(4, 2), (2, 2), (7, 3), (1, 1), (6, 3)]:
        evaluations += 150
        individuals = session(ranks, islands, evaluations)
        now = {one.id: one for one in individuals}
        assert all(repr(now[ident]) == repr(one) for ident, one in known.items()), "what was there stays"
        new = [one for one in individuals if one.id not in known]
        assert {one.id.island for one in new} == set(range(islands))
        assert {one.id.rank for one in new} == set(range(ranks))
        if known:
            assert any(parent in known for one in new for parent in one.parents), "it goes on with what was learnt"
        inside = [one.genome for one in individuals if all(0 < gene < 1 for gene in one.genome)]
        assert len(set(inside)) == len(inside) > evaluations / 2, "no rank bred the same again"
        known = now
    assert {islands for islands, _ in migrations(tmp_path / "run")} == {2, 3}
    adapted = {one.traits[0] for one in known.values() if one.traits}
    assert len(adapted) > 100


def test_teams_may_come_and_go(session, tmp_path):
    session(4, 2, 60)
    session(4, 1, 120, "--set", "evaluation.ranks_per_worker=2")
    session(3, 1, 180)
    session(6, 3, 240, "--set", "evaluation.ranks_per_worker=2")
    teams = [event.team for _, event in read(tmp_path / "run") if isinstance(event, Session)]
    assert sorted(teams) == [1] * 7 + [2] * 5


@pytest.mark.parametrize(("ranks", "islands"), [(7, 3), (1, 1)])
def test_what_was_begun_is_evaluated_first_even_where_hardly_any_budget_is_left(ranks, islands, session, tmp_path):
    """Six of one island had begun when the run was cut off; on seven ranks, seven evaluations are left."""
    session(6, 3, 30, migration="%d")
    journals = sorted((tmp_path / "run/journal").glob("*"))
    ended = [one for one in Run(tmp_path / "run").individuals() if one.id.island == 2]
    cut = {one.id for one in ended[-6:]}
    assert len(cut) == 6
    for path in journals:
        lines = [line for line in path.read_text().splitlines() if line]
        events = [json.loads(line) for line in lines]
        kept = []
        for line, event in zip(lines, events, strict=True):
            if event.get("id") in [[i.island, i.rank, i.serial] for i in cut]:
                if event["type"] == "evaluated":
                    names = ("id", "genome", "parents", "origin", "traits")
                    started = {name: event[name] for name in names if name in event}
                    kept.append(json.dumps({"type": "started", "began": 1.0, **started}))
            else:
                kept.append(line)
        path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    before = {one.id for one in Run(tmp_path / "run").individuals()}
    assert len(before) == 24
    after = session(ranks, islands, 31, migration="%d")
    new = [one.id for one in after if one.id not in before]
    assert cut <= set(new)
    events = [event for _, event in read(tmp_path / "run") if isinstance(event, Started | Evaluated)]
    assert len([event for event in events if isinstance(event, Evaluated)]) == 31
