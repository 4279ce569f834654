"""The settings of evaluations, and the evaluator that they describe."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.calling import Call
from propulate_like.evaluation.command import Command
from propulate_like.evaluation.context import Evaluator, Tasks
from propulate_like.evaluation.energy import METRICS, EnergyMeter
from propulate_like.evaluation.gpus import Gpus
from propulate_like.evaluation.inline import InlineEvaluator
from propulate_like.evaluation.metrics import MeteredEvaluator, MetricEvaluator
from propulate_like.evaluation.objective import Loss
from propulate_like.evaluation.retrying import RetryingEvaluator
from propulate_like.foundation import declarations
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.durations import FORMS
from propulate_like.foundation.struct_forms import Seconds, read_struct
from propulate_like.foundation.type_words import in_words
from propulate_like.foundation.values import tree
from propulate_like.population.outcome import Status
from propulate_like.problem.directions import Signs
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.space import Space

# docs/decisions.md, "Signals reach ranks as SIGUSR1"
GRACE_SECONDS = 5.0
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_WORDS = {
    **dict.fromkeys(("timeout", "seconds"), f"a number of seconds above 0, or such as {FORMS}"),
    "grace": f"a number of seconds, or such as {FORMS}",
    "gpus": "auto, none or a list such as [0, 1]",
    "retry_on": "a list of crashed, timeout, memory, error, nan, infinite, invalid",
}


class EvaluationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How an individual is evaluated.

    Attributes:
        isolate: Whether the loss runs in a child process of the rank, which is the default for teams.
        timeout: The time limit of an evaluation in seconds, or as a text such as 10m, in a child process or by a team.
        memory: The memory limit of an isolated evaluation, in bytes or as a text such as "8 GiB".
        retries: The largest number of repetitions of an evaluation that fails.
        retry_on: The statuses after which it is repeated.
        gpus: The GPUs that may be used: auto, none or a list. Without it, the environment stays as it is.
        gpus_per_rank: The number of GPUs of each rank.
        ranks_per_gpu: The number of ranks that share a GPU.
        ranks_per_worker: The number of ranks that evaluate together, as a team.
        energy: Whether the joules of each evaluation are measured.
        grace: The seconds for which a running evaluation may continue when the search is interrupted, or its time is
            over.
        metric: The metric that is minimized in place of the loss.
    """

    isolate: bool | None = None
    timeout: Annotated[Seconds, msgspec.Meta(gt=0)] | None = None
    memory: int | str | None = None
    retries: Annotated[int, msgspec.Meta(ge=0)] = 0
    retry_on: list[Literal["crashed", "timeout", "memory", "error", "nan", "infinite", "invalid"]] = msgspec.field(
        default_factory=lambda: ["crashed"]
    )
    gpus: Literal["auto", "none"] | list[int | str] | None = None
    gpus_per_rank: Annotated[int, msgspec.Meta(ge=1)] | None = None
    ranks_per_gpu: Annotated[int, msgspec.Meta(ge=1)] | None = None
    ranks_per_worker: Annotated[int, msgspec.Meta(ge=1)] = 1
    energy: bool = False
    grace: Annotated[Seconds, msgspec.Meta(ge=0)] = GRACE_SECONDS
    metric: Annotated[str, msgspec.Meta(min_length=1)] | None = None

    def __post_init__(self) -> None:
        for name in ("retry_on", "gpus"):
            given = getattr(self, name)
            if isinstance(given, set | frozenset):
                msgspec.structs.force_setattr(self, name, declarations.ordered(given))

    @property
    def isolated(self) -> bool:
        """Whether the loss runs in a child: as set, or in a team, where a collective call may never return."""
        return self.ranks_per_worker > 1 if self.isolate is None else self.isolate

    def check(self, loss: Loss | Command | str, *, pruned: bool) -> None:
        """Check that the settings fit each other and the loss.

        Args:
            loss: The loss.
            pruned: Whether the search has a pruner.

        Raises:
            ValueError: They do not fit, or a value is not valid.
        """
        if self.metric is not None and pruned:
            message = f"metric: {self.metric!r} cannot be minimized with a pruner, which judges by the loss"
            raise ValueError(message)
        if self.metric in METRICS and not self.energy:
            message = f"metric: {self.metric!r} needs energy: true"
            raise ValueError(message)
        bytes_of(self.memory)
        declarations.number("grace", self.grace, 0.0, 1e6)
        supervised = self.isolated or isinstance(loss, Command)
        for name, possible in (("timeout", supervised or self.ranks_per_worker > 1), ("memory", supervised)):
            if getattr(self, name) is not None and not possible:
                message = f"{name}: {getattr(self, name)!r} needs isolate: true, as a rank cannot end its own loss"
                raise ValueError(message)
        if self.gpus is None and (self.gpus_per_rank or self.ranks_per_gpu):
            name = "gpus_per_rank" if self.gpus_per_rank else "ranks_per_gpu"
            message = f"{name}: {getattr(self, name)} needs gpus: auto, or a list of GPUs"
            raise ValueError(message)
        self.shared_gpus()

    def shared_gpus(self) -> Gpus | None:
        """Return the settings of GPUs, or None where there are none.

        Raises:
            ValueError: A value is not valid.
        """
        return None if self.gpus is None else Gpus(self.gpus, self.gpus_per_rank, self.ranks_per_gpu)


