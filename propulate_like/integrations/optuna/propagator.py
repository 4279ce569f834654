"""Any Optuna sampler as a propagator."""

from __future__ import annotations

import copy
import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.integrations.optuna import seeding
from propulate_like.integrations.optuna.constraints import attributes_of
from propulate_like.integrations.optuna.studies import kinds, made, muted, one_thread, parts, quiet_study
from propulate_like.population.individual import Id, Individual
from propulate_like.population.outcome import STOPPED
from propulate_like.population.pareto import losses_of
from propulate_like.population.population import MODELED, Population, Requirements
from propulate_like.problem.parameters import Parameter
from propulate_like.problem.space import Genome, Space
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

_EVOLVES = {"CmaEsSampler", "BaseGASampler", "NSGAIISampler", "NSGAIIISampler"}
_NEAR = 16  # newest children of this rank that show where the sampler searches


class OptunaPropagator(Propagator):
    """Breed by one of Optuna's samplers.

    Every individual that this rank knows, of its own or of another rank, becomes a trial of a study in memory that is
    private to this rank: complete, pruned where it was stopped, or failed. Evaluations in progress are running trials.
    With a fidelity, only losses of the lowest rung are told. Each rank draws from a random stream of its own, from the
    `seed` given to the sampler, or else the run's. In YAML an instance is declared by its class's name only.

    Args:
        sampler: The name of the sampler's class, or an instance.
        arguments: The arguments of the class. A sampler within another one is declared likewise:
            `OptunaPropagator("PartialFixedSampler", {"fixed_params": {"layers": 3}, "base_sampler": "TPESampler"})`.
    """

    takes: Arity = (0, None)
    requirements: Requirements = Requirements(best=MODELED.best, arrivals=MODELED.best)

    def __init__(self, sampler: object, arguments: Mapping[str, Any] | None = None) -> None:
        """Create the sampler.

        Raises:
            ValueError: Optuna or a library of the sampler is missing, there is no such sampler, or it refuses its
                arguments.
        """
        self._sampler = made("sampler", sampler, arguments)
        self.sampler: str = sampler if isinstance(sampler, str) else type(sampler).__name__
        self.arguments: dict[str, Any] | None = None if arguments is None else dict(arguments)
        self._study: _Study | None = None

    def check(self, breeding: BreedingContext) -> None:
        try:
            self._begin(breeding).child((), breeding)
        except ValueError as error:
            message = f"{self!r}: {error}"
            raise ValueError(message) from None
        if breeding.workers > 1 and "QMCSampler" in kinds(self._sampler):
            message = (
                f"{self!r} would draw the same points on each of {breeding.workers} ranks: take SobolInitialization()"
            )
            raise ValueError(message)

    @undisturbed
    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if self._study is None:
            self._study = self._begin(breeding)
        return [self._study.child(individuals, breeding)]

    def _begin(self, breeding: BreedingContext) -> _Study:
        """Return a new study with a copy of the sampler, seeded for this rank."""
        sampler = copy.deepcopy(self._sampler)
        seeding.seed(sampler, breeding)
        return _Study(quiet_study(sampler=sampler, losses=breeding.losses), f"optuna:{self.sampler}")


class _Asked(NamedTuple):
    """The trial from which a child was bred, and its params."""

    trial: optuna.Trial
    params: dict[str, Any]


