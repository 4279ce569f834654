"""The context of an evaluation: what a loss can read and do besides its parameters."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from propulate_like.foundation import forks
from propulate_like.foundation.files import folder_inside
from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.foundation.values import brief, plain, real
from propulate_like.population.individual import ELSEWHERE, Candidate, Id, Individual
from propulate_like.population.outcome import OK, STOPPED, Outcome
from propulate_like.problem.directions import Signs, values_of

if TYPE_CHECKING:
    import numpy as np

STEPS = 2**62
"""The bound of a report's step."""
RESTARTED = -1
"""The step of a report that the evaluation was started again: what it reported before does not count."""
Report = Callable[[int, float], bool]
"""A function of a step and the intermediate loss there, which is minimized; it returns whether to stop."""


class Abandoned(Exception):  # noqa: N818 (it says what happened)
    """The error that another member of the team failed, so that this member's part of the evaluation is useless."""

    def __init__(self) -> None:
        super().__init__("another member of the team failed")


class NoNumber(ValueError):  # noqa: N818 (it says what is wrong)
    """The error that a loss reported, or gave as a constraint, what is no real number."""


class TeamContext(msgspec.Struct, frozen=True):
    """A rank's part in the evaluation by a team of ranks.

    Attributes:
        environment: The variables that torch.distributed needs.
        comm: The team's communicator.
        abandoned: Returns whether another member failed, so that this member's part is useless.
    """

    environment: dict[str, str]
    comm: Any
    abandoned: Callable[[], bool]


