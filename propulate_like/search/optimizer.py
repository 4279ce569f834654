"""One rank's breeding, without input, output or messages: ask, tell, absorb."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Mapping, Sequence
from math import isfinite
from random import Random
from typing import Any

from propulate_like.foundation.declarations import number, whole
from propulate_like.population.individual import Id, Individual
from propulate_like.population.learned_space import LearnedSpace
from propulate_like.population.migrating import MigratingPopulation
from propulate_like.population.outcome import BRED, OK, STOPPED, Outcome
from propulate_like.population.population import Population, Requirements
from propulate_like.population.promotion import Ladder
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.partition import PointPartition
from propulate_like.problem.space import NOTHING, Genome, Space
from propulate_like.propagators import BreedingContext, Propagator, UniformInitialization, auto
from propulate_like.propagators.propagator import whole_propagator


class Optimizer:
    """Breeds individuals for one rank, from what this rank knows at that moment.

    `ask` gives the next individual to evaluate, `tell` takes its loss, and `absorb` takes an individual that was
    evaluated elsewhere. `evaluations` and `workers` (how many ranks share the search) let "auto" fit its settings;
    `rank` must differ among those that share it. One of several `islands` has a number and `members`, its ranks, and a
    `reserve` where individuals migrate (see `MigratingPopulation`). The same `seed`, calls, losses and seconds give the
    same individuals. With a `fidelity`, individuals begin at its lowest rung, and the best of each rung are promoted
    to the next one. No point is evaluated again, on any rank, while there are others that were not (see
    `PointPartition`).

    Without a `space` it is learned from the individuals told and absorbed, whose spaces are what their evaluations
    asked for (see `LearnedSpace`): `ask` gives values for what is known so far, at first for nothing, and whoever
    evaluates draws the rest. As the space grows, the propagator begins anew, with all that is known told in its terms.
    """

    def __init__(
        self,
        space: Space | Mapping[str, Any] | None = None,
        *,
        propagator: Propagator | str = "auto",
        evaluations: int | None = None,
        workers: int = 1,
        rank: int = 0,
        seed: int | None = None,
        fidelity: Fidelity | None = None,
        island: int = 0,
        islands: int = 1,
        members: range | None = None,
        reserve: int | None = None,
        losses: int = 1,
    ) -> None:
        """ValueError where the space or the propagator cannot work, or a number is none that is possible."""
        self._learned = LearnedSpace() if space is None else None
        self.space: Space = NOTHING if space is None else Space.of(space)
        chosen = auto(evaluations, rungs=fidelity is not None, losses=losses) if propagator == "auto" else propagator
        self._given = whole_propagator(chosen)
        self.propagator: Propagator = copy.deepcopy(self._given)  # what it learns is its rank's own
        self._rungs = Requirements(everything=fidelity is not None)  # a rung's best are known by all that reached it
        self._read = self.propagator.requirements
        requirements = self._requirements
        self.population: Population = (
            Population(requirements) if reserve is None else MigratingPopulation(requirements, reserve)
        )
        self._members, self._islands = range(workers) if members is None else members, islands
        self._ladder = None if fidelity is None else Ladder(fidelity, self._mine, len(self._members))
        self.best: Individual | None = None
        self._last: Individual | None = None
        self._ready = False
        self._asked = time.perf_counter()
        self._shrinks = bool(reserve)
        self.rank: int = whole("rank", rank, 0)
        self.island: int = island
        self.workers: int = whole("workers", workers, 1)
        self.seed: int = Random().getrandbits(32) if seed is None else whole("seed", seed, 0)
        self.losses: int = whole("losses", losses, 1)
        self.propagator.check(BreedingContext(self.space, Random(0), Id(island, rank, 0), workers, losses=losses))
        self._pending: set[int] = set()  # serial numbers
        self._partition = PointPartition.of(self.space, self.seed, rank, workers)
        self._met: dict[Genome, None] = {}  # where cells do not tell
        self._asked_for: deque[Individual] = deque(maxlen=_NOTED)
        self.begin(0)

    def begin(self, serial: int, before: int = 0) -> None:
        """Go on with individual number `serial`, and the stream of random numbers that begins there.

        `before` evaluations of all ranks have ended: designs are drawn anew, as other ranks may have shared the last.
        """
        self._serial = serial
        self._design = Random(f"{self.seed}/design/{before}").getrandbits(32) if before else self.seed
        self._generator = self._stream(serial)
        if self._partition is not None:
            self._partition.seed = self.seed

    def _stream(self, serial: int) -> Random:
        return Random(f"{self.seed}/{self.rank}/{serial}")

    @property
    def _requirements(self) -> Requirements:
        return self._read | Requirements(best=self.propagator.wants) | self._rungs

    def _mine(self, ident: Id) -> bool:
        """Return whether it is for this rank to promote one: a run may go on with other ranks than it began with."""
        members = self._members
        here = ident.island % self._islands == self.island
        return here and (ident.rank - members.start) % len(members) == self.rank - members.start

    def promoted(self, ident: Id) -> None:
        """Learn that an individual was promoted before this search continued."""
        if self._ladder is not None:
            self._ladder.promoted(ident)

    def add_seen(self, codes: bytes) -> None:
        """Add what was evaluated before this search continued, as `PointPartition.codes` has it, in the same space."""
        if self._partition is not None and self._learned is None:
            self._partition.add_codes(codes)

    def ask(self, serial: int | None = None) -> Individual:
        """Breed the next individual, or promote one where a fidelity is declared and one of this rank's deserves it.

        Uniformly random ones come first, until there are enough to select from. With a `serial`, go on with that number
        and the stream of random numbers that begins there.
        """
        if serial is not None:
            self._serial, self._generator = serial, self._stream(serial)
        if self._ladder is not None:
            promoted = self._ladder.promote(Id(self.island, self.rank, self._serial))
            if promoted is not None:
                self._pending.add(self._serial)
                self._serial += 1
                return promoted
        breeding = BreedingContext(
            self.space,
            self._generator,
            Id(self.island, self.rank, self._serial),
            self.workers,
            self._design,
            self._last,
            self._partition,
            self.losses,
        )
        self._pending.add(self._serial)
        self._serial += 1
        if not self._ready or self._shrinks:
            self._ready = len(self.population) >= self.propagator.wants and len(self.space) > 0
        individual = self._bred(breeding)
        if not self._is_new(individual.candidate.genome):
            individual = self._renewed(individual, breeding)
        if self._partition is not None:
            self._partition.add(individual.candidate.genome)
        self._asked = time.perf_counter()
        return individual

    def _bred(self, breeding: BreedingContext) -> Individual:
        (individual,) = (self.propagator if self._ready else _RANDOM)(self.population, breeding)
        if self.propagator.requirements is not self._read:
            self._read = self.propagator.requirements
            self.population.keep(self._requirements)
        # A propagator of the user's may give genes that are no numbers, or lie beyond the borders.
        genome = individual.candidate.genome
        if not isfinite(sum(genome)):
            (individual,) = _RANDOM(self.population, breeding)
            genome = individual.candidate.genome
        if genome and (min(genome) < 0.0 or max(genome) > 1.0):
            individual = individual.with_genome(tuple(min(max(gene, 0.0), 1.0) for gene in genome))
        if individual.outcome.status is not BRED:
            individual = breeding.child(individual.genome, (individual.id,), "copy", individual.traits)
        return individual

    def _is_new(self, genome: Genome) -> bool:
        """Return whether nobody evaluates this point again, if this rank does now, as far as it knows."""
        partition = self._partition
        if partition is not None:
            fresh = partition.fresh(genome)
            if partition.finite or not fresh:
                return fresh
        if not self._met if self._last is None else self._last.outcome.seconds < _EXPENSIVE:
            return True
        point = self.space.canonical(genome)
        if point in self._met:
            return False
        self._note(point)
        return True

    def _note(self, point: Genome) -> None:
        self._met[point] = None
        if len(self._met) > _NOTED:
            del self._met[next(iter(self._met))]

    def _renewed(self, individual: Individual, breeding: BreedingContext) -> Individual:
        """Breed again, a few times, where that point was met before or is another rank's; then change a few genes."""
        for _ in range(_AGAIN):
            individual = self._bred(breeding)
            if self._is_new(individual.genome):
                return individual
        if self._partition is None:
            return individual
        genome = self._partition.near(individual.genome, breeding.generator)
        return individual.with_genome(genome)

    def tell(
        self, individual: Individual, loss: float | Sequence[float] | Mapping[str, Any], seconds: float | None = None
    ) -> Individual:
        """Return the individual with its outcome: a loss, or as many as there are, or a mapping of "loss" and metrics.

        What is not finite or no number becomes a failure, and is not bred from. `seconds` is how long the evaluation
        took, by which "auto" chooses; the time since the last `ask` where it is not given. ValueError where it is no
        such individual of this space, or was told before. Of any space where that is learned.
        """
        if not isinstance(individual, Individual) or (self._learned is None and individual.space != self.space):
            message = f"tell() takes an individual that ask() gave, of this space, not {individual!r}"
            raise ValueError(message)
        ident = individual.id
        own = (ident.island, ident.rank) == (self.island, self.rank)
        if own and ident.serial < self._serial and ident.serial not in self._pending:
            message = f"individual {ident} was told before"
            raise ValueError(message)
        took = time.perf_counter() - self._asked if seconds is None else number("seconds", seconds)
        outcome = Outcome.of(loss).expecting(self.losses).timed(took)
        evaluated = individual.evaluated(outcome)
        self.absorb(evaluated)
        return evaluated

    def absorb(self, individual: Individual) -> bool:
        """Learn of an evaluated individual, this rank's or another's; return whether others that search may need it.

        In a space whose points can be listed they need all, so as not to evaluate them again.
        """
        known = individual if self._learned is None else self._add_to_space(individual, self._learned)
        ident, outcome = individual.candidate.id, individual.outcome
        own = ident.rank == self.rank
        if own:
            self._last = known
            if ident.island == self.island:
                self._pending.discard(ident.serial)
        if self._partition is not None:
            self._partition.add(known.genome)
        if outcome.seconds >= _EXPENSIVE and not (own and known is individual):
            self._note(self.space.canonical(known.genome))
        status = outcome.status
        if status is not OK and status is not STOPPED:
            self.population.fail(known)
            return False
        best = self.best
        if best is None or (
            (outcome.loss < best.outcome.loss or individual.candidate.rung) and individual.order < best.order
        ):
            self.best = individual
        if self._ladder is not None:
            self._ladder.add(individual)
        return self.population.add(known) or (self._partition is not None and self._partition.few)

    def as_evaluated(self) -> Sequence[Individual]:
        """Return those that the population keeps in the spaces that they asked for, but for some from very long ago."""
        if self._learned is None:
            return self.population
        own = {one.id: one for one in self._asked_for}
        return [own.get(one.id, one) for one in self.population]

    def _add_to_space(self, individual: Individual, learned: LearnedSpace) -> Individual:
        """Learn the space that an individual asked for, and return it as one of the space that is known."""
        if learned.add(individual):
            self.space = learned.space
            self.propagator, self._ready = copy.deepcopy(self._given), False
            self._read = self.propagator.requirements
            self.population.keep(self._requirements)
            self.population.adapt(learned.adapt)
            self._last = None if self._last is None else learned.adapt(self._last)
            self._partition = PointPartition.of(self.space, self.seed, self.rank, self.workers)
            self._met.clear()
            for one in self._asked_for:
                genome = learned.adapt(one).genome
                if self._partition is not None:
                    self._partition.add(genome)
                if one.seconds >= _EXPENSIVE:
                    self._note(self.space.canonical(genome))
        self._asked_for.append(individual)
        return learned.adapt(individual)

    def warm_start(self, individual: Individual) -> None:
        """Learn of one that was evaluated before this search and is none of its own: never its best, nor promoted.

        `WarmStart` reads such ones.
        """
        known = individual if self._learned is None else self._add_to_space(individual, self._learned)
        if self._partition is not None:
            self._partition.add(known.genome)
        self._note(self.space.canonical(known.genome))
        if known.has_loss:
            self.population.add(known)
        else:
            self.population.fail(known)


_NOTED = 10_000  # individuals, so as to tell what was met before
_EXPENSIVE = 5e-3  # seconds: an evaluation that takes less may as well be made twice
_AGAIN = 4
"""How often it breeds before it changes what it has bred: operators know better where to look, but take longer."""
_RANDOM = UniformInitialization()