def bytes_of(memory: float | str | None) -> int | None:
    """Return a size in bytes.

    Args:
        memory: A number of bytes, a text such as "8 GiB", or None.

    Raises:
        ValueError: It is no size, or is less than 1 MiB.
    """
    if memory is None:
        return None
    if isinstance(memory, int) and not isinstance(memory, bool) and memory > 0:
        return _enough(memory, memory)
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]+)", str(memory))
    if found is None or not 0 < float(found[1]) < math.inf:
        message = f"memory: {memory!r} must be a number of bytes, or such as 8 GiB"
        raise ValueError(message)
    if found[2] not in _UNITS:
        message = f"memory: {memory!r} has an unknown unit{nearest(found[2], list(_UNITS))}"
        raise ValueError(message)
    return _enough(int(float(found[1]) * _UNITS[found[2]]), memory)


def _enough(size: int, given: object) -> int:
    """Return the size.

    Raises:
        ValueError: It is less than 1 MiB.
    """
    if size < _UNITS["MiB"]:
        message = f"memory: {given!r} is less than any process needs: write such as 8 GiB"
        raise ValueError(message)
    return size


class Objective:
    """A loss together with the way in which it is evaluated."""

    def __init__(
        self,
        loss: Loss | Command | str,
        space: Space,
        settings: EvaluationSettings,
        *,
        signs: Signs,
        fidelity: Fidelity | None,
    ) -> None:
        """Check that a function fits the space and the settings; everything else was checked before.

        Args:
            loss: A function, a reference that only child processes import, or a command.
            space: The search's space.
            settings: The settings.
            signs: 1 for each loss that is minimized, -1 for each that is maximized.
            fidelity: The fidelity, or None.

        Raises:
            ValueError: The function does not fit.
        """
        self.space, self.settings, self.signs = space, settings, signs
        self.fidelity = "" if fidelity is None else fidelity.name
        self._loss = loss
        self._call: Call | None = None
        self._reference, self._pickled = "", b""
        if isinstance(loss, Command):
            return
        if not isinstance(loss, str):
            self._call = Call(loss, space, signs=signs, fidelity=self.fidelity)
            if settings.isolated:
                self._reference, self._pickled = _sendable(loss)
        elif settings.isolated:
            self._reference = loss
        else:
            message = f"the loss {loss!r} is a text: only a child process imports it, with isolate: true"
            raise ValueError(message)

    def problem_here(self) -> str:
        """Return a message that says what the objective lacks on this rank's node, or "" where it lacks nothing."""
        try:
            if isinstance(self._loss, Command):
                self._loss.find()
        except ValueError as error:
            return str(error)
        return ""

    @property
    def doubt(self) -> str:
        """A message about what the loss may ask of its trial and not find, or ""."""
        return "" if self._call is None else self._call.doubt

    @property
    def in_rank(self) -> bool:
        """Whether the loss is called in the rank itself."""
        return self._call is not None and not self.settings.isolated

    @property
    def limit_in_rank(self) -> float:
        """The time limit of an evaluation in the rank itself; infinite without one."""
        limit = self.settings.timeout if self.in_rank else None
        return math.inf if limit is None else limit

    @property
    def keeps_files(self) -> bool:
        """Whether evaluations may write files: in another process, or where the loss takes the context."""
        return not self.in_rank or (self._call is not None and not self._call.plain)

    def evaluator(self, tasks: Tasks, rank: int, meter: EnergyMeter | None) -> Evaluator:
        """Return the evaluator of this rank.

        Args:
            tasks: The source of the evaluations' tasks.
            rank: The rank's number among all ranks.
            meter: The meter of evaluations' energy, or None.
        """
        evaluator = self._evaluator(tasks, rank)
        return evaluator if meter is None else MeteredEvaluator(evaluator, meter)

    def _evaluator(self, tasks: Tasks, rank: int) -> Evaluator:
        """Return the evaluator for this kind of loss."""
        if self._call is not None and self.in_rank:
            return InlineEvaluator(self._call, tasks)
        from propulate_like.evaluation.process import Limits

        limits = Limits(self.settings.timeout, bytes_of(self.settings.memory))
        if isinstance(self._loss, Command):
            from propulate_like.evaluation.command_runner import CommandEvaluator

            return CommandEvaluator(self._loss, tasks, limits, signs=self.signs, fidelity=self.fidelity)
        from propulate_like.evaluation.child import Load
        from propulate_like.evaluation.isolated import IsolatedEvaluator

        load = Load(
            self._reference,
            self._pickled,
            json.dumps(self.space.declaration()),
            self.signs,
            self.fidelity,
            [*loading.folders, *(place or str(Path.cwd()) for place in sys.path), str(Path.cwd())],
            sys.argv,
            loading.handed,
            os.getpid(),
        )
        return IsolatedEvaluator(load, tasks, limits, f"rank-{rank:05d}")

    def whole(self, evaluator: Evaluator) -> Evaluator:
        """Wrap an evaluator with retries and the metric in place of the loss, where they are set."""
        settings = self.settings
        if settings.retries:
            evaluator = RetryingEvaluator(
                evaluator, settings.retries, frozenset(map(Status, settings.retry_on)), metered=settings.energy
            )
        if settings.metric is not None:
            evaluator = MetricEvaluator(evaluator, settings.metric, self.signs[0])
        return evaluator


