"""What a step that a user wrote may give: as many individuals as it says, of the search's space, in the unit cube."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from math import isfinite
from numbers import Real
from typing import TYPE_CHECKING, Any

import msgspec

from propulate_like.foundation.parts import PartError, gave_wrong, raised
from propulate_like.population.individual import Candidate, Id, Individual
from propulate_like.population.outcome import BRED
from propulate_like.problem.space import Genome

if TYPE_CHECKING:
    from propulate_like.propagators.propagator import BreedingContext, Propagator

    Call = Callable[[Any, Sequence[Individual], BreedingContext], Sequence[Individual]]

_FLOAT, _ID = {float}, {Id}
_ROUNDING = 1e-9  # beyond the borders of the unit cube, which is no mistake


def checked(call: Call) -> Call:
    """Return the `__call__` of a user's step, with errors that name it.

    It raises PartError where the step raises an exception, or gives what it must not.
    """

    @wraps(call)
    def checked_call(
        step: Propagator, individuals: Sequence[Individual], breeding: BreedingContext
    ) -> Sequence[Individual]:
        try:
            given = call(step, individuals, breeding)
            found = given if type(given) is list else _listed(given)
        except PartError:  # of a step that this one is made of
            raise
        except Exception as error:
            raise raised(step, error) from error
        if found is None:
            raise gave_wrong(step, f"gave {given!r:.80}, and not individuals, such as [breeding.child(genome)]")
        if len(found) != step.gives:
            raise gave_wrong(step, f"gave {len(found)} individuals of {len(individuals)}, but its gives={step.gives}")
        try:
            return [_taken(one, individuals, breeding) for one in found]
        except ValueError as error:
            raise gave_wrong(step, str(error)) from None

    return checked_call


def _listed(given: object) -> list[Any] | None:
    """Return what can be listed as a list, and None for anything else."""
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else None


def genome_of(given: object, size: int) -> Genome:
    """Return a genome of `size` floats in [0, 1]: what lies beyond by a rounding error is moved onto the border.

    Raises:
        ValueError: It is no such genome. The message goes on from the name of what gave it.
    """
    genes = _listed(given) or ()
    if len(genes) != size:
        message = f"gave the genome {given!r:.80}, which has {len(genes)} genes and not {size}"
        raise ValueError(message)
    for number, gene in enumerate(genes):
        real = isinstance(gene, Real) and not isinstance(gene, bool)
        if not real or not -_ROUNDING <= float(gene) <= 1.0 + _ROUNDING:
            message = f"gave a genome whose gene {number} is {gene!r:.80}, and not a number in [0, 1]"
            raise ValueError(message)
    return tuple([min(max(float(gene), 0.0), 1.0) for gene in genes])


def _in_unit_cube(genome: object, size: int) -> bool:
    """Return whether a genome is a tuple of `size` of Python's floats in [0, 1]: the usual case, told in no time."""
    if type(genome) is not tuple or len(genome) != size or not {*map(type, genome)} <= _FLOAT:
        return False
    return isfinite(sum(genome)) and (not size or (min(genome) >= 0.0 and max(genome) <= 1.0))


def _taken(one: object, individuals: Sequence[Individual], breeding: BreedingContext) -> Individual:
    """Return an individual that a step gave, with a genome and traits of Python's own floats.

    Raises:
        ValueError: It is none of this search. The message goes on from the step's name.
    """
    if not isinstance(one, Individual):
        message = f"gave {one!r:.80}, which is no Individual, such as breeding.child(genome)"
        raise ValueError(message)
    candidate = one.candidate
    foreign = candidate.space is not breeding.space and candidate.space != breeding.space
    if foreign and not any(one is other for other in individuals):  # those that migrate may be of other spaces
        message = f"gave an individual of another space, {candidate.space!r:.80}"
        raise ValueError(message)
    if one.outcome.status is BRED:
        _check_newborn(candidate, breeding)
    if _in_unit_cube(candidate.genome, len(candidate.space.names)) and {*map(type, candidate.traits)} <= _FLOAT:
        return one
    genome, traits = genome_of(candidate.genome, len(candidate.space)), tuple(map(float, candidate.traits))
    return msgspec.structs.replace(one, candidate=msgspec.structs.replace(candidate, genome=genome, traits=traits))


def _check_newborn(candidate: Candidate, breeding: BreedingContext) -> None:
    """Check what else is said of a newborn.

    Raises:
        ValueError: It is not what `breeding.child` takes.
    """
    if candidate.id != breeding.id:
        message = f"gave a newborn with the id {candidate.id!r:.80}, and not breeding.id, which is {breeding.id}"
        raise ValueError(message)
    parents, traits = candidate.parents, candidate.traits
    if type(parents) is not tuple or not {*map(type, parents)} <= _ID:
        message = f"gave a newborn whose parents are {parents!r:.80}, and not a tuple of ids, such as (one.id,)"
        raise ValueError(message)
    if not isinstance(candidate.origin, str):
        message = f"gave a newborn whose origin is {candidate.origin!r:.80}, and not a text"
        raise ValueError(message)
    if type(traits) is not tuple or not all(isinstance(each, Real) and isfinite(each) for each in traits):
        message = f"gave a newborn whose traits are {traits!r:.80}, and not a tuple of numbers"
        raise ValueError(message)
