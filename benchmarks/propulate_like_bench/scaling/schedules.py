"""Random schedules: searches whose messages come late, twice and in any order, to see what holds all the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import msgspec

from propulate_like.parallel import wire
from propulate_like.parallel.transport.simulated import Network, SimulatedTransport
from propulate_like.population.individual import Id, Individual
from propulate_like.population.migrating import MigratingPopulation
from propulate_like.population.outcome import OK, Outcome
from propulate_like.problem.budget import Budget
from propulate_like.problem.parameters import Float
from propulate_like.problem.space import Space
from propulate_like.propagators import (
    Chain,
    GaussianMutation,
    Propagator,
    SelectBest,
    SelectRandom,
    SelectTournament,
    UniformCrossover,
)
from propulate_like.search.islands.migration import Islands
from propulate_like.search.simulation import Simulation, Trace
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.events import Event, Moved
from propulate_like.storage.migration_history import MigrationHistory

SPACE = Space({"x": Float(0.0, 1.0)})
_UNRULY = 0.2  # the share of messages that come late, or twice
_OF_POPULATIONS = {wire.RECORDS, wire.RETIRED, wire.MIGRANT}


class Book(Trace):
    """Keeps whom a rank evaluated, and who left."""

    def __init__(self) -> None:
        super().__init__()
        self.evaluated: list[Individual] = []
        self.moved: list[Moved] = []

    def end(self, individual: Individual) -> None:
        super().end(individual)
        self.evaluated.append(individual)

    def note(self, event: Event) -> None:
        if isinstance(event, Moved):
            self.moved.append(event)


class Schedule:
    """One search on simulated ranks, with a record of everything that happened in it."""

    def __init__(
        self,
        islands: Islands,
        ranks: int,
        propagator: Propagator,
        evaluations: int,
        seed: int,
        *,
        seconds: float = 1e-3,
        improving: bool = False,
        network: Network | None = None,
        silent: Callable[[int], bool] = lambda _rank: False,
    ) -> None:
        """Draw losses at random, from a stationary distribution or an `improving` one, and lognormal times."""
        self.books: list[Book] = []
        generator = Random(seed)
        self._drawn = 0

        def evaluate(individual: Individual) -> Individual:
            self._drawn += 1
            return individual.evaluated(
                Outcome(OK, generator.random() / (math.sqrt(self._drawn) if improving else 1.0))
            )

        specification = SearchSpecification(
            objective=evaluate,
            space=SPACE,
            budget=Budget(evaluations),
            islands=islands,
            propagator=propagator,
            seed=seed,
        )
        self.simulation = Simulation(
            specification,
            ranks,
            evaluate,
            lambda _, times: seconds * math.exp(times.gauss(0.0, 1.0)),
            network=network,
            silent=silent,
            journal=self._book,
        )

    def run(self) -> None:
        """Search to the end, and then until every message has been taken and passed on."""
        simulation = self.simulation
        self.ending = simulation.run()
        quiet = False
        while not quiet:
            simulation.now += 1.0
            quiet = True
            for rank in simulation.ranks:
                rank.worker.exchange()
                quiet = quiet and rank.worker.island.broadcaster.done and not rank.end.unsent
            quiet = quiet and not any(rank.end.inbox for rank in simulation.ranks)
        self.history = MigrationHistory((0, moved) for book in self.books for moved in book.moved)
        self.evaluated = [individual for book in self.books for individual in book.evaluated]

    def living(self, island: int) -> list[Individual]:
        """Return all that was evaluated and lives on an island, best first, by what the ranks wrote down."""
        there = [individual for individual in self.evaluated if island in self.history.islands(individual.id)]
        return sorted(there, key=lambda individual: individual.loss)

    def _book(self, _rank: int) -> Book:
        self.books.append(Book())
        return self.books[-1]


class Homes(msgspec.Struct, frozen=True):
    """Where the individuals of a search live in the end: in how many ranks' charge, and in whose populations."""

    evaluated: int
    moves: int
    cared_for: int
    twice: int
    lost: int
    elsewhere: int
    """Held by a rank of another island than the one on which they live."""


