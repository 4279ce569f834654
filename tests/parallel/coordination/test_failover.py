"""Ranks that die: a search ends with its whole budget, each evaluation counted once. In virtual time."""

from random import Random

import pytest
from conftest import some_of

from propulate_like import Float, Space
from propulate_like.parallel.transport.simulated import Network
from propulate_like.population.outcome import OK, Outcome
from propulate_like.problem.budget import Budget
from propulate_like.problem.fidelity import Fidelity
from propulate_like.search.islands.migration import Islands
from propulate_like.search.simulation import Simulation
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.events import Evaluated, Session, Started
from propulate_like.storage.journal import Journal
from propulate_like.storage.recovery import DeadRankState

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1)})


class Disk(Journal):
    """What a rank wrote, which outlives it."""

    def __init__(self, rank):
        super().__init__(None)
        self.dead_state = DeadRankState(Session(rank, 0, 0.0))
        self.ids = []

    def start(self, individual, deaths=0):
        self.write(Started.now(individual, deaths))

    def end(self, individual):
        self.ids.append(individual.id)
        self.write(Evaluated(individual))

    def write(self, event):
        self.dead_state.add(event)


def search(number, *, kept=True, fidelity=None, **ends):
    """Run one of many random searches in which ranks die, and give its disks, its budget, the dead and its ending."""
    generator = Random(number)
    ranks, evaluations = generator.randint(2, 12), generator.randint(20, 200)
    disks = [Disk(rank) for rank in range(ranks)]
    mean = 10 ** generator.uniform(-4, 0)
    dying = generator.sample(range(ranks), generator.randint(1, ranks - 1))
    length = mean * evaluations / ranks
    islands = Islands(
        generator.randint(1, 3),
        migration_probability=generator.choice([0.0, 0.3]),
        pollination=generator.random() < 0.5,
    )
    deadline = ends["deadline"] * length if "deadline" in ends else None
    specification = SearchSpecification(
        objective="loss.py:first",
        space=SPACE,
        budget=Budget(evaluations, deadline, ends.get("target")),
        islands=islands,
        fidelity=fidelity,
        seed=number,
    )
    simulation = Simulation(
        specification,
        ranks,
        lambda individual: individual.evaluated(Outcome(OK, individual.genome[0])),
        lambda _individual, own: own.expovariate(1 / mean),
        network=Network(latency=10 ** generator.uniform(-5, -1)),
        silent=lambda rank: rank % 3 == 1,
        journal=lambda rank: disks[rank],
        deaths=[
            (rank, generator.uniform(0, 1.3 * length), lambda _other: generator.uniform(0.003, 0.1)) for rank in dying
        ],
        dead_state=lambda rank: disks[rank].dead_state if kept else DeadRankState(),
    )
    summary = simulation.run()
    dead = {rank.end.rank for rank in simulation.ranks if rank.dead}
    return disks, evaluations, dead, summary


@some_of(range(100), 25)
def test_budget_is_met_and_each_evaluation_counted_once_whoever_dies_when(numbers):
    for number in numbers:
        disks, evaluations, _, summary = search(number)
        ids = [ident for disk in disks for ident in disk.ids]
        assert len(ids) == len(set(ids)) == evaluations, number
        assert sum(summary.evaluations.statuses.values()) == evaluations, number


@some_of(range(100, 120), 5)
def test_without_journals_what_dead_ranks_did_is_done_again(numbers):
    for number in numbers:
        disks, evaluations, dead, summary = search(number, kept=False)
        assert sum(summary.evaluations.statuses.values()) >= evaluations, number
        assert sum(len(disk.ids) for rank, disk in enumerate(disks) if rank not in dead) <= evaluations, number


@some_of(range(200, 240), 5)
def test_budget_is_met_with_a_fidelity_too(numbers):
    for number in numbers:
        disks, evaluations, _, summary = search(number, fidelity=Fidelity.of({"name": "epochs", "rungs": [1, 3, 9]}))
        ids = [ident for disk in disks for ident in disk.ids]
        assert len(ids) == len(set(ids)) == evaluations == sum(summary.evaluations.statuses.values()), number


@pytest.mark.parametrize("ends", [{"target": 0.01}, {"deadline": 0.5}])
@some_of(range(300, 340), 5)
def test_all_that_live_end_for_the_same_reason_with_all_counted(numbers, ends):
    for number in numbers:
        disks, evaluations, _, summary = search(number, **ends)
        ids = [ident for disk in disks for ident in disk.ids]
        assert len(ids) == len(set(ids)) == sum(summary.evaluations.statuses.values()) <= evaluations, number
        bests = [disk.dead_state.summary.best for disk in disks]
        assert summary.evaluations.best.loss == min(best.loss for best in bests if best), number
