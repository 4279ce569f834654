"""A run: a folder that holds the search's config and every evaluation."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec

from propulate_like.foundation.files import folder_inside, read_small
from propulate_like.foundation.type_words import in_words
from propulate_like.population.individual import POINT, Candidate, Id, Individual
from propulate_like.population.population import Population
from propulate_like.population.summary import Summary
from propulate_like.problem.budget import Budget
from propulate_like.problem.directions import Signs, signs_of
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.partition import PointPartition
from propulate_like.problem.space import Space
from propulate_like.storage.config_diff import Difference, differences, joined
from propulate_like.storage.events import FORMAT, Died, Started
from propulate_like.storage.journal import journals, migrations
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.migration_history import MigrationHistory
from propulate_like.storage.recovery import Recovery

CONFIG = "config.yaml"
_CURVES = 1000  # the newest evaluations whose curves the pruner receives when a run continues


class ResumeSnapshot(msgspec.Struct):
    """The state from which every rank starts. Rank 0 reads it from the run's folder and broadcasts it.

    Attributes:
        seed: The run's seed.
        summary: The summary of the evaluations so far.
        seconds: The time that the run has taken so far.
        serials: For each rank, the serial number of the next individual that it breeds.
        populations: The best individuals of each island, best first; all of them where the search has a fidelity.
        whole: For each island, whether these are all its successfully evaluated individuals.
        unfinished: The evaluations that started and did not end.
        died: The ranks that died at the end of the session before, and ended it for all others.
        run: The run's identity.
        points: The starting points that the run has had, evaluated or not; rank 0 alone needs them.
        curves: The newest evaluations with curves, oldest first, where the search has a pruner.
        promoted: The individuals that were promoted to a higher rung.
        seen: The evaluated points of a space without continuous parameters, as `PointPartition.codes` encodes them.
        known: The individuals of a warm start (see `WarmStart`), none of which counts.
    """

    seed: int
    summary: Summary = msgspec.field(default_factory=Summary)
    seconds: float = 0.0
    serials: dict[int, int] = {}
    populations: list[list[Individual]] = []
    whole: list[bool] = []
    unfinished: list[Started] = []
    died: list[Died] = []
    curves: list[Individual] = []
    promoted: list[Id] = []
    seen: bytes = b""
    known: list[Individual] = []
    run: str = ""
    points: list[Candidate] = []


class Standing(NamedTuple):
    """The progress of a run.

    Attributes:
        evaluations: The number of evaluations that ended.
        unfinished: The number that started and did not end.
        best: The lowest loss on the highest rung reached, or None.
        seconds: The time that the run has taken.
    """

    evaluations: int
    unfinished: int
    best: float | None
    seconds: float


class Run:
    """A run's folder on disk. Reading it executes no code.

    Attributes:
        folder: The folder.
        config: The content of its config.yaml, apart from `ident`.
        ident: The run's identity, by which its journals are told from those of other runs; "" in older runs.
        space: The search space, which is empty where the loss asks for its parameters.
        signs: 1 for each loss that is minimized, -1 for each that is maximized.
        maximize: Whether a single loss is maximized.
        budget: The budget's declaration.
        shape: The shape of its individuals.
        changes: What differs from the config with which the run was opened to continue.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Read the folder's config.

        Raises:
            ValueError: The folder holds no run, or none that this version can read.
        """
        self.folder: Path = Path(folder)
        self.config: dict[str, Any] = _read_config(self.folder)
        self.ident: str = self.config.pop("id", "")
        self.space: Space = space_in(self.config)
        self.signs: Signs = signs_in(self.config)
        self.maximize: bool = self.signs == (-1.0,)
        self.budget: dict[str, Any] = self.config.get("budget") or {}
        fidelity = self.config.get("fidelity")
        rungs = len(Fidelity.of(fidelity).rungs) if fidelity else 1
        self.shape: Shape = Shape(self.space, rungs, len(self.signs), self.ident)
        self.changes: list[Difference] = []

    @staticmethod
    def exists(folder: Path) -> bool:
        """Return whether there is a run in the folder."""
        return (folder / CONFIG).exists()

    @classmethod
    def merged(cls, folder: Path, config: Mapping[str, Any]) -> tuple[dict[str, Any], list[Difference]]:
        """Return the config with which a run starts or continues, without changing anything on disk.

        Args:
            folder: The run's folder, which need not exist.
            config: The new config. The folder's budget and seed stay where it has none.

        Returns:
            The config, and its differences from the folder's.

        Raises:
            ValueError: Continuing would mix two searches (see `differences`). The message shows each such difference
                on a line of its own.
        """
        check_folder(folder)
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
        """Start a run, or continue the one in the folder, and write its config.

        Raises:
            ValueError: As for `merged`.
            OSError: The folder cannot be written.
        """
        merged, changes = cls.merged(folder, config)
        folder.mkdir(parents=True, exist_ok=True)
        ident = (cls(folder).ident if cls.exists(folder) else "") or new_ident()
        with folder_inside(folder, "journal"):
            write_config(folder, merged, ident)
        opened = cls(folder)
        opened.changes = changes
        return opened

    def restore(self) -> None:
        """Write the config again where it, or the whole folder, was removed and others have recreated the folder."""
        if self.folder.is_dir() and not self.exists(self.folder):
            with contextlib.suppress(OSError):  # the journals hold the evaluations even without a config
                write_config(self.folder, self.config, self.ident)

    def individuals(self) -> Iterator[Individual]:
        """Yield every evaluated individual, failures included, rank by rank; their values have the run's directions.

        Raises:
            ValueError: A journal cannot be read, or a newer version wrote it.
        """
        return (each.in_directions(self.signs) for each in Recovery(self.folder, self.shape).individuals())

    def standing(self) -> Standing:
        """Return the run's progress, from its journals."""
        recovery = Recovery(self.folder, self.shape)
        for _ in recovery.individuals():
            pass
        best = recovery.summary.best
        loss = best.loss if best is not None and best.feasible else None
        return Standing(recovery.summary.finished, len(recovery.unfinished()), loss, recovery.seconds)

    def recover(self, populations: Sequence[Population], died: Sequence[int] = ()) -> ResumeSnapshot:
        """Read the state from which the run continues.

        Args:
            populations: An empty population for each island, to which the individuals that live there are added.
            died: The ranks whose death ended the session before.
        """
        recovery = Recovery(self.folder, self.shape)
        history = MigrationHistory(migrations(self.folder))
        everyone: list[list[Individual]] = [[] for _ in populations]  # promotion counts those already promoted too
        curves: list[tuple[float, int, Individual]] = []  # a heap with the oldest on top
        number = count()
        points: list[Candidate] = []
        promoted: list[Id] = []  # also those whose evaluation on the higher rung failed or did not end
        partition = PointPartition.of(self.space)
        add = (lambda _genome: None) if partition is None else partition.add
        for individual in recovery.individuals():
            add(individual.genome)
            if individual.origin == POINT:
                points.append(individual.candidate)
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
            run=self.ident,
            points=points + [each.candidate for each in unfinished if each.candidate.origin == POINT],
        )


