"""The archipelago: all islands of a search, and what each rank needs to live on its own."""

from __future__ import annotations

from collections.abc import Sequence

from propulate_like.parallel.transport import Transport
from propulate_like.parallel.wire import AskedRecords, IndividualRecords, Records
from propulate_like.population.individual import Individual
from propulate_like.population.migrating import MigratingPopulation
from propulate_like.population.population import Population, Requirements
from propulate_like.propagators import Propagator, auto
from propulate_like.propagators.propagator import whole_propagator
from propulate_like.search.islands.island import Island
from propulate_like.search.islands.migration import Migrator, island_of
from propulate_like.search.optimizer import IslandPlace, Optimizer
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.events import Started
from propulate_like.storage.journal import Journal
from propulate_like.storage.run import ResumeSnapshot

_RECOVERED = 20_000  # individuals of an island at most that its ranks begin with when a run continues


class Archipelago:
    """Divides the ranks of a search into islands, and gives each rank its parts."""

    def __init__(self, specification: SearchSpecification, ranks: int) -> None:
        """Divide the ranks: every island breeds by the search's propagator, unless it has one of its own."""
        islands = specification.islands
        self.specification, self.islands, self.ranks = specification, islands, ranks
        self.layout = islands.layout(ranks)
        self.migrates = len(self.layout) > 1 and islands.migration_probability > 0
        self._leaving = self.migrates and (not islands.pollination or islands.replaced is not None)
        self._space, self._losses = specification.known_space, specification.losses
        self._propagators = islands.propagators or [specification.propagator] * len(self.layout)

    def optimizer(self, rank: int, seed: int | None) -> Optimizer:
        """Return a rank's optimizer, whose population lets individuals come and go where that may happen."""
        island = island_of(self.layout, rank)
        members = self.layout[island]
        return Optimizer(
            self._space or None,
            propagator=self._propagator(island),
            workers=self.ranks,
            rank=rank,
            seed=seed,
            fidelity=self.specification.fidelity,
            losses=self._losses,
            place=IslandPlace(island, len(self.layout), members, self._reserve(island) if self.migrates else None),
        )

    @property
    def traits(self) -> int:
        """How many strategy parameters an individual of any island has at most: those of records between them."""
        return max(self._propagator(island).traits for island in range(len(self.layout)))

    def island(
        self,
        optimizer: Optimizer,
        transport: Transport,
        journal: Journal,
        records: IndividualRecords | None = None,
    ) -> Island:
        """Return a rank's part in the life of its island."""
        migrator = None
        if isinstance(optimizer.population, MigratingPopulation):
            migrator = Migrator(self.islands, self.layout, optimizer.rank, optimizer.population, optimizer.seed)
        members = self.layout[optimizer.island]
        return Island(optimizer, transport, journal, members, records or self.records, migrator)

    @property
    def records(self) -> IndividualRecords:
        """New binary records, as ranks of this search send each other."""
        return Records(self._space, self.traits, self._losses) if self._space else AskedRecords()

    def recovering(self) -> list[Population]:
        """Return a population for each island that takes in what a run's journals hold of it."""
        populations = []
        for members in self.layout:
            requirements: Requirements = self.optimizer(members[0], 0).population.requirements
            best = requirements.best * (2 * len(members) if self._leaving else 1)
            populations.append(
                Population(
                    Requirements(
                        min(best, max(_RECOVERED, requirements.best)), requirements.recent, requirements.everything
                    )
                )
            )
        return populations

    def settle(self, optimizer: Optimizer, snapshot: ResumeSnapshot) -> None:
        """Let a rank begin with all that was known before, and what lives on its island, of which it owns a share."""
        for individual in snapshot.known:
            optimizer.warm_start(individual)
        living: list[Individual] = []
        if snapshot.populations:
            living = snapshot.populations[optimizer.island]
        if isinstance(optimizer.population, MigratingPopulation) and living:
            members = self.layout[optimizer.island]
            mine = slice(optimizer.rank - members[0], None, len(members))
            optimizer.population.restore(living, mine, whole=snapshot.whole[optimizer.island])
        for individual in living:
            optimizer.absorb(individual)
        if optimizer.leading is None and snapshot.summary.best is not None:
            optimizer.lead(snapshot.summary.best)

    def shares(self, unfinished: Sequence[Started]) -> list[list[Started]]:
        """Return what of these evaluations, begun and not ended, each rank is to begin again; nothing for none."""
        return [self._share(unfinished, rank) for rank in range(self.ranks)] if unfinished else []

    def _share(self, unfinished: Sequence[Started], rank: int) -> list[Started]:
        """Return those that a rank is to begin again: some of its island's."""
        island = island_of(self.layout, rank)
        members = self.layout[island]
        theirs = [started for started in unfinished if started.id.island % len(self.layout) == island]
        return theirs[rank - members[0] :: len(members)]

    def _propagator(self, island: int) -> Propagator:
        chosen = self._propagators[island]
        if chosen == "auto":
            share = len(self.layout[island]) / self.ranks
            evaluations, rungs = self.specification.budget.evaluations, self.specification.fidelity is not None
            return auto(evaluations, share, rungs=rungs, losses=self._losses)
        return whole_propagator(chosen)

    def _reserve(self, island: int) -> int:
        """Return how many beyond the best an island's ranks keep: more than may leave while a message is under way."""
        if not self._leaving:
            return 0
        return max(64, 4 * len(self.layout[island]))
