"""The space of a define-by-run objective, learned from what its evaluations asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from propulate_like.foundation.values import key
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import INFEASIBLE, OK, Status
from propulate_like.problem.parameters import Parameter, Scalar
from propulate_like.problem.space import NOTHING, Space

_WHOLE = {OK, INFEASIBLE}
_SILENT = {Status.CRASHED, Status.TIMEOUT, Status.MEMORY}  # what was asked for is not known, but for some
# docs/decisions.md, "A space is learned anew ever more seldom"
_SELDOM = 8  # the space is learned anew once this share of the evaluations were added since the last time
_FIRST = 128  # evaluations, until which every name is one of the space
_RARE = 2000  # evaluations, of which one has to ask for a name, and two at least
_LISTED = 64  # values of a parent at most, of which those that were never seen count as possible

Plan = list[tuple[int, int, Callable[[float], float] | None]]
Parent = tuple[int, str, Callable[[float], Scalar]]
_Value = tuple[type, Scalar]  # as 1 and True are equal


class LearnedSpace:
    """The parameters that evaluations have asked for, and which of them decide whether others are asked for.

    A parameter that an evaluation did without gets a condition on one parent, a Choice, Ordinal or Int with few values:
    the first one that was asked for before it each time, and whose values tell all evaluations with it from those
    without. Values that were never seen may have it, unless the parent has many. Where there is no such parent it has
    no condition. What contradicts a condition revises it. An evaluation that was stopped or failed might have asked for
    more, so what it lacks says nothing. Where its process was ended, what it has says nothing either: it was only bred.

    Parameters are in the order of the earliest place in which each was asked for, and of their names. Ranges that
    differ become the widest one, options that differ are joined, and otherwise the first kind and scale remain.

    The first evaluations change the space at once. Later ones do so together, once they are an eighth of all, so that
    an evaluation costs the same however many there were. Names that hardly any evaluation asks for are then left out:
    there is nothing to learn for them.
    """

    def __init__(self) -> None:
        self.space = NOTHING
        self._positions: dict[str, int] = {}  # in the space
        self._added, self._revised = 0, 0  # evaluations: all, and those when the space was learned last
        self._new = False  # whether they tell more since then
        self._traces: dict[str, _Trace] = {}
        self._facts: dict[str, _Facts] = {}
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
        space, genome, whole = individual.space, individual.genome, individual.status in _WHOLE
        asked = self._asked.get(space.names)
        if asked is None or (asked.space is not space and asked.space != space):
            parents = self._add_space(space)
            if asked is None:
                asked = self._asked[space.names] = _Asked(space, parents)
            else:
                asked.space, asked.parents = space, parents
        asked.count += 1
        self._new |= asked.count == 2  # noqa: PLR2004 (its names may belong to the space from now on)
        for index, name, decode in asked.parents:
            value = decode(genome[index])
            fact = (name, key(value), whole)
            if fact not in asked.seen:
                asked.seen.add(fact)
                self._facts.setdefault(name, _Facts()).add(fact[1], space.names, index, whole=whole)
                self._new = True
        self._added += 1
        return self._new and self._added - self._revised >= self._added // _SELDOM and self._revise()

    def adapt(self, individual: Individual) -> Individual:
        """Return the individual as one of the current space: 0.5 is the gene of what it did not have."""
        space, genome = individual.space, individual.genome
        if space is self.space:
            return individual
        known, plan = self._plans.get(space.names, (None, []))
        if known is not space and known != space:
            plan = self._plan(space)
            self._plans[space.names] = space, plan
        genes = [0.5] * len(self._positions)
        for position, index, recode in plan:
            genes[position] = genome[index] if recode is None else recode(genome[index])
        return individual.with_genome(tuple(genes), self.space)

    def _add_space(self, space: Space) -> list[Parent]:
        """Take in parameters that were asked for, and their order; return the possible parents."""
        before: set[str] = set()
        parents: list[Parent] = []
        for position, (name, parameter) in enumerate(space.items()):
            trace = self._traces.get(name)
            if trace is None:
                self._traces[name] = _Trace(parameter.conditioned({}), position, set(before))
            else:
                trace.add(_joined(trace.parameter, parameter.conditioned({})), position, before)
            if parameter.decides:
                before.add(name)
                parents.append((position, name, parameter.decode))
        self._new = True
        return parents

    def _revise(self) -> bool:
        """Learn the space anew; return whether it is another one."""
        self._revised, self._new = self._added, False
        traces = self._traces
        ordered = sorted(self._frequent(), key=lambda name: (traces[name].position, name))
        places, names = {name: place for place, name in enumerate(ordered)}, set(ordered)
        parents = {
            name: _ParentValues(traces[name].parameter, self._facts[name], names)
            for name in ordered
            if traces[name].parameter.decides and name in self._facts
        }
        conditioned = {}
        for name in ordered:
            before = sorted(traces[name].before & parents.keys(), key=places.__getitem__)
            possible = ((parent, parents[parent].possible(name)) for parent in before)
            when = next(({parent: values} for parent, values in possible if values), {})
            conditioned[name] = traces[name].parameter.conditioned(when)
        space = Space(conditioned, asked_for=True)
        if space == self.space:
            return False
        self.space, self._positions = space, places
        self._plans.clear()
        return True

    def _frequent(self) -> Iterable[str]:
        """Return the names that belong to the space: all at first, and then those that are asked for now and again."""
        fewest = 1 if self._added < _FIRST else max(2, self._added // _RARE)
        counts: Counter[str] = Counter()
        for names, asked in self._asked.items():
            for name in names:
                counts[name] += asked.count
        return [name for name, count in counts.items() if count >= fewest]

    def _plan(self, space: Space) -> Plan:
        """Return which genes of another space are where in this one, and how each is told in this one's terms."""
        plan: Plan = []
        for index, (name, own) in enumerate(space.items()):
            if name in self._positions:
                known = self.space[name]
                same = own.conditioned({}) == known.conditioned({})
                plan.append((self._positions[name], index, None if same else _recoder(own, known)))
        return plan


