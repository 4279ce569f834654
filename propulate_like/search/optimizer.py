"""One rank's breeding, without input, output or messages: ask, tell, absorb."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import msgspec

from propulate_like.foundation.declarations import number, seed_of, whole
from propulate_like.population.constraints import METRIC
from propulate_like.population.duplicates import EXPENSIVE_SECONDS, DuplicateMemory
from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import HAVE_LOSS, OK, Outcome, Status
from propulate_like.population.population import Population, Requirements
from propulate_like.population.promotion import Ladder
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.points import check_points, points_of
from propulate_like.problem.space import NOTHING, Space
from propulate_like.propagators import BreedingContext, Propagator, auto
from propulate_like.propagators.propagator import whole_propagator
from propulate_like.search.breeder import Breeder
from propulate_like.search.define_by_run import SpaceLearner
from propulate_like.search.starting_points import candidate_at


class IslandPlace(msgspec.Struct, frozen=True):
    """Where a rank lives: the number of its island, the number of `islands`, and the `members` of its own, its ranks.

    Where individuals migrate there is a `reserve` (see `MigratingPopulation`).
    """

    island: int
    islands: int
    members: range
    reserve: int | None = None

    def promotes(self, rank: int, ident: Id) -> bool:
        """Return whether it is for a rank to promote an individual: a run may go on with other ranks than it began."""
        members = self.members
        here = ident.island % self.islands == self.island
        return here and (ident.rank - members.start) % len(members) == rank - members.start


class Optimizer:
    """Breeds individuals for one rank, from what this rank knows at that moment.

    `ask` returns the next individual to evaluate, `tell` takes its loss, and `absorb` takes an individual that was
    evaluated elsewhere. The same `seed`, calls, losses and seconds give the same individuals. No point is evaluated
    again, on any rank, while there are others that were not (see `DuplicateMemory`). With a `fidelity`, individuals
    begin at its lowest rung, and the best of each rung are promoted to the next one.

    Without a `space` it is learned from the individuals told and absorbed, whose spaces are what their evaluations
    asked for (see `SpaceLearner`): `ask` gives values for what is known so far, at first for nothing, and the
    evaluation draws the rest.
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
        losses: int = 1,
        place: IslandPlace | None = None,
        points: Sequence[Mapping[str, Any]] | Mapping[str, Any] = (),
    ) -> None:
        """Begin with nothing known.

        Args:
            space: What is searched; None where it is to be learned.
            propagator: What breeds: a whole chain, or "auto".
            evaluations: How many all ranks will make, by which "auto" fits its settings.
            workers: How many ranks share the search, by which "auto" fits its settings too.
            rank: Which of them this is; a number that differs among those that share the search.
            seed: Decides all random numbers; None for a random one.
            fidelity: The rungs, where evaluations may be more or less thorough.
            losses: How many an evaluation has.
            place: This rank's island, where there are several; None for one island of all ranks.
            points: What is asked first: params by their names, of which each point may leave some open.

        Raises:
            ValueError: The space or the propagator cannot work, a number is none that is possible, or a point none of
                the space.
        """
        self.rank: int = whole("rank", rank, 0)
        self.workers: int = whole("workers", workers, 1)
        self.seed: int = Random().getrandbits(32) if seed is None else seed_of(seed)
        self.losses: int = whole("losses", losses, 1)
        place = place or IslandPlace(0, 1, range(workers))
        self.island: int = place.island
        known = NOTHING if space is None else Space.of(space)
        chosen = auto(evaluations, rungs=fidelity is not None, losses=losses) if propagator == "auto" else propagator
        kept = Requirements(everything=fidelity is not None)  # a rung's best are known by all that reached it
        self._breeder = Breeder(known, whole_propagator(chosen), kept, place.reserve)
        self._breeder.propagator.check(
            BreedingContext(known, Random(0), Id(self.island, rank, 0), workers, losses=losses)
        )
        self.population: Population = self._breeder.population
        self._memory = DuplicateMemory(known, self.seed, rank, workers)
        self._learner = SpaceLearner(self._breeder, self._memory) if space is None else None
        promotes = partial(place.promotes, rank)
        self._ladder = None if fidelity is None else Ladder(fidelity, promotes, len(place.members))
        self.leading: Individual | None = None
        """The first in the order of individuals: where none is feasible, the one with the least violation."""
        self.constrained: bool = False
        """Whether evaluations have constraints, as far as is known."""
        self._constraints: int | None = None  # of an evaluation, once one is known
        self._points = deque(points_of(points))
        if self._points and not known:
            message = "points need a space"
            raise ValueError(message)
        check_points(self._points, known)
        self._pending: set[int] = set()  # serial numbers
        self._asked = time.perf_counter()
        self.begin(0)

    @property
    def space(self) -> Space:
        """What is searched, as far as it is known."""
        return self._breeder.space

    @property
    def best(self) -> Individual | None:
        """The feasible individual with the lowest loss; None where none is known."""
        leading = self.leading
        return leading if leading is not None and leading.feasible else None

    @property
    def propagator(self) -> Propagator:
        """What breeds: this rank's own copy, with all that it has learned."""
        return self._breeder.propagator

    def begin(self, serial: int, before: int = 0) -> None:
        """Go on with individual number `serial`, and the stream of random numbers that begins there.

        `before` evaluations of all ranks have ended: designs are drawn anew, as other ranks may have shared the last.
        """
        self._serial = serial
        self._design = Random(f"{self.seed}/design/{before}").getrandbits(32) if before else self.seed
        self._generator = self._stream(serial)
        self._memory.share_out(self.seed)

    def _stream(self, serial: int) -> Random:
        return Random(f"{self.seed}/{self.rank}/{serial}")

    def promoted(self, ident: Id) -> None:
        """Learn that an individual was promoted before this search continued."""
        if self._ladder is not None:
            self._ladder.promoted(ident)

    def add_seen(self, codes: bytes) -> None:
        """Add what was evaluated before this search continued, as `PointPartition.codes` has it, in the same space."""
        if self._learner is None:
            self._memory.add_codes(codes)

    def ask(self, serial: int | None = None) -> Individual:
        """Breed the next individual, or promote one where a fidelity is declared and one of this rank's deserves it.

        Starting points come first, then uniformly random ones, until there are enough to select from.

        Args:
            serial: The number to go on with, and to draw the stream of random numbers from that begins there.
        """
        if serial is not None:
            self._serial, self._generator = serial, self._stream(serial)
        ident = Id(self.island, self.rank, self._serial)
        self._pending.add(self._serial)
        self._serial += 1
        if self._points:
            point = candidate_at(self._points.popleft(), self.space, ident, self.seed)
            self._memory.claim(point.genome, None)
            return Individual(point)
        if self._ladder is not None:
            promoted = self._ladder.promote(ident)
            if promoted is not None:
                return promoted
        breeder, memory = self._breeder, self._memory
        last = breeder.last
        breeding = BreedingContext(
            breeder.space, self._generator, ident, self.workers, self._design, last, memory.partition, self.losses
        )
        individual = breeder.breed(breeding)
        if not memory.claim(individual.candidate.genome, last):
            individual = memory.renewed(partial(breeder.breed, breeding), last, self._generator)
        self._asked = time.perf_counter()
        return individual

    def tell(
        self, individual: Individual, loss: float | Sequence[float] | Mapping[str, Any], seconds: float | None = None
    ) -> Individual:
        """Return the individual with its outcome.

        What is not finite or no number becomes a failure, and is not bred from.

        Args:
            individual: One that `ask` returned.
            loss: The loss, as many as there are in a sequence, or a mapping of "loss", perhaps "constraints", and
                metrics.
            seconds: How long the evaluation took, by which "auto" chooses; the time since the last `ask` by default.

        Raises:
            ValueError: It is no such individual of this space, where that is not learned, or was told before.
        """
        if not isinstance(individual, Individual) or not self._is_of_space(individual):
            message = f"tell() takes an individual that ask() gave, of this space, not {individual!r}"
            raise ValueError(message)
        ident = individual.id
        own = ident.rank == self.rank and ident.island == self.island
        if own and ident.serial < self._serial and ident.serial not in self._pending:
            message = f"individual {ident} was told before"
            raise ValueError(message)
        took = time.perf_counter() - self._asked if seconds is None else number("seconds", seconds)
        outcome = Outcome.of(loss).expecting(self.losses).timed(took)
        evaluated = self.checked(individual.evaluated(outcome))
        self.absorb(evaluated)
        return evaluated

    def _is_of_space(self, individual: Individual) -> bool:
        """Return whether an individual is of the space that is searched; one may be of any where that is learned."""
        space = self._breeder.space
        return individual.space is space or self._learner is not None or individual.space == space

    def checked(self, individual: Individual) -> Individual:
        """Return an individual that this rank evaluated, as invalid where it has another number of constraints."""
        outcome, count = individual.outcome, self._constraints
        if count is None or len(outcome.constraints) == count or not outcome.has_loss:
            return individual
        cause = f"{len(outcome.constraints)} constraints, where evaluations before had {count}: all must have as many"
        failure = Outcome.failure(Status.INVALID, cause)
        return individual.with_outcome(
            status=failure.status, cause=failure.cause, loss=failure.loss, losses=(), constraints=()
        )

    def absorb(self, individual: Individual) -> bool:
        """Learn of an evaluated individual, this rank's or another's; return whether others that search may need it.

        In a space whose points can be listed they need all, so as not to evaluate them again.
        """
        known = individual if self._learner is None else self._learner.adapted(individual)
        ident, outcome, memory = individual.candidate.id, individual.outcome, self._memory
        if ident.rank == self.rank:
            self._breeder.last = known
            if ident.island == self.island:
                self._pending.discard(ident.serial)
        expensive = outcome.seconds >= EXPENSIVE_SECONDS
        if expensive or memory.partition is not None:
            asked = ident.rank == self.rank and known is individual  # here, when it was noted
            memory.add(known.genome, note=expensive and not asked)
        status = outcome.status
        if status is not OK and status not in HAVE_LOSS:
            self.population.fail(known)
            return False
        if self._constraints is None:
            self._learn_constraints(outcome)
        if individual.beats(self.leading):
            self.leading = individual
        if self._ladder is not None:
            self._ladder.add(individual)
        return self.population.add(known) or memory.few

    def lead(self, individual: Individual) -> None:
        """Learn of the first in the order of all that was evaluated before, which the population need not keep."""
        self.leading = individual
        self._learn_constraints(individual.outcome)

    def _learn_constraints(self, outcome: Outcome) -> None:
        """Learn how many constraints evaluations have; those of former versions had them as metrics only."""
        if outcome.constraints or not any(name.startswith(METRIC) for name in outcome.metrics):
            self._constraints = len(outcome.constraints)
            self.constrained = self._constraints > 0

    def as_evaluated(self) -> Sequence[Individual]:
        """Return those that the population keeps in the spaces that they asked for, but for some from very long ago."""
        return self.population if self._learner is None else self._learner.as_evaluated(self.population)

    def warm_start(self, individual: Individual) -> None:
        """Learn of one that was evaluated before this search and is none of its own: never its best, nor promoted.

        `WarmStart` reads such ones.
        """
        known = individual if self._learner is None else self._learner.adapted(individual)
        self._memory.add(known.genome, note=True)
        if known.has_loss:
            self.population.add(known)
        else:
            self.population.fail(known)
