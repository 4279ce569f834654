"""What a propagator is: a step that breeds, and says what it reads, takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar

import msgspec

from propulate_like.foundation import declarations
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.parts import is_of_user
from propulate_like.foundation.registry import Registry, snake_case
from propulate_like.population.individual import Candidate, Id, Individual
from propulate_like.population.outcome import BRED
from propulate_like.population.population import Requirements
from propulate_like.problem.partition import PointPartition
from propulate_like.problem.space import Genome, Space
from propulate_like.propagators.newborns import checked

Arity = tuple[int, int | None]
"""The fewest and the most individuals that a step can be given; None for no upper limit."""
PROPAGATORS: Registry[Propagator] = Registry(
    "propagator", "propulate_like.propagators", term="step", example="a step such as select_best: 64"
)


class BreedingContext(msgspec.Struct, frozen=True):
    """What a propagator may use while it breeds one individual.

    `generator` is this rank's stream of random numbers, `id` the newborn's identity, `workers` the number of ranks
    that search together, and `seed` the same number on every rank. `last` is what this rank itself evaluated last.
    `partition` says which points are fresh; what is not is replaced, so a propagator need not look. It is None where
    all are. `losses` is how many an individual has.
    """

    space: Space
    generator: Random
    id: Id
    workers: int = 1
    seed: int = 0
    last: Individual | None = None
    partition: PointPartition | None = None
    losses: int = 1

    def child(
        self, genome: Genome, parents: tuple[Id, ...] = (), origin: str = "", traits: tuple[float, ...] = ()
    ) -> Individual:
        """Return the newborn with this genome, a tuple of floats in [0, 1]."""
        return Individual(Candidate(self.id, genome, self.space, parents, origin, traits))


class Propagator:
    """A step of a chain, from individuals to individuals.

    The first step of a chain is given the population, best first; each other one what the step before it gave. What
    leaves the chain's last step is evaluated next. A step of one's own names a subclass, sets `takes` and `gives`, and
    defines `__call__`; its parameters are those of its `__init__`, under the same names as its attributes. In YAML
    it goes by its class's name in snake case. Where it raises an exception, or gives what it must not, the search ends
    with a `PartError`, which names it.
    """

    takes: Arity = (1, 1)
    gives: int = 1
    """How many individuals it gives, where it is given enough."""
    wants: int = 0
    """How many individuals a population needs before this can be its chain's first step, if more than it takes."""
    requirements: Requirements = Requirements()
    """What it reads of the population as its chain's first step."""
    by_loss: ClassVar[bool] = False
    """Whether it goes by the loss, so that it cannot breed where there are several."""
    traits: int = 0
    """How many strategy parameters it keeps with each individual."""
    name: ClassVar[str] = "propagator"
    _origins: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, *, abstract: bool = False, **options: Any) -> None:
        """Register the class under its name, unless it is `abstract`, for others to be made of, or named with a `_`."""
        super().__init_subclass__(**options)
        cls._origins = {}
        cls.name = cls.__dict__.get("name") or snake_case(cls.__name__)
        if not abstract and not cls.__name__.startswith("_"):
            PROPAGATORS.register(cls.name, cls)
        if "__call__" in cls.__dict__ and is_of_user(cls):
            cls.__call__ = checked(cls.__call__)  # type: ignore[assignment,method-assign]

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        """Breed: give new individuals, or a selection of those given, which are not to be changed.

        A new one is `breeding.child(genome, parents)`, or what `Variation.derive` returns: its genome is a tuple of as
        many numbers in [0, 1] as the space has parameters.
        """
        raise NotImplementedError

    def check(self, breeding: BreedingContext) -> None:
        """Check that this, and every step that it is made of, can breed in such a search.

        Raises:
            ValueError: It cannot, whatever may become known.
        """
        if self.by_loss and breeding.losses > 1:
            message = (
                f"{self!r} goes by one loss, and there are {breeding.losses}: take auto, or a chain that begins with "
                "SelectPareto"
            )
            raise ValueError(message)
        for value in vars(self).values():
            for step in value if isinstance(value, tuple) else (value,):
                if isinstance(step, Propagator):
                    step.check(breeding)

    def __repr__(self) -> str:
        return declarations.shown(self)


