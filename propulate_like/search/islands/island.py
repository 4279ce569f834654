"""One rank's part in its island: it publishes outcomes, absorbs those of other ranks, and takes part in migration."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from propulate_like.parallel import wire
from propulate_like.parallel.coordination.broadcast import Broadcaster
from propulate_like.parallel.coordination.dispatch import Handler
from propulate_like.parallel.transport import Transport
from propulate_like.parallel.wire import IndividualRecords
from propulate_like.population.individual import Individual
from propulate_like.population.migrating import REPLACED
from propulate_like.search.islands.migration import Migrator
from propulate_like.search.optimizer import Optimizer
from propulate_like.storage.events import Moved
from propulate_like.storage.journal import Journal


class Island:
    """Publishes what was evaluated on this rank, absorbs what was on others, and takes part in migration.

    Args:
        optimizer: Absorbs individuals.
        transport: The way to other ranks.
        journal: Where migrations are noted.
        members: The ranks of the island, this one included.
        records: Encodes individuals.
        migrator: Decides who migrates; None where nobody does.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        transport: Transport,
        journal: Journal,
        members: Sequence[int],
        records: IndividualRecords,
        migrator: Migrator | None = None,
    ) -> None:
        self.broadcaster = Broadcaster(transport, members, optimizer.population.holds)
        self._optimizer, self._transport, self._journal = optimizer, transport, journal
        self._records, self._migrator = records, migrator

    @property
    def handlers(self) -> Mapping[bytes, Handler]:
        """The handlers of the messages of other ranks."""
        if self._migrator is None:
            return {wire.RECORDS: self._receive_records}
        return {
            wire.RECORDS: self._receive_records,
            wire.RETIRED: partial(self._receive_retired, self._migrator),
            wire.MIGRANT: partial(self._receive_migrants, self._migrator),
        }

    def add(self, individual: Individual) -> None:
        """Absorb what was evaluated on this rank, publish it, and let those individuals leave whose time has come."""
        migrator = self._migrator
        if migrator is None:
            if self._optimizer.absorb(individual):
                self._publish(individual)
            return
        if individual.has_loss:
            self._settle(migrator, individual)
        else:
            self._optimizer.absorb(individual)
        for departure in migrator.departures():
            self._send_off(migrator, *departure)

    def _receive_records(self, _peer: int, content: bytes, origin: int | None) -> None:
        """Absorb what was evaluated on other ranks, and forward what is new where it has an `origin`."""
        for individual, record in self._records.unpack(content):
            if self._optimizer.absorb(individual) and origin is not None:
                self.broadcaster.forward(origin, wire.RECORDS, record, individual)

    def _receive_retired(self, migrator: Migrator, _peer: int, content: bytes, origin: int | None) -> None:
        """Remove an individual that has left the island, and forward that where it has an `origin`."""
        if migrator.migrating.retire(*wire.unpack_retired(content)):
            if origin is not None:
                self.broadcaster.forward(origin, wire.RETIRED, content)
            self._publish_resurfaced(migrator)

    def _receive_migrants(self, migrator: Migrator, _peer: int, content: bytes, _origin: int | None) -> None:
        """Take in individuals that another island's rank has sent."""
        for individual, _ in self._records.unpack(content):
            known = migrator.pollination and self._optimizer.population.holds(individual)
            if not known and self._settle(migrator, individual):
                self._replace(migrator, individual)

    def remove_dead(self, dead: Collection[int]) -> None:
        """Go on without dead ranks: publish again what they may not have forwarded, and what they had evaluated."""
        self.broadcaster.remove_dead(dead)
        if self._migrator is not None:
            self._migrator.remove_dead(dead)
        rank = self._optimizer.rank
        for individual in self._optimizer.as_evaluated():
            if individual.id.rank == rank or individual.id.rank in dead:
                self.broadcaster.republish(self._records.pack(individual), individual)

    def _publish(self, individual: Individual) -> None:
        if not self.broadcaster.alone:
            self.broadcaster.publish(wire.RECORDS, self._records.pack(individual), individual)

    def _settle(self, migrator: Migrator, individual: Individual) -> bool:
        """Own an individual, unless it has left since; return whether that changed the population."""
        if not migrator.migrating.claim(individual) or not self._optimizer.absorb(individual):
            return False
        self._publish(individual)
        return True

    def _send_off(self, migrator: Migrator, individual: Individual, island: int, rank: int) -> None:
        arriving = individual
        if not migrator.pollination:
            arriving = Individual(individual.candidate, individual.outcome, individual.moves + 1)
            self._retire(migrator, individual, individual.moves)
        self._journal.note(Moved(individual.id, arriving.moves, island, copied=migrator.pollination))
        self._transport.send(rank, wire.MIGRANT + self._records.pack(arriving))

    def _replace(self, migrator: Migrator, arrived: Individual) -> None:
        replaced = migrator.replaced_by(arrived)
        if replaced is not None:
            self._journal.note(Moved(replaced.id, REPLACED, migrator.island, replaced=True))
            self._retire(migrator, replaced, REPLACED)

    def _retire(self, migrator: Migrator, individual: Individual, moves: int) -> None:
        migrator.migrating.leave(individual, moves)
        self.broadcaster.publish(wire.RETIRED, wire.pack_retired(individual, moves))
        self._publish_resurfaced(migrator)

    def _publish_resurfaced(self, migrator: Migrator) -> None:
        for individual in migrator.migrating.resurfaced():
            self._publish(individual)