class Evaluator(Protocol):
    """The contract of evaluators, as the worker uses them."""

    def __call__(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        """Return the individual with its outcome.

        Args:
            individual: The individual to evaluate.
            report: Receives intermediate losses.
            team: This rank's part in a team, or None.

        Raises:
            KeyboardInterrupt: The evaluation was interrupted.
        """
        ...

    def interrupt(self, frame: FrameType | None) -> bool:
        """Interrupt the running evaluation, from a signal handler.

        Args:
            frame: The frame that the signal interrupted, or None where a search within the loss hands an interrupt on.

        Returns:
            False where it cannot be interrupted now, so that the caller has to try again soon.
        """
        ...

    def close(self) -> None:
        """End all processes that the evaluator started."""
        ...


class WrappingEvaluator:
    """An evaluator around another one, to which it passes `interrupt` and `close`."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def interrupt(self, frame: FrameType | None) -> bool:
        return self._evaluator.interrupt(frame)

    def close(self) -> None:
        self._evaluator.close()


class Task(msgspec.Struct, frozen=True):
    """All data that an evaluation needs, in a form that can be sent to another process.

    Attributes:
        candidate: The candidate.
        seed: The run's seed.
        trials: The folder that holds the evaluations' directories.
        devices: The names of the rank's GPUs.
        fidelity: The fidelity's value, or None.
        environment: The variables that are set for this evaluation.
        number: The number of evaluations before it: exact for this rank, an estimate for all ranks.
        ranks: The number of ranks.
        best: The best individual that this rank knew before, where the loss asks a trial for its parameters.
    """

    candidate: Candidate
    seed: int = 0
    trials: str = ""
    devices: tuple[str, ...] = ()
    fidelity: float | int | None = None
    environment: dict[str, str] = {}
    number: int = 0
    ranks: int = 1
    best: Individual | None = None

    @property
    def member(self) -> int:
        """The rank's number in its team; 0 where it evaluates alone."""
        return int(self.environment.get("RANK", "0"))

    @property
    def leads(self) -> bool:
        """Whether this rank's loss counts: it is the team's first member, or evaluates alone."""
        return self.member == 0

    @property
    def parents(self) -> tuple[Id, ...]:
        """The individual's parents, except those of other searches, which have no files here."""
        return tuple(parent for parent in self.candidate.parents if parent.rank != ELSEWHERE)

    @property
    def directory(self) -> Path:
        """The evaluation's own directory, which may not exist."""
        return Path(self.trials, str(self.candidate.id))


class Tasks(msgspec.Struct, frozen=True):
    """The source of tasks: the data that all of a rank's evaluations share.

    Attributes:
        seed: The run's seed.
        trials: The folder that holds the evaluations' directories.
        devices: The names of the rank's GPUs.
        rungs: The fidelity's value at each rung; empty without a fidelity.
        ranks: The number of ranks.
        best: Returns the best individual that this rank knows; None where losses do not ask for it.
    """

    seed: int
    trials: str
    devices: tuple[str, ...] = ()
    rungs: tuple[float | int, ...] = ()
    ranks: int = 1
    best: Callable[[], Individual | None] | None = None

    def of(self, individual: Individual, environment: dict[str, str] | None = None) -> Task:
        """Return the task of evaluating an individual, with these variables for its environment."""
        candidate = individual.candidate
        fidelity = self.rungs[candidate.rung] if self.rungs else None
        number = candidate.id.serial * self.ranks + candidate.id.rank
        best = self.best and self.best()
        if best is not None and best.curve:
            best = best.with_outcome(curve=())
        ranks = self.ranks
        return Task(candidate, self.seed, self.trials, self.devices, fidelity, environment or {}, number, ranks, best)


class Parent(msgspec.Struct, frozen=True):
    """A parent of an individual, and the directory in which its evaluation may have left files."""

    id: Id
    directory: Path


class Evaluation:
    """The context that a loss with a parameter named `evaluation` receives.

    Attributes:
        id: The individual's identity.
        devices: The names of this rank's GPUs.
        fidelity: The fidelity's value, such as the epochs to train for, or None where no fidelity was declared.
        rank: This member's number in its team; 0 where it is alone.
        size: The number of the team's members; 1 where it is alone.
        reported: What the loss reported last, as it gave it, or None.
        signs: 1 for each loss that is minimized, -1 for each that is maximized.
    """

    def __init__(self, task: Task, report: Report, signs: Signs = (1.0,), comm: Any = None) -> None:
        self.id: Id = task.candidate.id
        self.devices: tuple[str, ...] = task.devices
        self.fidelity: float | int | None = task.fidelity
        self.rank: int = task.member
        self.size: int = int(task.environment.get("WORLD_SIZE", "1"))
        self.reported: float | Mapping[str, Any] | None = None
        self._task, self._report, self._comm = task, report, comm
        self.signs: Signs = signs
        self._step = -1
        self._stop = False
        self._pid = forks.current.pid

    @cached_property
    def directory(self) -> Path:
        """The evaluation's own directory, which is kept. A promoted individual continues in its former directory."""
        directory = self._task.directory
        make_directory(self._task)
        return directory

    @property
    def comm(self) -> Any:
        """The team's communicator (mpi4py), or None where the rank evaluates alone.

        Raises:
            RuntimeError: The loss runs in a child process: only the rank itself is a member of the communicator.
        """
        if self._comm is None and self.size > 1:
            message = "evaluation.comm is the rank's own: set isolate: false, or use torch.distributed"
            raise RuntimeError(message)
        return self._comm

    @property
    def parents(self) -> tuple[Parent, ...]:
        """The individual's parents; it inherited its strategy (such as step sizes) from the first one."""
        return tuple(Parent(parent, Path(self._task.trials, str(parent))) for parent in self._task.parents)

    @cached_property
    @undisturbed
    def generator(self) -> np.random.Generator:
        """The evaluation's own random generator, which the run's seed and the individual determine."""
        import numpy as np

        candidate = self._task.candidate
        ident = candidate.continues or candidate.id
        return np.random.default_rng([self._task.seed, ident.island, ident.rank, ident.serial, candidate.rung])

    def report(self, value: float | Mapping[str, Any], step: int | None = None) -> bool:
        """Report an intermediate loss.

        Args:
            value: The loss, in the form in which the function would return it: a number, or a mapping of a "loss",
                perhaps "constraints", and metrics. It becomes the result where the evaluation is stopped here.
            step: The step, at least 0 and above the last one; by default the next one, from 1 on.

        Returns:
            Whether the evaluation should stop, as `should_stop` says from then on.

        Raises:
            NoNumber: The value is no real number; an evaluation that this ends is invalid.
            ValueError: The step is not after the last one.
            RuntimeError: This process was forked by the loss.
        """
        step = max(self._step + 1, 1) if step is None else step
        step = plain(step)
        if type(step) is int and step <= self._step:
            message = f"step={brief(step)} must be a whole number above {self._step}, the last step reported"
            raise ValueError(message)
        return self.report_at(step, value)

    def report_at(self, step: int, value: float | Mapping[str, Any]) -> bool:
        """Report an intermediate loss at a step for which there is none yet, which may lie below the last one.

        Raises:
            NoNumber, ValueError, RuntimeError: As `report`.
        """
        if forks.current.pid != self._pid:
            message = "a process that the loss forked cannot report: only the loss itself can"
            raise RuntimeError(message)
        if type(step) is not int or not 0 <= step < STEPS:
            message = f"step={brief(step)} must be a whole number of at least 0, below 2**62"
            raise ValueError(message)
        try:
            loss = real(value["loss"] if isinstance(value, Mapping) else value)
        except Exception:  # noqa: BLE001 (a mapping of the user's may raise anything)
            message = f"the intermediate loss {brief(value)} is no number"
            raise NoNumber(message) from None
        self._step, self.reported = max(step, self._step), value
        self._stop = self._report(step, self.signs[0] * loss) or self._stop
        return self._stop

    @property
    def should_stop(self) -> bool:
        """Whether the pruner stops the evaluation: then return, and the last reported value is its result."""
        return self._stop

    @property
    def losses(self) -> int:
        """The number of losses that the function returns."""
        return len(self.signs)

    def stopped(self) -> Outcome:
        """Return the outcome of an evaluation that its loss ends early: the value that was reported last."""
        self._stop = True
        return self.last_word()

    def last_word(self) -> Outcome:
        """Return the outcome of the value that was reported last."""
        return self.outcome(self.reported, "the value that the loss reported last is")

    def outcome(self, value: object, said: str = "the loss returned") -> Outcome:
        """Return the outcome of what the loss returned, or reported last; `said` begins the cause of a failure."""
        outcome = Outcome.of(value, said).expecting(len(self.signs))
        if outcome.status is not OK and not outcome.has_loss:
            return outcome
        losses = values_of(outcome.losses, self.signs)
        loss, status = self.signs[0] * outcome.loss, STOPPED if self._stop else outcome.status
        return msgspec.structs.replace(outcome, loss=loss, losses=losses, status=status)


def make_directory(task: Task) -> None:
    """Create the directory of an evaluation; for a promoted individual, a link to its former directory.

    Raises:
        OSError: It cannot be created, or something else is in its place (see `folder_inside`).
    """
    trials, name, continues = Path(task.trials), str(task.candidate.id), task.candidate.continues
    trials.parent.mkdir(parents=True, exist_ok=True)
    if continues is not None:
        with folder_inside(trials.parent, trials.name) as folder, contextlib.suppress(FileExistsError):
            os.symlink(str(continues), name, dir_fd=folder)
    with folder_inside(trials.parent, trials.name, name):
        pass


def never_stop(_step: int, _loss: float) -> bool:
    """Return False: the `Report` of an evaluation without a pruner."""
    return False
