"""The context of an evaluation: what a loss may know and do beside its parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from propulate_like.population.individual import ELSEWHERE, Candidate, Id, Individual
from propulate_like.population.outcome import OK, STOPPED, Outcome
from propulate_like.problem.directions import Signs, values_of

if TYPE_CHECKING:
    import numpy as np

_STEPS = 2**63
Report = Callable[[int, float], bool]
"""Takes a step and the intermediate loss there (lower is better); says whether the evaluation is to stop."""


class Abandoned(Exception):  # noqa: N818 (it says what happened)
    """Another member of the team failed, so that this one's part of the evaluation is of no use."""

    def __init__(self) -> None:
        super().__init__("another member of the team failed")


class TeamContext(msgspec.Struct, frozen=True):
    """A rank's part in the evaluation of a team of ranks.

    `environment` is what torch.distributed needs, `comm` the team's communicator, and `abandoned` says whether another
    member failed, so that this one's part is of no use any more.
    """

    environment: dict[str, str]
    comm: Any
    abandoned: Callable[[], bool]


class Evaluator(Protocol):
    """What a worker needs of the way a loss is evaluated."""

    def __call__(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        """Return the individual with its outcome; KeyboardInterrupt where the evaluation was broken off."""
        ...

    def interrupt(self, frame: FrameType | None) -> bool:
        """Break off the running evaluation, from a signal handler that runs in `frame`; False: ask again soon."""
        ...

    def close(self) -> None:
        """Leave nothing running behind."""
        ...


class WrappingEvaluator:
    """An evaluator around another one, which is what is interrupted and closed."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def interrupt(self, frame: FrameType | None) -> bool:
        return self._evaluator.interrupt(frame)

    def close(self) -> None:
        self._evaluator.close()


class Task(msgspec.Struct, frozen=True):
    """All that whoever evaluates an individual needs to know of it, as plain data that may be sent.

    `trials` is the folder that holds the evaluations' directories, `seed` the run's, and `environment` what is set
    in the process's environment for this evaluation.
    """

    candidate: Candidate
    seed: int = 0
    trials: str = ""
    devices: tuple[str, ...] = ()
    fidelity: float | int | None = None
    environment: dict[str, str] = {}
    number: int = 0
    """How many evaluations came before: of this rank, and, as far as others are as fast, of all."""

    @property
    def member(self) -> int:
        """The rank's place in its team; 0 where it evaluates alone."""
        return int(self.environment.get("RANK", "0"))

    @property
    def leads(self) -> bool:
        """Whether this rank's loss counts: the team's first member's, or that of one alone."""
        return self.member == 0

    @property
    def parents(self) -> tuple[Id, ...]:
        """The individual's parents, but for those of other searches, which left no files here."""
        return tuple(parent for parent in self.candidate.parents if parent.rank != ELSEWHERE)

    @property
    def directory(self) -> Path:
        """The evaluation's own directory, which need not exist."""
        return Path(self.trials, str(self.candidate.id))


class Tasks(msgspec.Struct, frozen=True):
    """Turns individuals into tasks: what is the same for all of a rank's evaluations."""

    seed: int
    trials: str
    devices: tuple[str, ...] = ()
    rungs: tuple[float | int, ...] = ()
    ranks: int = 1

    def of(self, individual: Individual, environment: dict[str, str] | None = None) -> Task:
        """Return the task of evaluating an individual."""
        candidate = individual.candidate
        fidelity = self.rungs[candidate.rung] if self.rungs else None
        number = candidate.id.serial * self.ranks + candidate.id.rank
        return Task(candidate, self.seed, self.trials, self.devices, fidelity, environment or {}, number)


class Parent(msgspec.Struct, frozen=True):
    """One that an individual was bred from; `directory` is where its evaluation may have left files."""

    id: Id
    directory: Path


class Evaluation:
    """What a loss that has a parameter named `evaluation` receives.

    `id` is the individual's identity. `devices` names the GPUs that are this rank's. `fidelity` is the value to train
    at, where one was declared. `rank` and `size` are this member's place in its team, 0 and 1 where it is alone.
    """

    def __init__(self, task: Task, report: Report, signs: Signs = (1.0,), comm: Any = None) -> None:
        self.id: Id = task.candidate.id
        self.devices: tuple[str, ...] = task.devices
        self.fidelity: float | int | None = task.fidelity
        self.rank: int = task.member
        self.size: int = int(task.environment.get("WORLD_SIZE", "1"))
        self.reported: float | Mapping[str, Any] | None = None
        """What the loss function reported last, as it gave it; `last` is the loss of that."""
        self.last: float = 0.0
        self._task, self._report, self._comm = task, report, comm
        self._signs = signs
        self._step = -1
        self._stop = False

    @cached_property
    def directory(self) -> Path:
        """A directory of this evaluation's own, which is kept. One that was promoted has the one it began in."""
        directory = self._task.directory
        make_directory(self._task)
        return directory

    @property
    def comm(self) -> Any:
        """The team's communicator (mpi4py), None where the rank evaluates alone.

        RuntimeError in the child process of a rank: only the rank itself is a member of MPI's team.
        """
        if self._comm is None and self.size > 1:
            message = "evaluation.comm is the rank's own: set isolate: false, or use torch.distributed"
            raise RuntimeError(message)
        return self._comm

    @property
    def parents(self) -> tuple[Parent, ...]:
        """Those it was bred from; the first one is the one whose strategy (such as step sizes) it inherited."""
        return tuple(Parent(parent, Path(self._task.trials, str(parent))) for parent in self._task.parents)

    @cached_property
    def generator(self) -> np.random.Generator:
        """Random numbers of this evaluation's own: the same for the same run's seed and individual."""
        import numpy as np

        candidate = self._task.candidate
        ident = candidate.continues or candidate.id
        return np.random.default_rng([self._task.seed, ident.island, ident.rank, ident.serial, candidate.rung])

    def report(self, value: float | Mapping[str, Any], step: int | None = None) -> bool:
        """Tell an intermediate loss, as the function would return it, at `step`: from 0 on, one after the last or 1.

        A mapping has a "loss" and metrics beside it, which stand for the evaluation where it is stopped here.

        Says whether the evaluation should stop, as `should_stop` does from then on. ValueError where the value is no
        number, or the step is not after the last one.
        """
        step = max(self._step + 1, 1) if step is None else step
        if isinstance(step, bool) or not isinstance(step, int) or not self._step < step < _STEPS:
            last = f"above {self._step}, the last step reported" if self._step >= 0 else "of at least 0, below 2**63"
            message = f"step={step!r:.40} must be a whole number {last}"
            raise ValueError(message)
        try:
            loss = float(value["loss"] if isinstance(value, Mapping) else value)
        except Exception:  # noqa: BLE001 (a class of the user's may raise anything)
            message = f"the intermediate loss {value!r:.80} is no number"
            raise ValueError(message) from None
        self._step, self.reported, self.last = step, value, loss
        self._stop = self._report(step, self._signs[0] * loss) or self._stop
        return self._stop

    @property
    def should_stop(self) -> bool:
        """Whether the evaluation is not worth going on with: then return, what was reported last stands for it."""
        return self._stop

    @property
    def losses(self) -> int:
        """How many losses the function returns."""
        return len(self._signs)

    def stopped(self) -> Outcome:
        """Return the outcome of an evaluation that ends here of its own accord.

        What was reported last stands for it.
        """
        self._stop = True
        return self.outcome(self.reported)

    def value_of(self, outcome: Outcome) -> float | list[float]:
        """Return what the function returned: the losses with their signs turned back."""
        if outcome.losses:
            return list(values_of(outcome.losses, self._signs))
        return self._signs[0] * outcome.loss

    def outcome(self, value: object) -> Outcome:
        """Judge what the loss function returned, or reported last where it was stopped."""
        outcome = Outcome.of(value).expecting(len(self._signs))
        if outcome.status is not OK:
            return outcome
        losses = values_of(outcome.losses, self._signs)
        loss = self._signs[0] * outcome.loss
        return msgspec.structs.replace(outcome, loss=loss, losses=losses, status=STOPPED if self._stop else OK)


def make_directory(task: Task) -> None:
    """Make the directory of an evaluation; for one that was promoted, the name leads to the one it began in."""
    directory, continues = task.directory, task.candidate.continues
    if continues is None:
        directory.mkdir(parents=True, exist_ok=True)
    elif not directory.exists():
        Path(task.trials, str(continues)).mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another member of the team was faster
            directory.symlink_to(str(continues), target_is_directory=True)


def never_stop(_step: int, _loss: float) -> bool:
    """Take a report that nobody asks for."""
    return False