class _Study:
    """The study of one rank: the individuals it knows as trials, and its own children that are not evaluated yet."""

    def __init__(self, study: optuna.Study, origin: str) -> None:
        self._study, self._origin = study, origin
        self._loggers = {type(part).__module__ for part in parts(study.sampler)}
        self._generation = _Generation(study.sampler)
        self._asked: dict[Id, _Asked] = {}
        self._known: set[Id] = set()
        self._read = 0
        self._space: Space | None = None
        self._distributions: dict[str, BaseDistribution] = {}

    def child(self, individuals: Iterable[Individual], breeding: BreedingContext) -> Individual:
        """Add the new individuals to the study, and breed a child."""
        with muted(*self._loggers), one_thread():
            self._add_new(individuals)
            return breeding.child(self._ask(breeding), origin=self._origin)

    def _add_new(self, individuals: Iterable[Individual]) -> None:
        """Add the individuals on the lowest rung that the study does not contain."""
        if isinstance(individuals, Population):
            new, self._read = individuals.arrivals(self._read), individuals.arrived
        else:
            new = list(individuals)
        for individual in new:
            if individual.id not in self._known and not individual.rung:
                self._known.add(individual.id)
                self._add(individual)

    def _add(self, individual: Individual) -> None:
        """Add an individual: to its trial where it is an unchanged child of this study, otherwise as a new trial."""
        from optuna.trial import TrialState

        asked = self._asked.pop(individual.id, None)
        mine = asked is not None and individual.origin.startswith(self._origin)
        if mine:
            self._generation.include(individual)
        if asked is not None and _same(asked.params, individual.params):
            self._tell(asked.trial, individual)
            return
        if asked is not None:
            self._study.tell(asked.trial, state=TrialState.FAIL)
        attributes = self._generation.attributes if mine or self._generation.near(individual) else {}
        self._add_trial(individual, attributes)

    def _tell(self, trial: optuna.Trial, individual: Individual) -> None:
        """Finish a running trial with the individual's outcome."""
        from optuna.trial import TrialState

        if individual.failed:
            self._study.tell(trial, state=TrialState.FAIL)
        elif individual.status is STOPPED:
            for step, loss in _finite(individual):
                trial.report(loss, step)
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            for name, value in attributes_of(individual).items():
                self._study._storage.set_trial_system_attr(trial._trial_id, name, value)  # noqa: SLF001
            self._study.tell(trial, losses_of(individual))

    def _add_trial(self, individual: Individual, attributes: Mapping[str, Any]) -> None:
        """Add an individual as a finished trial with these system attributes."""
        from optuna.trial import TrialState, create_trial

        state = TrialState.PRUNED if individual.status is STOPPED else TrialState.COMPLETE
        params, distributions = individual.params, self._distributions_of(individual.space)
        trial = create_trial(
            state=TrialState.FAIL if individual.failed else state,
            params=params,
            distributions={name: distributions[name] for name in params},
            values=None if individual.failed else losses_of(individual),
            intermediate_values=dict(_finite(individual)),
            system_attrs={**attributes, **attributes_of(individual)},
        )
        self._study.add_trial(trial)

    def _ask(self, breeding: BreedingContext) -> Genome:
        """Return a genome by the sampler, asked for each active parameter after those that it depends on."""
        from optuna.trial import TrialState

        space, names = breeding.space, breeding.space.names
        self._distributions_of(space)
        given_up = self._asked.pop(breeding.id, None)  # it was bred before and rejected
        if given_up is not None:
            self._study.tell(given_up.trial, state=TrialState.FAIL)
        trial = self._study.ask()
        params: dict[str, Any] = {}
        genes = dict.fromkeys(names, 0.5)
        for name in [
            *(name for name in names if not space[name].when),
            *(names[index] for index, _ in space.conditions),
        ]:
            if all(parent in params and params[parent] in values for parent, values in space[name].when.items()):
                genes[name] = space[name].suggested(trial, name)
                params[name] = space[name].decode(genes[name])
        self._asked[breeding.id] = _Asked(trial, params)
        self._generation.note(self._study, trial.number)
        return tuple(genes.values())

    def _distributions_of(self, space: Space) -> Mapping[str, BaseDistribution]:
        """Return the distributions of a space's parameters; those of the last space are cached.

        Raises:
            ValueError: Optuna has no distribution for a parameter, which the message names.
        """
        if space is not self._space:
            self._distributions = {name: _distribution(name, parameter) for name, parameter in space.items()}
            self._space = space
        return self._distributions


class _Generation:
    """The system attributes of this rank's last child, by which evolutionary samplers recognize a generation.

    These samplers ignore trials that were only added, unless they have the same attributes: then they belong to that
    generation. A point far from its distribution would mislead CMA-ES, so it receives only points in the region of this
    rank's own children; and none at all with margin, where it stores each trial's point in the attributes.

    Attributes:
        attributes: The attributes, or none where the sampler is not evolutionary.
    """

    def __init__(self, sampler: optuna.samplers.BaseSampler) -> None:
        self._evolves = bool(kinds(sampler) & _EVOLVES)
        self._narrow = "CmaEsSampler" in kinds(sampler)
        self._own: deque[Individual] = deque(maxlen=_NEAR)
        self.attributes: Mapping[str, Any] = {}

    def note(self, study: optuna.Study, number: int) -> None:
        """Store the system attributes of the trial with this number, the last child."""
        if self._evolves:
            noted = study.get_trials(deepcopy=False)[number].system_attrs
            self.attributes = {} if "x_for_tell" in noted else dict(noted)

    def include(self, individual: Individual) -> None:
        """Add an evaluated child of this rank, which shows where the sampler searches."""
        if self._narrow:
            self._own.append(individual)

    def near(self, individual: Individual) -> bool:
        """Return whether another rank's individual could be one of the sampler's.

        It could where it is no further outside the range of this rank's own children than that range is wide.
        """
        if not self._narrow or not self.attributes:
            return True
        own = [one.genome for one in self._own if one.space.names == individual.space.names]
        ordered = [parameter.ordered for parameter in individual.space.parameters]
        return bool(own) and all(
            2 * min(genes) - max(genes) <= gene <= 2 * max(genes) - min(genes)
            for gene, genes, compared in zip(individual.genome, zip(*own), ordered)
            if compared
        )


def _finite(individual: Individual) -> list[tuple[int, float]]:
    """Return the intermediate losses by which a sampler may judge."""
    return [point for point in individual.curve if math.isfinite(point[1])]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether params are equal and of the same types, as True and 1 are equal."""
    return one.keys() == other.keys() and all(
        value == other[name] and type(value) is type(other[name]) for name, value in one.items()
    )


def _distribution(name: str, parameter: Parameter) -> BaseDistribution:
    """Return the distribution of a parameter.

    Raises:
        ValueError: Optuna has none, or cannot distinguish all options.
    """
    try:
        return parameter.distribution(exact=True)
    except ValueError as error:
        message = f"{name}: {error}"
        raise ValueError(message) from None
