"""Starting points: params that a search evaluates before all others, of which each may leave some open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from propulate_like.foundation import values
from propulate_like.foundation.declarations import nearest
from propulate_like.problem.parameters import Choice, Parameter
from propulate_like.problem.space import Genome, Space

Point = Mapping[str, Any]


def points_of(form: Any) -> tuple[dict[str, Any], ...]:
    """Read starting points: mappings of names to values, flat or nested, in a list, or one alone.

    Raises:
        ValueError: They are none. The message says which.
    """
    forms = [form] if isinstance(form, Mapping) else form
    if not isinstance(forms, list | tuple):
        message = f"points: {values.brief(form)} must be a list of mappings such as [{{'x': 0.5}}]"
        raise ValueError(message)
    points = []
    for number, each in enumerate(forms, 1):
        if not isinstance(each, Mapping):
            message = f"points: point {number}: {values.brief(each)} must be a mapping such as {{'x': 0.5}}"
            raise ValueError(message)
        for name in each:
            if not isinstance(name, str):
                message = f"points: point {number}: {values.brief(name)} is no parameter's name, which is a text"
                raise ValueError(message)
        points.append(values.tree(dict(each)))
    return tuple(points)


def check_points(points: Iterable[Point], space: Space) -> None:
    """Check that each point is one of a space.

    Raises:
        ValueError: One is not. The message says which, and why.
    """
    for number, point in enumerate(points, 1):
        try:
            placed(point, space, Random(0))
        except ValueError as error:
            message = f"points: point {number}: {error}"
            raise ValueError(message) from None


def placed(point: Point, space: Space, generator: Random) -> tuple[Genome, Space]:
    """Return a point as a genome, and the space that the genome is of.

    What the point leaves open is drawn uniformly, from the values with which all that it gives is active. Where the
    loss asks for its parameters, the space has those alone that the point gives, with their values.

    Args:
        point: The values by their parameters' names.
        space: The search space, which is empty where the loss asks for its parameters.
        generator: Draws what is left open.

    Raises:
        ValueError: The space does not contain the point.
    """
    if space.asked_for:
        known = {name: _only(name, value) for name, value in point.items()}
        return tuple(each.encode(point[name]) for name, each in known.items()), Space(known, asked_for=True)
    point = space.flat(point)
    genes = dict(zip(space.names, space.sample(generator)))
    for name, value in _with_conditions(_read(point, space), space, generator).items():
        genes[name] = space[name].encode(value)
    genome = tuple(genes.values())
    active = space.decode(genome)
    for name in point:
        if name not in active:
            conditions = space[name].when.items()
            needs = " and ".join(f"{parent} is {' or '.join(map(repr, needed))}" for parent, needed in conditions)
            message = f"{name} exists only where {needs}"
            raise ValueError(message)
    return genome, space


def shared(point: Point, params: Mapping[str, Any], space: Space) -> int:
    """Return the number of a point's values that params of a space have; -1 where they have another one.

    Where the loss asks for its parameters, those that it did not ask for are no others.
    """
    count = 0
    for name, value in space.flat(point).items():
        if name not in params:
            if not space.asked_for:
                return -1
            continue
        parameter = space[name]
        try:
            given = parameter.decode(parameter.encode(value_of(parameter, value)))
        except ValueError:
            return -1
        if given != params[name]:
            return -1
        count += 1
    return count


def value_of(parameter: Parameter, given: Any) -> Any:
    """Return the value of a parameter that is given: 2 for 2.0, or a list for a tuple, where it has no other.

    Raises:
        ValueError: The parameter has no such value.
    """
    value = given
    if isinstance(given, float) and given.is_integer() and not parameter.contains(given):
        value = int(given)
    elif isinstance(given, list | tuple) and not parameter.contains(given):
        value = (tuple if isinstance(given, list) else list)(given)
    if (parameter.numeric and isinstance(given, bool)) or not parameter.contains(value):
        message = f"{values.brief(given)} is not a value of {parameter!r}"
        raise ValueError(message)
    return value


def _read(point: Point, space: Space) -> dict[str, Any]:
    """Return a point's values, of which each is one of its parameter's.

    Raises:
        ValueError: One is not, or its name is unknown.
    """
    read = {}
    for name, value in point.items():
        if name not in space:
            message = f"{name!r:.80} is no parameter of this space{nearest(name, space.names)}"
            raise ValueError(message)
        try:
            read[name] = value_of(space[name], value)
        except ValueError as error:
            message = f"{name}: {error}"
            raise ValueError(message) from None
    return read


def _with_conditions(given: dict[str, Any], space: Space, generator: Random) -> dict[str, Any]:
    """Return the values that are given, and values for those parameters that must have some for these to exist."""
    fixed, allowed = dict(given), dict[str, list[Any]]()
    for name in _children_first(space):
        if name in allowed and name not in fixed:
            fixed[name] = generator.choice(allowed[name])
        if name not in fixed:
            continue
        for parent, needed in space[name].when.items():
            left = [value for value in allowed.get(parent, needed) if value in needed]
            if not left:
                message = f"{name} exists only where {parent} is {' or '.join(map(repr, needed))}, and others where not"
                raise ValueError(message)
            allowed[parent] = left
    return fixed


def _children_first(space: Space) -> list[str]:
    """Return the names of parameters, each before those that its conditions name."""
    order: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in order:
            for parent in space[name].when:
                visit(parent)
            order[name] = None

    for name in space.names:
        visit(name)
    return list(reversed(order))


def _only(name: str, value: Any) -> Parameter:
    """Return a parameter that has this value; no other one, unless it is a list, which alone is not one of options.

    Raises:
        ValueError: No parameter can have it.
    """
    try:
        return Choice(value, None) if isinstance(value, list | tuple) else Choice(value)
    except ValueError as error:
        message = f"{name}: {error}"
        raise ValueError(message) from None
