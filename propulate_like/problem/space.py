"""The search space: named parameters, the conditions between them, and the way from genome to params and back."""

from __future__ import annotations

import graphlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from random import Random
from typing import Any

from propulate_like.foundation import values
from propulate_like.foundation.declarations import nearest, whole
from propulate_like.foundation.parts import is_of_user, raised
from propulate_like.problem.limits import from_limit, is_limit
from propulate_like.problem.names import Keys, flat_name, flattened, nested
from propulate_like.problem.parameters import KINDS, Parameter
from propulate_like.problem.parameters.parameter import declared_group

Genome = tuple[float, ...]
_Needed = Collection[tuple[type, Any]]
_ABSENT = object()
Conditions = tuple[tuple[int, tuple[tuple[int, frozenset[int]], ...]], ...]


class Space(Mapping[str, Parameter]):
    """A search space of `len(space)` parameters, in the order given.

    A parameter that was given in a nested mapping has the keys to it as its name, joined by dots: that in
    {"model": {"lr": ...}} is model.lr. A loss gets it nested as it was given (see `nested`).

    A genome is a tuple of that many floats in [0, 1]. Every parameter has its gene at all times; a parameter whose
    condition does not hold is left out of the params, and its gene waits for the condition to hold again.
    """

    def __init__(self, parameters: Mapping[str, Any], *, asked_for: bool = False) -> None:
        """Declare parameters, or list those that a loss asked for.

        Args:
            parameters: The parameters by name, or in nested mappings.
            asked_for: Whether they were asked for by name: then there may be none, and names may be any text.

        Raises:
            ValueError: None is declared, or a condition names an unknown parameter, a wrong value or a cycle.
        """
        paths: dict[Keys, Any] = {}
        if not asked_for:
            paths = flattened(_group(parameters) or parameters, _group)
            parameters = _named(paths)
        if not parameters and not asked_for:
            message = "a space needs at least one parameter"
            raise ValueError(message)
        for name, parameter in parameters.items():
            if not isinstance(parameter, Parameter):
                *kinds, last = (kind.__name__ for kind in KINDS.values())
                kind = f"{', '.join(kinds)} or {last}"
                message = f"{name}={parameter!r} must be a {kind}, such as {name}=Float(0, 1)"
                raise ValueError(message)
            if is_of_user(type(parameter)):
                _check_kind(name, parameter)
        self.asked_for = asked_for
        """Whether the loss asks for its parameters by name, instead of being given those that were declared."""
        self._parameters: dict[str, Parameter] = dict(parameters)
        self.names: tuple[str, ...] = tuple(self._parameters)
        self.parameters: tuple[Parameter, ...] = tuple(self._parameters.values())
        self._paths: tuple[Keys, ...] = tuple(paths) or tuple((name,) for name in self.names)
        self.arguments: tuple[str, ...] = tuple(dict.fromkeys(path[0] for path in self._paths))
        """The outermost names, under which a loss gets its parameters."""
        self.is_nested: bool = any(len(path) > 1 for path in self._paths)
        self.ordered: bool = all(parameter.ordered for parameter in self.parameters)
        self._decoders = tuple((name, parameter.decode) for name, parameter in self._parameters.items())
        self._conditional = self._order_conditional()
        self._free = not self._conditional and all(parameter.levels is None for parameter in self.parameters)

    @classmethod
    def from_limits(cls, limits: Mapping[str, Sequence[Any]]) -> Space:
        """Read limits as Propulate writes them: a pair of floats, a pair of ints, or a tuple of strings.

        The type of the tuple's members decides: (0.0, 1.0) is a Float, (1, 8) an Int, both ends included, and
        ("relu", "gelu") a Choice.

        Raises:
            ValueError: A limit is none of these. The message names its parameter.
        """
        return cls(_each(flattened(limits, _group), from_limit))

    @classmethod
    def from_optuna(cls, distributions: Mapping[str, Any], *, asked_for: bool = False) -> Space:
        """Make a space of Optuna's distributions.

        Raises:
            ValueError: No parameter has a distribution's values. The message names it.
        """
        return cls(_each(_single(distributions), Parameter.from_optuna), asked_for=asked_for)

    @classmethod
    def from_declaration(cls, declaration: Mapping[str, Any], *, asked_for: bool | None = None) -> Space:
        """Read a space as it stands in YAML, such as {"layers": {"int": [1, 8], "log": True}}.

        Args:
            declaration: The space's declaration, which is empty where the loss asks for its parameters.
            asked_for: Whether the loss has asked for these parameters; by default where there are none.

        Raises:
            ValueError: A parameter is wrong. The message names it.
        """
        asked_for = not declaration if asked_for is None else asked_for
        forms = _single(declaration) if asked_for else flattened(declaration, declared_group)
        return cls(_each(forms, Parameter.from_declaration), asked_for=asked_for)

    @classmethod
    def of(cls, space: Space | Mapping[str, Any]) -> Space:
        """Take a space as it is, or make one of a mapping of parameters, or of limits as `from_limits` reads them.

        Raises:
            ValueError: It is none of these.
        """
        if isinstance(space, Space):
            return space
        if not isinstance(space, Mapping):
            message = f"a space must map names to parameters, not {space!r}"
            raise ValueError(message)
        return cls(_each(flattened(space, _group), lambda form: from_limit(form) if is_limit(form) else form))

    def decode(self, genome: Sequence[float]) -> dict[str, Any]:
        """Return the params of a genome by their flat names, without inactive parameters.

        Raises:
            PartError: A parameter of a kind that a user wrote cannot decode its gene.
        """
        try:
            params = {name: decode(gene) for (name, decode), gene in zip(self._decoders, genome)}
        except Exception as error:
            raise self._undecodable(genome, error) from error
        for name, conditions in self._conditional:
            for parent, needed in conditions:
                value = params.get(parent, _ABSENT)
                if (type(value), value) not in needed:
                    del params[name]
                    break
        return params

    def _undecodable(self, genome: Sequence[float], error: Exception) -> Exception:
        """Return the error that names the user's parameter which cannot decode its gene; `error` where none is."""
        for parameter, gene in zip(self.parameters, genome):
            if is_of_user(type(parameter)):
                try:
                    parameter.decode(gene)
                except Exception as own:  # noqa: BLE001 (a user's class may raise anything)
                    return raised(parameter, own)
        return error

    def canonical(self, genome: Sequence[float]) -> Genome:
        """Return the one genome that stands for all that decode to the same params: inactive genes become 0.5."""
        if self._free:
            return tuple(genome)
        genes = [parameter.centered(gene) for parameter, gene in zip(self.parameters, genome)]
        if self._conditional:
            active = self.decode(genome)
            genes = [gene if name in active else 0.5 for name, gene in zip(self.names, genes)]
        return tuple(genes)

    def nested(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return params as the loss gets them: in mappings, where the parameters were given so.

        A mapping none of whose parameters is active is there too, and empty.
        """
        whole: dict[str, Any] = {}
        for name, path in zip(self.names, self._paths):
            inside = whole
            for key in path[:-1]:
                inside = inside.setdefault(key, {})
            if name in params:
                inside[path[-1]] = params[name]
        return whole

    def flat(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return params by the flat names of their parameters: the reverse of `nested`; flat ones as they are."""
        found: dict[str, Any] = {}
        waiting: list[tuple[Keys, Mapping[str, Any]]] = [((), params)]
        for outer, given in waiting:
            for key, value in given.items():
                path = (*outer, key if self.asked_for else values.identifier(key))
                name = flat_name(path) if outer else path[0]
                if isinstance(value, Mapping) and self.is_nested and name not in self._parameters:
                    waiting.append((path, value))
                else:
                    found[name] = value
        return found

    def active(self, genome: Sequence[float]) -> list[int]:
        """Return the numbers of the parameters that are active in a point."""
        if not self._conditional:
            return list(range(len(self.names)))
        params = self.decode(genome)
        return [number for number, name in enumerate(self.names) if name in params]

    def encode(self, params: Mapping[str, Any]) -> Genome:
        """Return a genome that decodes to `params`, flat or nested; the genes of inactive parameters become 0.5.

        Raises:
            ValueError: A value is not among its parameter's, an active parameter is missing, or a name is unknown.
        """
        params = self.flat(params)
        for name in params:
            if name not in self._parameters:
                message = f"{name!r} is no parameter of this space{nearest(name, self.names)}"
                raise ValueError(message)
        genome = []
        for name, parameter in self._parameters.items():
            try:
                genome.append(parameter.encode(values.plain(params[name])) if name in params else 0.5)
            except ValueError as error:
                message = f"{name}: {error}"
                raise ValueError(message) from None
        active = self.decode(genome).keys()
        if active != params.keys():
            missing, surplus = sorted(active - params.keys()), sorted(params.keys() - active)
            message = f"params do not fit the conditions: missing {missing}, not active {surplus}"
            raise ValueError(message)
        return tuple(genome)

    def contains(self, params: Mapping[str, Any]) -> bool:
        """Return whether `params` names exactly the parameters that are active in it, each with a value it can have."""
        try:
            self.encode(params)
        except ValueError:
            return False
        return True

    def sample(self, generator: Random) -> Genome:
        """Draw a genome uniformly from the unit cube."""
        random = generator.random
        return tuple([random() for _ in self.names])

    def declaration(self) -> dict[str, Any]:
        """Return the space as it would stand in YAML."""
        return nested((path, parameter.declaration()) for path, parameter in zip(self._paths, self.parameters))

    @cached_property
    def written(self) -> str:
        """The parameters by their flat names as text, in their order."""
        declared = {name: parameter.declaration() for name, parameter in self._parameters.items()}
        return json.dumps(declared)  # ASCII, as not every text that Python has can be encoded

    @staticmethod
    @lru_cache(maxsize=4096)
    def read(text: str) -> Space:
        """Return the space of parameters that were asked for whose `written` is `text`.

        Raises:
            ValueError: The text is that of no space.
        """
        declaration = json.loads(text)
        if not isinstance(declaration, dict):
            message = f"{text[:80]!r} declares no space"
            raise ValueError(message)
        return Space.from_declaration(declaration, asked_for=True)

    @cached_property
    def conditions(self) -> Conditions:
        """The number of each conditional parameter, after its parents', with these and the levels they must have."""
        numbers = {name: number for number, name in enumerate(self.names)}
        return tuple(
            (
                numbers[name],
                tuple(
                    (numbers[parent], frozenset(known.level(known.encode(value)) for _, value in needed))
                    for parent, needed in when
                    for known in (self._parameters[parent],)
                ),
            )
            for name, when in self._conditional
        )

    def _order_conditional(self) -> tuple[tuple[str, tuple[tuple[str, _Needed], ...]], ...]:
        """Check every condition, and put parents before the parameters that depend on them."""
        for name, parameter in self._parameters.items():
            for parent, needed in parameter.when.items():
                if parent not in self._parameters:
                    others = [other for other in self.names if other != name]
                    message = f"{name}: when names {parent!r}, which is no parameter{nearest(parent, others)}"
                    raise ValueError(message)
                known = self._parameters[parent]
                if known.levels is None:
                    message = f"{name}: when names {parent!r}, a {known!r}; a condition needs a Choice, Ordinal or Int"
                    raise ValueError(message)
                for value in needed:
                    if not known.contains(value):
                        options = getattr(known, "options", ())
                        message = f"{name}: when asks for {parent}={value!r}, which {known!r} never is"
                        raise ValueError(message + nearest(value, options))
        graph = {name: parameter.when.keys() for name, parameter in self._parameters.items()}
        try:
            order = tuple(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError as error:
            message = f"the conditions run in a circle: {' -> '.join(error.args[1])}"
            raise ValueError(message) from None
        return tuple(
            (name, tuple((parent, _keys(self._parameters[parent], needed)) for parent, needed in when.items()))
            for name in order
            if (when := self._parameters[name].when)
        )

    def __getitem__(self, name: str) -> Parameter:
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self._paths == other._paths and self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash(self.names)

    def __repr__(self) -> str:
        return f"Space({_group(self)!r})"


NOTHING = Space({}, asked_for=True)
"""What is known of the space of a loss that asks for its parameters, before it has asked for any."""


def _check_kind(name: str, parameter: Parameter) -> None:
    """Try a parameter of a kind that a user wrote; ValueError for one that does not do what it must."""
    try:
        last = None if parameter.levels is None else whole("levels", parameter.levels, 1) - 1
        decoded = [parameter.decode(gene) for gene in (0.0, 0.5, 1.0)]
        genes = [parameter.encode(value) for value in decoded]
        genes += [] if last is None else [parameter.gene(0), parameter.gene(last)]
        outside = [gene for gene in genes if not 0.0 <= gene <= 1.0]
        problem = f"its gene {outside[0]!r:.80} is not in [0, 1]" if outside else ""
        missing = [value for value in decoded if not parameter.contains(value)]
        problem = problem or (f"it decodes to {missing[0]!r:.80}, which it does not contain" if missing else "")
        json.dumps(parameter.declaration())
    except Exception as error:  # noqa: BLE001 (a user's class may raise anything)
        problem = str(raised(parameter, error))
    if problem:
        message = f"{name}: {problem}"
        raise ValueError(message)


def _group(given: Any) -> Mapping[Any, Any] | None:
    """Return the parameters that a mapping nests in another; None where it stands for one, and maybe wrongly so."""
    if isinstance(given, Space):
        return nested(zip(given._paths, given.parameters))  # noqa: SLF001 (of this class)
    if not isinstance(given, Mapping) or any(name in KINDS and isinstance(given[name], list) for name in given):
        return None  # {"float": [0, 1]} is a parameter's form in YAML
    return given


def _named(paths: Mapping[Keys, Any]) -> dict[str, Any]:
    """Return parameters under their flat names, with their conditions, as Python has names in code."""
    named: dict[str, Any] = {}
    for path, parameter in paths.items():
        name = flat_name(path)
        named[name] = parameter
        if isinstance(parameter, Parameter) and parameter.when:
            when = {values.identifier(parent): needed for parent, needed in parameter.when.items()}
            named[name] = parameter.conditioned(when)
    return named


def _keys(parent: Parameter, needed: tuple[Any, ...]) -> _Needed:
    """Return the keys of the values that a parent must have one of, as it decodes them: of 1.0 for 1 in a Float."""
    found = [parent.decode(parent.encode(value)) for value in needed]
    keys = tuple((type(value), value) for value in found)  # as `Space.decode` has them
    try:
        hash(tuple(getattr(parent, "options", ())))
        return frozenset(keys)
    except TypeError:  # of lists, or of a kind whose values have no hash
        return keys


def _single(forms: Mapping[str, Any]) -> dict[Keys, Any]:
    """Return forms by the paths to them, where none is nested, whatever their names are."""
    return {(name,): form for name, form in forms.items()}


def _each(forms: Mapping[Keys, Any], read: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the parameters that forms stand for, nested as these are; ValueError with the name of a wrong one."""
    parameters = {}
    for path, form in forms.items():
        try:
            parameters[path] = read(form)
        except ValueError as error:
            message = f"{flat_name(path)}: {error}"
            raise ValueError(message) from None
    return nested(parameters.items())
