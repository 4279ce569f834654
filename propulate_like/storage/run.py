"""A run: a folder that holds what was searched for, and every evaluation."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from propulate_like.foundation import strict_yaml
from propulate_like.foundation.files import read_small
from propulate_like.population.individual import Id, Individual
from propulate_like.population.population import Population
from propulate_like.population.summary import Summary
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import Signs, signs_of
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.partition import PointPartition
from propulate_like.problem.space import Space
from propulate_like.storage.config_diff import Difference, differences, joined
from propulate_like.storage.events import FORMAT, Died, Started
from propulate_like.storage.journal import migrations
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.migration_history import MigrationHistory
from propulate_like.storage.recovery import Recovery

CONFIG = "config.yaml"
_CURVES = 1000  # of the newest evaluations, which a pruner learns of when a run continues


class ResumeSnapshot(msgspec.Struct):
    """What every rank needs to know before it begins; rank 0 reads it from the run's folder and hands it over."""

    seed: int
    summary: Summary = msgspec.field(default_factory=Summary)
    seconds: float = 0.0
    serials: dict[int, int] = {}
    populations: list[list[Individual]] = []
    """The best of each island, best first."""
    whole: list[bool] = []
    """Whether those are all of it."""
    unfinished: list[Started] = []
    died: list[Died] = []
    """Ranks that died at the end of the session before, and took all others with them."""
    curves: list[Individual] = []
    promoted: list[Id] = []
    seen: bytes = b""
    """What was evaluated of a space without continuous parameters, as `PointPartition.codes` has it."""
    known: list[Individual] = []
    """What others had evaluated before (see `WarmStart`), none of which counts."""


class Standing(NamedTuple):
    """How far a run is. `best` is the lowest loss on the highest rung that was reached."""

    evaluations: int
    unfinished: int
    best: float | None