def _sendable(loss: Loss) -> tuple[str, bytes]:
    """Return the reference by which a child imports a loss, or the loss itself as bytes where it cannot.

    Raises:
        ValueError: It can be imported by no child, and not be pickled.
    """
    try:
        return loading.reference_of(loss), b""
    except ValueError:
        return "", loading.pickled(loss, getattr(loss, "__qualname__", type(loss).__name__))


def settings_of(form: EvaluationSettings | Mapping[str, Any] | None) -> EvaluationSettings:
    """Return settings as they are, or read them from their YAML form.

    Raises:
        ValueError: `form` has an unknown key or a value that is not valid.
    """
    if form is None:
        return EvaluationSettings()
    if isinstance(form, EvaluationSettings):
        usual = EvaluationSettings()  # whose values are not written to a run's config
        form = {name: value for name, value in msgspec.structs.asdict(form).items() if value != getattr(usual, name)}
    form = tree(form)
    if not isinstance(form, Mapping):
        message = f"evaluation={form!r:.60} must be a mapping such as {{'isolate': True, 'timeout': 600}}"
        raise ValueError(message)
    for key in form:
        if key not in EvaluationSettings.__struct_fields__:
            message = f"evaluation: unknown key {key!r}{nearest(key, EvaluationSettings.__struct_fields__)}"
            raise ValueError(message)
    sets = {key: declarations.ordered(value) for key, value in form.items() if isinstance(value, set | frozenset)}
    try:
        return read_struct({**form, **sets}, EvaluationSettings)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$.")
        key = where.rstrip("`").partition("[")[0]
        message = f"evaluation.{key}: {refusal(key, form[key], text)}"
        raise ValueError(message) from None


def refusal(key: str, value: object, text: str) -> str:
    """Return a message that says why a value is not valid.

    Args:
        key: The setting's name.
        value: The value.
        text: The message of msgspec.
    """
    if key in _WORDS:
        return f"{value!r:.60} is not valid: expected {_WORDS[key]}"
    return f"{value!r:.60} is not valid: {in_words(text)}"