def conservation(evaluations: int, seed: int, ranks: int = 16, count: int = 4, *, pollination: bool = False) -> Homes:
    """Let individuals migrate while a fifth of the messages about them comes late, twice or out of order."""
    chain = Chain(SelectTournament(2, 4), UniformCrossover(0.5), GaussianMutation(0.1))  # which reads everything
    islands = Islands(count, topology="full", migration_probability=0.1, pollination=pollination)
    schedule = Schedule(islands, ranks, chain, evaluations, seed)
    generator = Random(f"{seed}/network")
    for rank in schedule.simulation.ranks:
        _make_unruly(rank.end, lambda: schedule.simulation.now, generator)
    schedule.run()
    owned: dict[Id, int] = {}
    elsewhere = 0
    for rank in schedule.simulation.ranks:
        optimizer = rank.worker.optimizer
        if isinstance(optimizer.population, MigratingPopulation):
            for individual in optimizer.population.owned:
                owned[individual.id] = owned.get(individual.id, 0) + 1
        elsewhere += sum(optimizer.island not in schedule.history.islands(one.id) for one in optimizer.population)
    return Homes(
        evaluated=len({individual.id for individual in schedule.evaluated}),
        moves=sum(len(book.moved) for book in schedule.books),
        cared_for=len(owned),
        twice=sum(times > 1 for times in owned.values()),
        lost=sum(individual.id not in owned for individual in schedule.evaluated),
        elsewhere=elsewhere,
    )


def _make_unruly(end: SimulatedTransport, now: Callable[[], float], generator: Random) -> None:
    """Let some of the messages that concern populations arrive again later, or only later, in any order."""
    receive = end.receive
    late: list[tuple[float, int, bytes]] = []

    def unruly() -> list[tuple[int, bytes]]:
        taken = []
        for peer, message in receive():
            kind = message[5:6] if message[:1] == wire.PASS_ON else message[:1]
            often = generator.choice((1, 1, 2)) if kind in _OF_POPULATIONS and generator.random() < _UNRULY else 0
            late.extend((now() + generator.expovariate(50.0), peer, message) for _ in range(often))
            if not often or generator.random() < 0.5:  # noqa: PLR2004
                taken.append((peer, message))
        due = [held for held in late if held[0] <= now()]
        late[:] = [held for held in late if held[0] > now()]
        generator.shuffle(due)
        return taken + [(peer, message) for _, peer, message in due]

    end.receive = unruly  # type: ignore[method-assign]


class Exactness(msgspec.Struct, frozen=True):
    """Of one random schedule: how many ranks know the best of their island wrongly, and how many records were sent.

    `ratio` is the records a rank sent over k (1 + ln(n / k)), with n evaluations on its island.
    """

    wrong: int
    stationary: bool
    ratio: float


def exactness(seed: int, migration: str = "none") -> Exactness:
    """Search on a random schedule by truncation selection, with `migration` none, pollination or migration."""
    draw = Random(seed)
    ranks, k, evaluations = draw.randint(2, 24), draw.choice([2, 4, 8, 16]), draw.randint(100, 2000)
    count = draw.randint(1, min(4, ranks))
    chain = Chain(SelectBest(k), SelectRandom(2), UniformCrossover(0.5), GaussianMutation(0.1))
    islands = Islands(
        count,
        topology=draw.choice(["full", "ring"]),
        migration_probability=0.0 if migration == "none" else 0.2,
        pollination=migration != "migration",
    )
    network = Network(latency=10 ** draw.uniform(-6, -1), sending=10 ** draw.uniform(-7, -4))
    improving, some_silent = draw.random() < 0.5, draw.random() < 0.3  # noqa: PLR2004
    schedule = Schedule(
        islands,
        ranks,
        chain,
        evaluations,
        seed,
        seconds=10 ** draw.uniform(-5, 0),
        improving=improving,
        network=network,
        silent=lambda rank: some_silent and rank % 3 == 1,
    )
    schedule.run()
    wrong = 0
    for island, members in enumerate(schedule.simulation.archipelago.layout):
        best = [individual.loss for individual in schedule.living(island)[:k]]
        populations = [schedule.simulation.ranks[rank].worker.optimizer.population for rank in members]
        wrong += sum([individual.loss for individual in population.best(k)] != best for population in populations)
    sent = 0 if schedule.ending is None else schedule.ending.records
    bound = k * (1 + math.log(max(evaluations / count / k, 1.0)))
    return Exactness(wrong, not improving, sent / ranks / bound)
