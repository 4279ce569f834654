"""Problems with constraints, from the literature and from training: losses are minimized, constraints at most 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import msgspec

from propulate_like.problem.parameters import Choice, Float, Int, Parameter
from propulate_like.problem.space import Space

Params = Mapping[str, Any]


class Values(msgspec.Struct, frozen=True):
    """What an evaluation comes to."""

    losses: tuple[float, ...]
    constraints: tuple[float, ...]

    @property
    def feasible(self) -> bool:
        return all(constraint <= 0.0 for constraint in self.constraints)


class Problem(msgspec.Struct, frozen=True):
    """A problem.

    Attributes:
        space: The space.
        loss: Returns the losses and constraints at a point; the loop of `quality.workers` calls it so.
        reference: The point against which the hypervolume of several losses is measured; none where there is one loss.
        best: The largest hypervolume, or the lowest feasible loss, as far as it is known.
    """

    space: Space
    loss: Callable[[Params], Values]
    reference: tuple[float, ...] = ()
    best: float | None = None


def c2_dtlz2() -> Problem:
    """Return C2-DTLZ2 with two losses and 11 parameters.

    Jain and Deb 2014, An evolutionary many-objective optimization algorithm using reference-point based nondominated
    sorting approach, part II: handling constraints, equation 9, with their radius of 0.5. The optimum of the last ten
    parameters is moved from the middle, where `auto` begins, to various places from 0.2 to 0.8.
    """
    optimum = [0.2 + 0.6 * (0.618 * number % 1.0) for number in range(1, 11)]

    def loss(params: Params) -> Values:
        first, *others = params.values()
        radius = 1.0 + sum((x - best) ** 2 for x, best in zip(others, optimum, strict=True))
        one, other = radius * math.cos(first * math.pi / 2), radius * math.sin(first * math.pi / 2)
        corners = min((one - 1.0) ** 2 + other**2, (other - 1.0) ** 2 + one**2)
        middle = (one - 0.5**0.5) ** 2 + (other - 0.5**0.5) ** 2
        return Values((one, other), (min(corners, middle) - 0.5**2,))

    space = {f"x{number}": Float(0.0, 1.0) for number in range(11)}
    return Problem(Space(space), loss, (1.1, 1.1), 1.21 - math.pi / 4)


def bnh() -> Problem:
    """Return BNH: Binh and Korn 1997, MOBES: A multiobjective evolution strategy for constrained optimization."""

    def loss(params: Params) -> Values:
        x, y = params["x"], params["y"]
        losses = 4.0 * x * x + 4.0 * y * y, (x - 5.0) ** 2 + (y - 5.0) ** 2
        return Values(losses, ((x - 5.0) ** 2 + y * y - 25.0, 7.7 - (x - 8.0) ** 2 - (y + 3.0) ** 2))

    return Problem(Space({"x": Float(0.0, 5.0), "y": Float(0.0, 3.0)}), loss, (140.0, 50.0))


def pressure_vessel() -> Problem:
    """Return the cost of a pressure vessel, whose thicknesses are multiples of 1/16 inch.

    Sandgren 1990, Nonlinear integer and discrete programming in mechanical design optimization; as in Coello Coello
    2000, Use of a self-adaptive penalty approach for engineering optimization problems, section 5.4.
    """

    def loss(params: Params) -> Values:
        shell, head, r, length = params["shell"] / 16, params["head"] / 16, params["radius"], params["length"]
        cost = 0.6224 * shell * r * length + 1.7781 * head * r * r
        cost += 3.1661 * shell * shell * length + 19.84 * shell * shell * r
        volume = math.pi * r * r * length + 4.0 / 3.0 * math.pi * r**3
        return Values((cost,), (0.0193 * r - shell, 0.00954 * r - head, 1_296_000.0 - volume, length - 240.0))

    space = {
        "shell": Int(1, 99),
        "head": Int(1, 99),
        "radius": Float(10.0, 200.0),
        "length": Float(10.0, 200.0),
    }
    return Problem(Space(space), loss, best=6059.714)


def welded_beam() -> Problem:
    """Return the cost of a welded beam.

    Ragsdell and Phillips 1976, Optimal design of a class of welded structures using geometric programming; as in Coello
    Coello 2000, section 5.3.
    """

    def loss(params: Params) -> Values:
        h, length, t, b = params["weld"], params["length"], params["height"], params["thickness"]
        load, span, elastic, shear = 6000.0, 14.0, 30e6, 12e6
        cost = 1.10471 * h * h * length + 0.04811 * t * b * (14.0 + length)
        direct = load / (math.sqrt(2.0) * h * length)
        arm = math.sqrt(length**2 / 4.0 + ((h + t) / 2.0) ** 2)
        polar = 2.0 * math.sqrt(2.0) * h * length * (length**2 / 12.0 + ((h + t) / 2.0) ** 2)
        torsion = load * (span + length / 2.0) * arm / polar
        stress = math.sqrt(direct**2 + direct * torsion * length / arm + torsion**2)
        buckling = 4.013 * elastic * math.sqrt(t * t * b**6 / 36.0) / span**2
        buckling *= 1.0 - t / (2.0 * span) * math.sqrt(elastic / (4.0 * shear))
        constraints = (
            stress - 13_600.0,
            6.0 * load * span / (b * t * t) - 30_000.0,
            h - b,
            0.10471 * h * h + 0.04811 * t * b * (14.0 + length) - 5.0,
            0.125 - h,
            4.0 * load * span**3 / (elastic * b * t**3) - 0.25,
            load - buckling,
        )
        return Values((cost,), constraints)

    space = {
        "weld": Float(0.1, 2.0),
        "length": Float(0.1, 10.0),
        "height": Float(0.1, 10.0),
        "thickness": Float(0.1, 2.0),
    }
    return Problem(Space(space), loss, best=1.724852)


def network() -> Problem:
    """Return the validation error of a network on 1797 digits of 8 x 8 pixels, with at most 1,000 weights."""
    space: dict[str, Parameter] = {
        "layers": Int(1, 3),
        "width": Int(4, 128, log=True),
        "narrowing": Float(0.3, 1.0),
        "activation": Choice("relu", "tanh", "logistic"),
        "learning_rate": Float(1e-4, 1e-1, log=True),
        "alpha": Float(1e-6, 1.0, log=True),
        "batch_size": Int(32, 256, log=True),
    }
    return Problem(Space(space), _trained)


_LARGEST = 1000  # weights


def _trained(params: Params) -> Values:
    """Train a network, and return its error and by how much it is too large, as a share of what is allowed."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    x, y, v, w = _digits()
    layers = [max(round(params["width"] * params["narrowing"] ** depth), 2) for depth in range(params["layers"])]
    model = MLPClassifier(
        layers,
        activation=params["activation"],
        learning_rate_init=params["learning_rate"],
        alpha=params["alpha"],
        batch_size=params["batch_size"],
        max_iter=10,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    sizes = [x.shape[1], *layers, 10]
    weights = sum((before + 1) * after for before, after in pairwise(sizes))
    return Values((1.0 - float(model.score(v, w)),), (weights / _LARGEST - 1.0,))


@cache
def _digits() -> Sequence[Any]:
    """Return the images and digits for training, and those for validation."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, digits = load_digits(return_X_y=True)
    x, v, y, w = train_test_split(images / 16.0, digits, test_size=0.6, random_state=0, stratify=digits)
    return x, y, v, w


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "c2_dtlz2": c2_dtlz2,
    "bnh": bnh,
    "pressure_vessel": pressure_vessel,
    "welded_beam": welded_beam,
    "network": network,
}
