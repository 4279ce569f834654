"""Propagators made of propagators: a sequence, a warm-up, an optional step, and a random choice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate, pairwise
from operator import or_

from propulate_like.foundation import declarations
from propulate_like.population.individual import Individual
from propulate_like.population.population import Requirements
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator, needed_by, require_propagator


class Chain(Propagator):
    """A sequence of steps, each of which receives the individuals of the step before it.

    Args:
        steps: The steps, at least one.
    """

    def __init__(self, *steps: Propagator) -> None:
        """Check that the steps fit each other.

        Raises:
            ValueError: There is no step, or one cannot take what the step before it gives; the message names both.
                Steps that learn from the whole population must come first.
        """
        if not steps:
            message = "a chain needs at least one step"
            raise ValueError(message)
        for step in steps:
            require_propagator(step)
        for before, step in pairwise(steps):
            if step.requirements.training_data or step.requirements.arrivals:
                message = f"{step!r} learns from all that is known: it must come first, not after {before!r}"
                raise ValueError(message)
            fewest, most = step.takes
            if before.gives < fewest or (most is not None and before.gives > most):
                message = f"{step!r} takes {_range(step)}, but {before!r} before it gives {_count(before.gives)}"
                raise ValueError(message)
        self.steps = steps
        self.takes: Arity = steps[0].takes
        self.wants: int = needed_by(steps[0])
        self.gives: int = steps[-1].gives
        self.requirements: Requirements = steps[0].requirements
        self.traits: int = max(step.traits for step in steps)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        for step in self.steps:
            individuals = step(individuals, breeding)
        return individuals


class Warmup(Propagator):
    """A warm-up: one propagator until the population is large enough, then another one.

    Args:
        initial: The propagator until the population has `size` individuals.
        then: The propagator from then on.
        size: The number of individuals, at least 1.
    """

    def __init__(self, initial: Propagator, then: Propagator, size: int) -> None:
        """Check that the propagators fit each other.

        Raises:
            ValueError: `size` is below 1 or below what `then` needs, or the two give different numbers of individuals.
        """
        require_propagator(initial)
        require_propagator(then)
        _require_alike(initial, then)
        self.initial: Propagator = initial
        self.then: Propagator = then
        self.size: int = declarations.whole("size", size, 1)
        if size < needed_by(then):
            message = f"size={size} is too small for {then!r}, which needs a population of {needed_by(then)}"
            raise ValueError(message)
        self.takes: Arity = (0, None)
        self.wants: int = needed_by(initial)
        self.gives: int = then.gives
        self.requirements: Requirements = initial.requirements | then.requirements | Requirements(best=size)
        self.traits: int = max(initial.traits, then.traits)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        return (self.initial if len(individuals) < self.size else self.then)(individuals, breeding)


class Sometimes(Propagator):
    """A step that is applied with a probability.

    Args:
        probability: The probability, in [0, 1].
        step: The step.
        otherwise: The step that is applied otherwise; without it, the individuals stay as they are.
    """

    def __init__(self, probability: float, step: Propagator, otherwise: Propagator | None = None) -> None:
        """Check that the steps fit each other.

        Raises:
            ValueError: The probability is not in [0, 1], or the two steps take or give different numbers of
                individuals.
        """
        self.probability: float = declarations.number("probability", probability, 0.0, 1.0)
        require_propagator(step)
        self.step: Propagator = step
        self.otherwise: Propagator | None = otherwise
        self.takes: Arity = step.takes
        self.wants: int = needed_by(step)
        self.gives: int = step.gives
        self.requirements: Requirements = step.requirements
        self.traits: int = step.traits
        if otherwise is not None:
            require_propagator(otherwise)
            _require_alike(step, otherwise)
            self.takes = _common(step, otherwise)
            self.wants = max(needed_by(step), needed_by(otherwise))
            self.requirements |= otherwise.requirements
            self.traits = max(step.traits, otherwise.traits)
        elif step.takes != (step.gives, step.gives):
            message = f"{step!r} takes {_range(step)} and gives {_count(step.gives)}, so it needs an `otherwise`"
            raise ValueError(message)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if breeding.generator.random() < self.probability:
            return self.step(individuals, breeding)
        return individuals if self.otherwise is None else self.otherwise(individuals, breeding)


class Choose(Propagator):
    """A random choice of a propagator for each individual.

    Args:
        options: The propagators, at least one.
        weights: The relative probability of each, at least 0; by default they are equal.
    """

    def __init__(self, *options: Propagator, weights: list[float] | None = None) -> None:
        """Check that the propagators fit each other.

        Raises:
            ValueError: There is no propagator, the weights do not fit them, or they give different numbers of
                individuals.
        """
        if not options:
            message = "Choose() needs at least one propagator"
            raise ValueError(message)
        for option in options:
            require_propagator(option)
            _require_alike(options[0], option)
        self.options = options
        self.weights: list[float] | None = (
            None if weights is None else [declarations.number("weight", weight) for weight in weights]
        )
        shares = self.weights or [1.0] * len(options)
        if len(shares) != len(options) or not sum(shares) > 0:
            message = f"weights={weights!r} must hold {len(options)} numbers, not all 0"
            raise ValueError(message)
        self._thresholds = list(accumulate(share / sum(shares) for share in shares))
        self.takes: Arity = _common(*options)
        self.wants: int = max(needed_by(option) for option in options)
        self.gives: int = options[0].gives
        self.requirements: Requirements = reduce(or_, (option.requirements for option in options))
        self.traits: int = max(option.traits for option in options)

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        draw = breeding.generator.random()
        for option, threshold in zip(self.options, self._thresholds, strict=True):
            if draw < threshold:
                return option(individuals, breeding)
        return self.options[-1](individuals, breeding)


def _require_alike(one: Propagator, other: Propagator) -> None:
    """Check that two propagators give the same number of individuals.

    Raises:
        ValueError: They give different numbers.
    """
    if one.gives != other.gives:
        message = (
            f"{one!r} gives {_count(one.gives)} but {other!r} gives {_count(other.gives)}: they must give the same"
        )
        raise ValueError(message)


def _common(*options: Propagator) -> Arity:
    """Return the numbers of individuals that all propagators can take.

    Raises:
        ValueError: There is no such number.
    """
    fewest = max(option.takes[0] for option in options)
    upper = [option.takes[1] for option in options if option.takes[1] is not None]
    if upper and min(upper) < fewest:
        message = f"no number of individuals suits all of {', '.join(map(repr, options))}"
        raise ValueError(message)
    return fewest, min(upper) if upper else None


def _count(number: int) -> str:
    """Return a number of individuals in words."""
    return f"{number} individual{'s' * (number != 1)}"


def _range(step: Propagator) -> str:
    """Return the numbers of individuals that a step can take, in words."""
    fewest, most = step.takes
    if most is None:
        return f"at least {_count(fewest)}"
    return f"exactly {_count(most)}" if fewest == most else f"{fewest} to {_count(most)}"
