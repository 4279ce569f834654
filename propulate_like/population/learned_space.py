"""The space of a define-by-run objective, learned from what its evaluations asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from propulate_like.population.individual import Individual
from propulate_like.population.outcome import OK, Status
from propulate_like.problem.parameters import Parameter, Scalar
from propulate_like.problem.space import NOTHING, Space

_SILENT = {Status.CRASHED, Status.TIMEOUT, Status.MEMORY}  # what was asked for is not known, but for some

Plan = list[tuple[int, Callable[[float], float] | None]]
Parent = tuple[int, str, Callable[[float], Scalar]]


class LearnedSpace:
    """All parameters that evaluations have asked for, and which of them decide whether others are asked for.

    A parameter that an evaluation did without gets a condition on one parent, a Choice, Ordinal or Int with few values:
    the first one that was asked for before it each time, and whose values tell all evaluations with it from those
    without. Values that were never seen may have it. Where there is no such parent it has no condition. What
    contradicts a condition revises it. An evaluation that was stopped or failed might have asked for more, so what it
    lacks says nothing. Where its process was ended, what it has says nothing either: it was only bred.

    Parameters are in the order of the earliest place in which each was asked for, and of their names. Ranges that
    differ become the widest one, options that differ are joined, and otherwise the first kind and scale remain.
    """

    def __init__(self) -> None:
        self.space = NOTHING
        self._traces: dict[str, _Trace] = {}
        self._met: dict[str, set[Scalar]] = {}
        self._asked: dict[tuple[str, ...], _Asked] = {}
        self._plans: dict[tuple[str, ...], tuple[Space, Plan]] = {}

    def add(self, individual: Individual) -> bool:
        """Learn from an evaluated individual, whose space is what it asked for; return whether that changed the space.

        Where its space has conditions, it counts as having asked for what is active in it.
        """
        if individual.status in _SILENT:
            return False
        if individual.space.conditions:
            individual = as_asked(individual)
        space, genome, whole = individual.space, individual.genome, individual.status is OK
        asked = self._asked.get(space.names)
        new = False
        if asked is None or (asked.space is not space and asked.space != space):
            parents, new = self._add_space(space)
            asked = self._asked[space.names] = _Asked(space, parents, set() if asked is None else asked.seen)
        for index, name, decode in asked.parents:
            fact = (name, decode(genome[index]), whole)
            if fact not in asked.seen:
                asked.seen.add(fact)
                new = True
                self._note(name, fact[1], space.names, index, whole=whole)
        return new and self._revise()

    def adapt(self, individual: Individual) -> Individual:
        """Return the individual as one of the current space: 0.5 is the gene of what it did not have."""
        space, genome = individual.space, individual.genome
        if space is self.space:
            return individual
        known, plan = self._plans.get(space.names, (None, []))
        if known is not space and known != space:
            plan = self._plan(space)
            self._plans[space.names] = space, plan
        genes = [
            0.5 if index < 0 else genome[index] if recode is None else recode(genome[index]) for index, recode in plan
        ]
        return individual.with_genome(tuple(genes), self.space)

    def _add_space(self, space: Space) -> tuple[list[Parent], bool]:
        """Take in parameters that were asked for, and their order.

        Return the possible parents, and whether it is new.
        """
        before: set[str] = set()
        parents: list[Parent] = []
        new = False
        for position, (name, parameter) in enumerate(space.items()):
            trace = self._traces.get(name)
            if trace is None:
                absent = {parent: set(values) for parent, values in self._met.items()}
                self._traces[name] = _Trace(parameter.conditioned({}), position, set(before), absent)
                new = True
            else:
                new |= trace.add(_joined(trace.parameter, parameter.conditioned({})), position, before)
            if parameter.decides:
                before.add(name)
                parents.append((position, name, parameter.decode))
        return parents, new

    def _note(self, parent: str, value: Scalar, names: tuple[str, ...], index: int, *, whole: bool) -> None:
        """Note which parameters a value of a parent, the one with this index, went with, and without which."""
        for name in names[index + 1 :]:
            self._traces[name].present.setdefault(parent, set()).add(value)
        if whole:
            self._met.setdefault(parent, set()).add(value)
            for name in self._traces.keys() - set(names):
                self._traces[name].absent.setdefault(parent, set()).add(value)

    def _revise(self) -> bool:
        ordered = sorted(self._traces, key=lambda name: (self._traces[name].position, name))
        parents = [name for name in ordered if self._traces[name].parameter.decides]
        space = Space({name: self._conditioned(self._traces[name], parents) for name in ordered}, asked_for=True)
        if space == self.space:
            return False
        self.space = space
        self._plans.clear()
        return True

    def _conditioned(self, trace: _Trace, parents: Iterable[str]) -> Parameter:
        for parent in parents:
            absent = trace.absent.get(parent)
            if not absent or parent not in trace.before or not absent.isdisjoint(trace.present[parent]):
                continue
            known = self._traces[parent].parameter
            values = [known.decode(known.gene(level)) for level in range(known.levels or 0)]
            possible = tuple(value for value in values if value not in absent)
            if 0 < len(possible) < len(values):
                return trace.parameter.conditioned({parent: possible})
        return trace.parameter

    def _plan(self, space: Space) -> Plan:
        """Return where in genomes of another space each gene of this one is, and how it is told in this one's terms."""
        plan: Plan = [(-1, None)] * len(self.space.names)
        positions = {name: position for position, name in enumerate(self.space.names)}
        for index, (name, own) in enumerate(space.items()):
            known = self._traces[name].parameter
            plan[positions[name]] = index, None if own.conditioned({}) == known else _recoder(own, known)
        return plan


class _Trace:
    """What is known of one parameter: by values of its possible parents, where it was asked for and where not."""

    def __init__(self, parameter: Parameter, position: int, before: set[str], absent: dict[str, set[Scalar]]) -> None:
        self.parameter, self.position = parameter, position
        self.before = before  # possible parents that were asked for before it each time
        self.present: dict[str, set[Scalar]] = {}
        self.absent = absent

    def add(self, parameter: Parameter, position: int, before: set[str]) -> bool:
        """Learn of an evaluation that asked for it; return whether that is new."""
        new = parameter is not self.parameter or position < self.position or not self.before <= before
        self.parameter, self.position = parameter, min(position, self.position)
        self.before &= before
        return new


class _Asked(NamedTuple):
    """The last space with certain names, its possible parents, and those of their values that teach no more."""

    space: Space
    parents: list[Parent]
    seen: set[tuple[str, Scalar, bool]]


def as_asked(individual: Individual) -> Individual:
    """Return the individual without parameters that are not active in it, and without conditions, as if asked for."""
    active = individual.params
    genes = [gene for name, gene in zip(individual.space, individual.genome) if name in active]
    parameters = {name: parameter.conditioned({}) for name, parameter in individual.space.items() if name in active}
    space = Space(parameters, asked_for=True)
    return individual.with_genome(tuple(genes), space)


def _joined(known: Parameter, new: Parameter) -> Parameter:
    """Return a parameter with the values of both, as far as there is one; `known` itself where that has them all."""
    try:
        joined = known.joined(new)
    except ValueError:
        return known
    return known if joined == known else joined


def _recoder(own: Parameter, known: Parameter) -> Callable[[float], float]:
    """Return what turns a gene of `own` into the one of `known` for the same value, or for the nearest there is."""
    return lambda gene: known.nearest_gene(own.decode(gene))
