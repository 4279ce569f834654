"""Searches of this package: an Optimizer for each worker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import yaml

import propulate_like
from propulate_like.evaluation import loading
from propulate_like.population.individual import Individual
from propulate_like.population.outcome import Outcome
from propulate_like.propagators import Propagator, from_yaml
from propulate_like.search.optimizer import Optimizer
from propulate_like_bench.quality.workers import Contestant, Proposal, Setting

_SOURCES = ("problem", "population", "propagators", "search")  # the packages that decide a search


class Workers(Contestant):
    """An Optimizer for each worker, with a propagator of its own."""

    def __init__(self, setting: Setting, propagator: Callable[[Setting], Propagator | str]) -> None:
        self._optimizers = [
            Optimizer(
                setting.space,
                propagator=propagator(setting),
                workers=setting.workers,
                rank=rank,
                evaluations=setting.evaluations,
                seed=setting.seed,
            )
            for rank in range(setting.workers)
        ]

    def ask(self, worker: int) -> Proposal:
        individual = self._optimizers[worker].ask()
        return Proposal(individual.params, individual)

    def tell(self, worker: int, proposal: Proposal, loss: float, seconds: float, ended: float) -> Individual:
        evaluated: Individual = proposal.handle.evaluated(Outcome.of(loss).timed(seconds, ended))
        self._optimizers[worker].absorb(evaluated)
        return evaluated

    def absorb(self, worker: int, told: Individual) -> None:
        self._optimizers[worker].absorb(told)


def propagator_of(name: str) -> Callable[[Setting], Propagator | str]:
    """Return what makes a worker's propagator.

    Args:
        name: "auto", a propagator in YAML's form, or file.py:function, which is given the Setting.

    Raises:
        ValueError: The name is none of these.
    """
    if name == "auto":
        return lambda _setting: "auto"
    if loading.is_reference(name) and not name.startswith(("[", "{")):
        loading.check(name, Path.cwd())
        factory: Callable[[Setting], Propagator] = loading.load(name, Path.cwd())
        return factory
    try:
        form = yaml.safe_load(name)
    except yaml.YAMLError:
        message = f"{name!r} is no propagator: it is not valid YAML"
        raise ValueError(message) from None
    from_yaml.read(form)
    return lambda _setting: from_yaml.read(form)


def version(name: str) -> str:
    """Name what the searches come from: a digest of this package's source, and of the file that `name` names."""
    digest = _source()
    place = name.rpartition(":")[0]
    if place.endswith(".py"):
        digest = hashlib.sha256((digest + Path(place).read_text(encoding="utf-8")).encode()).hexdigest()[:16]
    return f"source {digest}"


@cache
def _source() -> str:
    """Return a digest of the source as it was when this was first called."""
    package = Path(propulate_like.__file__).parent
    digest = hashlib.sha256()
    for part in _SOURCES:
        for path in sorted((package / part).rglob("*.py")):
            digest.update(f"{path.relative_to(package)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