class Selection(Propagator, abstract=True):
    """A step that picks `count` of the individuals it is given, each once."""

    def __init__(self, count: int) -> None:
        """Set the number of individuals to select.

        Raises:
            ValueError: `count` is below 1.
        """
        self.count: int = declarations.whole("count", count, 1)
        self.takes: Arity = (count, None)
        self.gives: int = count
        self.wants: int = count
        self.requirements: Requirements = Requirements(everything=True)


class Variation(Propagator, abstract=True):
    """A step that changes one individual's genome, or makes one out of several."""

    def derive(
        self,
        individual: Individual,
        genome: Genome,
        breeding: BreedingContext,
        traits: tuple[float, ...] | None = None,
    ) -> Individual:
        """Return the newborn with this genome, descended from `individual` (evaluated, or being bred already)."""
        parent = individual.candidate
        if traits is None:
            traits = parent.traits
        if individual.outcome.status is not BRED:
            return Individual(Candidate(breeding.id, genome, breeding.space, (parent.id,), self.name, traits))
        before = parent.origin
        origin = self._origins.get(before)
        if origin is None:  # put together once only: looking it up is several times faster
            origin = self._origins[before] = f"{before}+{self.name}" if before else self.name
        return Individual(Candidate(breeding.id, genome, breeding.space, parent.parents, origin, traits))


def needed_by(step: Propagator) -> int:
    """Return how many individuals a population needs before a step can be its chain's first."""
    return max(step.wants, step.takes[0])


def require_propagator(step: object) -> None:
    """Check that a step is a propagator that says what it takes, gives and reads.

    Raises:
        ValueError: It is none, or says what cannot be.
    """
    if not isinstance(step, Propagator):
        message = f"{step!r} is no propagator: give an instance, such as UniformCrossover(0.7)"
        raise ValueError(message)
    try:
        _check_declared(step)
    except ValueError as error:
        message = f"{type(step).__name__}: {error}"
        raise ValueError(message) from None


def _check_declared(step: Propagator) -> None:
    """Check what a step says of itself; ValueError for what cannot be."""
    takes, requirements = step.takes, step.requirements
    if not isinstance(takes, tuple) or len(takes) != 2:  # noqa: PLR2004 (a pair)
        message = f"takes={takes!r} must be the fewest and the most individuals, such as (2, 2) or (1, None)"
        raise ValueError(message)
    fewest = declarations.whole("the fewest that it takes", takes[0], 0)
    if takes[1] is not None:
        declarations.whole("the most that it takes", takes[1], fewest)
    declarations.whole("gives", step.gives, 1)
    declarations.whole("wants", step.wants, 0)
    declarations.whole("traits", step.traits, 0)
    if not isinstance(requirements, Requirements):
        message = f"requirements={requirements!r} must be Requirements, such as Requirements(best=8)"
        raise ValueError(message)


def whole_propagator(propagator: object) -> Propagator:
    """Return `propagator` if it can breed on its own, from a population; ValueError otherwise."""
    if not isinstance(propagator, Propagator):
        hint = nearest(propagator, ["auto"]) if isinstance(propagator, str) else ""
        message = f"propagator={propagator!r} must be 'auto' or a propagator, such as Chain(...){hint}"
        raise ValueError(message)
    require_propagator(propagator)
    if propagator.gives != 1:
        message = (
            f"{propagator!r} gives {propagator.gives} individuals, but one is evaluated at a time: add a crossover"
        )
        raise ValueError(message)
    fewest, most = propagator.takes
    if most is not None:
        number = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        message = f"{propagator!r} takes {number}, but is given the whole population: begin with a selection"
        raise ValueError(message)
    return propagator