class _Facts:
    """What is known by the values of one possible parent.

    Attributes:
        following: The names that were asked for after the parent had a value.
        common: The names that every evaluation asked for that had the value and came to its end.
    """

    def __init__(self) -> None:
        self.following: dict[_Value, set[str]] = {}
        self.common: dict[_Value, set[str]] = {}

    def add(self, value: _Value, names: tuple[str, ...], index: int, *, whole: bool) -> None:
        """Note the names that were asked for with a value of the parent, which is the one with this index."""
        self.following.setdefault(value, set()).update(names[index + 1 :])
        if whole:
            known = self.common.get(value)
            self.common[value] = set(names) if known is None else known.intersection(names)


class _ParentValues:
    """By the values of one parent, which names have it as a condition.

    Args:
        parameter: The parent.
        facts: What is known by its values.
        names: The names of the space.
    """

    def __init__(self, parameter: Parameter, facts: _Facts, names: set[str]) -> None:
        values = [parameter.decode(parameter.gene(level)) for level in range(parameter.levels or 0)]
        self._values: dict[_Value, Scalar] = {key(value): value for value in values}
        self._common = facts.common
        self._always = Counter(name for common in facts.common.values() for name in common & names)
        self._present: dict[str, set[_Value]] = {}
        for value, following in facts.following.items():
            for name in following & names:
                self._present.setdefault(name, set()).add(value)

    def possible(self, name: str) -> tuple[Scalar, ...]:
        """Return the values with which a name may be asked for; none where they do not tell that."""
        common, present = self._common, self._present.get(name, set())
        if self._always[name] == len(common) or any(name not in common.get(value, (name,)) for value in present):
            return ()
        if len(self._values) > _LISTED:
            found = [value for value in self._values if value in present] if len(present) > 1 else present
        else:
            found = [value for value in self._values if name in common.get(value, (name,))]
        possible = tuple(self._values[value] for value in found if value in self._values)
        return possible if len(possible) < len(self._values) else ()


class _Trace:
    """One parameter as far as it was asked for: its widest form, its earliest place, and what came before each time."""

    def __init__(self, parameter: Parameter, position: int, before: set[str]) -> None:
        self.parameter, self.position = parameter, position
        self.before = before  # possible parents

    def add(self, parameter: Parameter, position: int, before: set[str]) -> None:
        """Learn of an evaluation that asked for it."""
        self.parameter, self.position = parameter, min(position, self.position)
        self.before &= before


class _Asked:
    """The evaluations with certain names: their number, the last space, its possible parents, and what these teach."""

    def __init__(self, space: Space, parents: list[Parent]) -> None:
        self.space, self.parents = space, parents
        self.count = 0
        self.seen: set[tuple[str, _Value, bool]] = set()
        """The values of its parents that teach no more."""


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