def check_folder(folder: Path) -> None:
    """Check that a run can start or continue in a folder, as far as the kinds of things in it tell.

    Raises:
        ValueError: A part of it is a link, a folder of it is none, or it has journals without a config.
    """
    for path in (folder, folder / "journal", folder / "trials"):
        if path != folder:
            _refuse_link(path, folder)
        if os.path.lexists(path) and not path.is_dir():
            message = f"{path} is no folder: remove it, or name another run folder"
            raise ValueError(message)
    for path in journals(folder):
        _refuse_link(path, folder)
        if path.is_file() and path.stat().st_size and not Run.exists(folder):
            message = (
                f"{folder} has journals of a search but no config.yaml, so nobody knows of which: put that file back, "
                "or name another run folder"
            )
            raise ValueError(message)
        if path.is_file() and path.stat().st_nlink > 1:
            message = f"{path} has another name, as a hard link, that would change with it: give it a copy of its own"
            raise ValueError(message)


def _refuse_link(path: Path, folder: Path) -> None:
    """Check that a part of a run's folder is no link.

    Raises:
        ValueError: It is one.
    """
    if path.is_symlink():
        message = f"{path} is a link, and nothing is written through one: only {folder} itself may be a link"
        raise ValueError(message)


def space_in(config: Mapping[str, Any]) -> Space:
    """Return the space of a run's config, which is empty where the loss asks for its parameters.

    Raises:
        ValueError: The space's declaration is wrong.
    """
    return Space.from_declaration(config["space"])


def signs_in(config: Mapping[str, Any]) -> Signs:
    """Return 1 for each loss that a run's config minimizes, and -1 for each that it maximizes.

    Raises:
        ValueError: The config's directions are wrong.
    """
    return signs_of(config.get("directions"), maximize=bool(config.get("maximize", False)))


def new_ident() -> str:
    """Return the identity of a new run."""
    return uuid.uuid4().hex


def write_config(folder: Path, config: dict[str, Any], ident: str) -> None:
    """Write the config, and the run's identity, atomically."""
    from propulate_like.foundation import strict_yaml

    path = folder / CONFIG
    temporary = path.with_suffix(".partial")
    temporary.unlink(missing_ok=True)
    with temporary.open("x", encoding="utf-8") as file:
        file.write(strict_yaml.dump({**config, "id": ident}))
    temporary.replace(path)


def _read_config(folder: Path) -> dict[str, Any]:
    """Return the config of a run's folder.

    Raises:
        ValueError: The folder holds no config, or none that this version can read.
    """
    from propulate_like.foundation import strict_yaml

    path = folder / CONFIG
    if not path.is_file():
        what = "is a file" if folder.is_file() else "does not exist"
        if folder.is_dir():
            what = "has no config.yaml" + (", only journals: put that file back" if journals(folder) else "")
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
    """Check the parts of a run's config that reading relies on.

    Raises:
        ValueError: It is no run's config, or a newer version's.
    """
    if not isinstance(config, dict) or not isinstance(config.get("space"), dict):
        message = "a run's config must be a mapping with a `space`"
        raise ValueError(message)
    version = config.pop("format", FORMAT)
    if type(version) is not int or version > FORMAT:
        message = f"a newer version wrote it: its format is {version!r}, and this version reads up to {FORMAT}"
        raise ValueError(message)
    if "seed" not in config:
        message = "it has no seed, so that it was cut off: put the whole file back"
        raise ValueError(message)
    for name, kind, what in (("seed", int, "a whole number"), ("id", str, "a text")):
        if type(config.get(name, "")) is not kind:
            message = f"{name}: {config[name]!r:.40} must be {what}"
            raise ValueError(message)
    if config.get("budget") is not None:
        try:
            msgspec.convert(config["budget"], Budget)
        except msgspec.ValidationError as error:
            text, _, key = str(error).partition(" - at `$.")
            message = f"{'.'.join(filter(None, ('budget', key.rstrip('`'))))}: {in_words(text)}"
            raise ValueError(message) from None
