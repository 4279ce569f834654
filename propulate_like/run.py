"""A run: a folder that holds what was searched for, and every evaluation."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from propulate_like import strict_yaml
from propulate_like.budget import Budget
from propulate_like.coordination.census import Counts
from propulate_like.fidelity import Fidelity
from propulate_like.files import read_small
from propulate_like.individual import Id, Individual, Status
from propulate_like.journal import FORMAT, Evaluated, Moved, Recovery, Shape, Started, migrations
from propulate_like.population import Population
from propulate_like.space import Space

_FILE = "config.yaml"
_MAY_CHANGE = ("budget", "objective", "evaluation", "pruner")
_KEPT = ("budget", "seed")  # where nothing is said of them
_CURVES = 1000  # of the newest evaluations, which a pruner learns of when a run continues


class Beginning(msgspec.Struct, frozen=True):
    """What every rank needs to know before it begins; rank 0 reads it from the run's folder and hands it over."""

    seed: int
    statuses: dict[Status, int] = {}
    seconds: float = 0.0
    serials: dict[int, int] = {}
    populations: list[list[Evaluated]] = []
    """The best of each island, best first."""
    whole: list[bool] = []
    """Whether those are all of it."""
    best: Evaluated | None = None
    failure: Evaluated | None = None
    unfinished: list[Started] = []
    curves: list[Evaluated] = []
    promoted: list[Id] = []

    @property
    def evaluations(self) -> int:
        """How many evaluations have ended before."""
        return sum(self.statuses.values())

    @property
    def counts(self) -> Counts:
        """What had been done before."""
        succeeded = self.statuses.get(Status.OK, 0) + self.statuses.get(Status.STOPPED, 0)
        counts = Counts(self.evaluations, self.evaluations - succeeded)
        best = self.best
        return counts if best is None or best.loss is None else counts + Counts(rung=best.rung, loss=best.loss)


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
        self.space = Space.from_declaration(self.config["space"])
        self.maximize = bool(self.config.get("maximize", False))
        self.budget: dict[str, Any] = self.config.get("budget") or {}
        fidelity = self.config.get("fidelity")
        self.shape = Shape(len(self.space), len(Fidelity.of(fidelity).rungs) if fidelity else 1)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Say whether there is a run in the folder."""
        return (folder / _FILE).exists()

    @classmethod
    def merged(cls, folder: Path, config: Mapping[str, Any]) -> dict[str, Any]:
        """Give the config with which a run begins, or goes on, changing nothing.

        ValueError where the folder's search is another: only its budget may differ, and the name of its objective.
        The seed is the folder's where `config` has none, and so is the budget.
        """
        given = {key: value for key, value in config.items() if value is not None}
        if not cls.exists(folder):
            return given
        before = cls(folder)
        merged = {key: value for key, value in before.config.items() if key in _KEPT} | given
        for key in merged.keys() | before.config.keys():
            if key not in _MAY_CHANGE and merged.get(key) != before.config.get(key):
                message = f"{folder} holds another search: {_difference(key, before.config.get(key), merged.get(key))}"
                raise ValueError(message + "; name another run folder to begin anew")
        return merged

    @classmethod
    def open(cls, folder: Path, config: Mapping[str, Any]) -> Run:
        """Begin a run, or go on with the one in the folder; ValueError where `merged` gives one."""
        merged = cls.merged(folder, config)
        (folder / "journal").mkdir(parents=True, exist_ok=True)
        _write_config(folder, merged)
        return cls(folder)

    def restore(self) -> None:
        """Write the config again where somebody removed it, or the folder of which evaluations made parts anew."""
        if self.folder.is_dir() and not self.exists(self.folder):
            with contextlib.suppress(OSError):  # the journals tell of what was evaluated nevertheless
                _write_config(self.folder, self.config)

    def individuals(self) -> Iterator[Individual]:
        """Read every evaluated individual, failures included, rank by rank."""
        return Recovery(self.folder, self.space, self.shape.rungs).individuals()

    def standing(self) -> Standing:
        """Read how far the run is."""
        recovery = Recovery(self.folder, self.space, self.shape.rungs)
        best = min((individual.order for individual in recovery.individuals() if individual.has_loss), default=None)
        evaluations = sum(recovery.statuses.values())
        return Standing(evaluations, len(recovery.unfinished()), None if best is None else best[1])

    def recover(self, populations: Sequence[Population]) -> Beginning:
        """Read all that is needed to go on; what lives on each island goes through its population."""
        recovery = Recovery(self.folder, self.space, self.shape.rungs)
        whereabouts = Whereabouts(migrations(self.folder))
        best = failure = None
        everyone: list[list[Individual]] = [[] for _ in populations]  # a ladder counts those too that were promoted
        curves: deque[Individual] = deque(maxlen=_CURVES)
        promoted: list[Id] = []  # those too whose higher rung failed, or has not ended
        for individual in recovery.individuals():
            if individual.failed:
                if individual.continues is not None:
                    promoted.append(individual.continues)
                if failure is None or individual.ended < failure.ended:
                    failure = individual
                continue
            for island in whereabouts.islands(individual.id):
                arrived = msgspec.structs.replace(individual, moves=whereabouts.moves(individual.id))
                populations[island % len(populations)].add(arrived)
                if self.config.get("fidelity"):
                    everyone[island % len(populations)].append(arrived)
            if individual.curve:
                curves.append(individual)
            if best is None or individual.order < best.order:
                best = individual
        unfinished = [Started.of(individual) for individual in recovery.unfinished()]
        return Beginning(
            seed=self.config["seed"],
            statuses=recovery.statuses,
            seconds=recovery.seconds,
            serials=recovery.serials,
            populations=[[Evaluated.of(one) for one in all_of or kept] for all_of, kept in zip(everyone, populations)],
            whole=[population.whole for population in populations],
            best=None if best is None else Evaluated.of(best),
            failure=None if failure is None else Evaluated.of(failure),
            curves=[Evaluated.of(individual) for individual in curves] if self.config.get("pruner") else [],
            unfinished=unfinished,
            promoted=promoted + [started.continues for started in unfinished if started.continues is not None],
        )


class Whereabouts:
    """Where individuals live: on the island where they were born, unless they moved, or copies of them did."""

    def __init__(self, migrations: Iterable[Moved]) -> None:
        self._moved: dict[Id, Moved] = {}
        self._copied: dict[Id, set[int]] = {}
        self._replaced: set[tuple[Id, int]] = set()
        for event in migrations:
            if event.replaced:
                self._replaced.add((event.id, event.island))
            elif event.copied:
                self._copied.setdefault(event.id, set()).add(event.island)
            elif event.id not in self._moved or self._moved[event.id].moves < event.moves:
                self._moved[event.id] = event

    def islands(self, ident: Id) -> set[int]:
        """Give the islands on which an individual, or a copy of it, lives."""
        moved = self._moved.get(ident)
        home = ident.island if moved is None else moved.island
        if not self._copied and not self._replaced:
            return {home}
        return {island for island in {home, *self._copied.get(ident, ())} if (ident, island) not in self._replaced}

    def moves(self, ident: Id) -> int:
        """Give how often an individual has moved."""
        moved = self._moved.get(ident)
        return 0 if moved is None else moved.moves


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    path = folder / _FILE
    temporary = path.with_suffix(".partial")
    temporary.unlink(missing_ok=True)
    with temporary.open("x", encoding="utf-8") as file:
        file.write(strict_yaml.dump(config))
    temporary.replace(path)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / _FILE
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


def _difference(key: str, before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in [*before, *now]:
            if before.get(name) != now.get(name):
                return f"{key}.{name} was {_said(before.get(name))}, and now is {_said(now.get(name))}"
    return f"{key} was {_said(before)}, and now is {_said(now)}"


def _said(value: Any) -> str:
    return "left to its default" if value is None else repr(value)