class Run:
    """A run's folder, as it lies on disk. Reading it executes nothing."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """ValueError where there is no run in the folder, or none that this version can read."""
        self.folder = Path(folder)
        self.config = _read_config(self.folder)
        self.space = space_in(self.config)
        self.signs = signs_in(self.config)
        self.maximize = self.signs == (-1.0,)
        self.budget: dict[str, Any] = self.config.get("budget") or {}
        fidelity = self.config.get("fidelity")
        rungs = len(Fidelity.of(fidelity).rungs) if fidelity else 1
        self.shape = Shape(self.space, rungs, len(self.signs))
        self.changes: list[Difference] = []

    @staticmethod
    def exists(folder: Path) -> bool:
        """Return whether there is a run in the folder."""
        return (folder / CONFIG).exists()

    @classmethod
    def merged(cls, folder: Path, config: Mapping[str, Any]) -> tuple[dict[str, Any], list[Difference]]:
        """Return the config with which a run begins, or goes on, and in what it goes on otherwise; changes nothing.

        The budget and the seed are the folder's where `config` has none. ValueError where going on would mix two
        searches (see `differences`): it shows all that differs, a line each.
        """
        before = cls(folder).config if cls.exists(folder) else None
        merged = joined(before or {}, config)
        changes = [] if before is None else differences(before, merged)
        if any(change.mixes for change in changes):
            told = "".join(f"  {change}\n" for change in changes if change.mixes)
            message = (
                f"{folder / CONFIG} is of another search:\n{told}"
                "search on in a copy of it with --fork NEW (in Python, fork=...), or name another run folder"
            )
            raise ValueError(message)
        return merged, changes

    @classmethod
    def open(cls, folder: Path, config: Mapping[str, Any]) -> Run:
        """Begin a run, or go on with the one in the folder; ValueError where `merged` gives one."""
        merged, changes = cls.merged(folder, config)
        (folder / "journal").mkdir(parents=True, exist_ok=True)
        _write_config(folder, merged)
        opened = cls(folder)
        opened.changes = changes
        return opened

    def restore(self) -> None:
        """Write the config again where somebody removed it, or the folder of which evaluations made parts anew."""
        if self.folder.is_dir() and not self.exists(self.folder):
            with contextlib.suppress(OSError):  # the journals tell of what was evaluated nevertheless
                _write_config(self.folder, self.config)

    def individuals(self) -> Iterator[Individual]:
        """Read every evaluated individual, failures included, rank by rank."""
        return Recovery(self.folder, self.shape).individuals()

    def standing(self) -> Standing:
        """Read how far the run is."""
        recovery = Recovery(self.folder, self.shape)
        for _ in recovery.individuals():
            pass
        best = recovery.summary.best
        return Standing(recovery.summary.finished, len(recovery.unfinished()), None if best is None else best.loss)

    def recover(self, populations: Sequence[Population], died: Sequence[int] = ()) -> ResumeSnapshot:
        """Read all that is needed to go on; what lives on each island goes through its population.

        `died` are the ranks whose death ended the session before.
        """
        recovery = Recovery(self.folder, self.shape)
        history = MigrationHistory(migrations(self.folder))
        everyone: list[list[Individual]] = [[] for _ in populations]  # a ladder counts those too that were promoted
        curves: list[tuple[float, int, Individual]] = []  # a heap, from which the oldest one goes first
        number = count()
        promoted: list[Id] = []  # those too whose higher rung failed, or has not ended
        partition = PointPartition.of(self.space)
        add = (lambda _genome: None) if partition is None else partition.add
        for individual in recovery.individuals():
            add(individual.genome)
            if individual.failed:
                if individual.continues is not None:
                    promoted.append(individual.continues)
                continue
            for island in {island % len(populations) for island in history.islands(individual.id)}:
                arrived = Individual(individual.candidate, individual.outcome, history.moves(individual.id))
                populations[island].add(arrived)
                if self.config.get("fidelity"):
                    everyone[island].append(arrived)
            if individual.curve and self.config.get("pruner"):
                heappush(curves, (individual.ended, next(number), individual))
                if len(curves) > _CURVES:
                    heappop(curves)
        deaths = recovery.died(died)
        unfinished = recovery.unfinished()
        for started in unfinished:
            add(started.candidate.genome)
        return ResumeSnapshot(
            seed=self.config["seed"],
            summary=recovery.summary,
            seconds=recovery.seconds,
            serials=recovery.serials,
            populations=[all_of or list(kept) for all_of, kept in zip(everyone, populations)],
            whole=[population.whole for population in populations],
            curves=[individual for _, _, individual in sorted(curves)],
            unfinished=unfinished,
            died=deaths,
            promoted=promoted
            + [each.candidate.continues for each in unfinished if each.candidate.continues is not None],
            seen=b"" if partition is None else partition.codes,
        )


def space_in(config: Mapping[str, Any]) -> Space:
    """Return the space of a run's config, empty where the loss asks for its parameters.

    ValueError where it is wrong.
    """
    return Space.from_declaration(config["space"], asked_for=not config["space"])


def signs_in(config: Mapping[str, Any]) -> Signs:
    """Return the signs of a run's config. ValueError where its directions are wrong."""
    return signs_of(config.get("directions"), maximize=bool(config.get("maximize", False)))


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    path = folder / CONFIG
    temporary = path.with_suffix(".partial")
    temporary.unlink(missing_ok=True)
    with temporary.open("x", encoding="utf-8") as file:
        file.write(strict_yaml.dump(config))
    temporary.replace(path)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        what = "has no config.yaml" if folder.is_dir() else "does not exist"
        message = f"{folder} is no run's folder: it {what}"
        raise ValueError(message)
    content = read_small(path, strict_yaml.LARGEST_BYTES)
    try:
        config = strict_yaml.load(content)
        _check(config)
    except ValueError as error:
        message = f"{path}: {error}"
        raise ValueError(message) from None
    return cast("dict[str, Any]", config)


def _check(config: Any) -> None:
    """ValueError where a run's config is none, or a newer version's."""
    if not isinstance(config, dict) or not isinstance(config.get("space"), dict):
        message = "a run's config must be a mapping with a `space`"
        raise ValueError(message)
    version = config.pop("format", FORMAT)
    if type(version) is not int or version > FORMAT:
        message = f"a newer version wrote it: its format is {version!r}, and this version reads up to {FORMAT}"
        raise ValueError(message)
    if type(config.get("seed")) is not int:
        message = f"seed: {config.get('seed')!r} must be a whole number"
        raise ValueError(message)
    if config.get("budget") is not None:
        try:
            msgspec.convert(config["budget"], Budget)
        except msgspec.ValidationError as error:
            message = f"budget: {error}"
            raise ValueError(message) from None
