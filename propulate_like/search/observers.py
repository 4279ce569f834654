"""What observes a search on one rank: progress, callbacks, and the word of a launcher to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from propulate_like.parallel import rank_status
from propulate_like.parallel.coordination.protocol import CoordinationProtocol, Watcher
from propulate_like.parallel.coordination.stopping import Reason
from propulate_like.population.individual import Individual
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.history import History
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.run import ResumeSnapshot
from propulate_like.storage.run_folder import RunFolder

if TYPE_CHECKING:
    from propulate_like.search.callbacks import CallbackRunner, CallbackWatch
    from propulate_like.search.result import Result

_LEAVE_SECONDS = 0.5
"""The time between two files in which the leader leaves for the launcher where the search stands."""


class Observers:
    """What observes a search on one rank; each begins to do so once this rank leads."""

    def __init__(
        self,
        specification: SearchSpecification,
        run_folder: RunFolder,
        shape: Shape,
        rank: int,
        *,
        progress: bool | None,
    ) -> None:
        """Prepare nothing yet.

        Args:
            specification: The search.
            run_folder: The run's folder.
            shape: The shape of the run's individuals.
            rank: This rank's number.
            progress: Whether to show progress; None for the default of where this program runs.
        """
        self._specification, self._run_folder, self._shape = specification, run_folder, shape
        self._rank, self._progress = rank, progress
        self._runner: CallbackRunner | None = None
        self._callbacks: CallbackWatch | None = None

    def prepare(self, snapshot: ResumeSnapshot) -> str:
        """Note, on rank 0 and before any rank begins, what is known.

        Returns:
            Where ranks are to keep journals for callbacks, as there is no run folder; "" for nowhere.
        """
        if not self._specification.callbacks:
            return ""
        journals = ""
        if self._run_folder.folder is None:
            import tempfile

            journals = tempfile.mkdtemp(prefix="propulate-like-journals-")
            self._run_folder.journals = Path(journals)
        self._runner = self._make_runner(snapshot)
        return journals

    @contextmanager
    def watching(self, snapshot: ResumeSnapshot) -> Iterator[Watcher | None]:
        """Return what the protocol is to call at each exchange, or None; while entered, progress is shown."""
        watchers: list[Watcher] = []
        with ExitStack() as stack:
            if self._progress is not False:
                watchers += self._progress_watch(snapshot, stack)
            if rank_status.watched:
                watchers.append(_stop_when_told)
            if self._specification.callbacks:
                from propulate_like.search.callbacks import CallbackWatch

                self._callbacks = CallbackWatch(lambda: self._make_runner(snapshot), self._runner)
                watchers.append(self._callbacks)

            def watch(protocol: CoordinationProtocol) -> None:
                for watcher in watchers:
                    watcher(protocol)

            yield watch if watchers else None

    def finish(self, result: Result | None, expected: int = 0, unsaved: Sequence[Individual] = ()) -> None:
        """Let callbacks come to their end, where this rank calls them.

        Args:
            result: The search's result, or None where an error ended it.
            expected: The number of evaluations of this session.
            unsaved: Those of them that are in no journal.
        """
        if self._callbacks is not None and self._callbacks.finish(result, expected, unsaved):
            journals = self._run_folder.journals
            if journals is not None:
                import shutil

                shutil.rmtree(journals, ignore_errors=True)

    def _progress_watch(self, snapshot: ResumeSnapshot, stack: ExitStack) -> list[Watcher]:
        """Return what shows progress, or leaves it for the launcher, until the stack is left."""
        from propulate_like.search import progress

        if rank_status.watched:
            return [stack.enter_context(progress.Watch(snapshot, progress.leave, _LEAVE_SECONDS))]
        if self._rank != 0:
            return []
        budget, signs = self._specification.budget, self._specification.signs
        shown = stack.enter_context(progress.Progress(budget, signs, wanted=self._progress))
        return [stack.enter_context(progress.Watch(snapshot, shown))]

    def _make_runner(self, snapshot: ResumeSnapshot) -> CallbackRunner:
        """Return what calls the callbacks, for which all that the journals hold now is known."""
        folder = self._run_folder.folder or self._run_folder.journals
        if folder is None:
            message = "callbacks need journals"
            raise RuntimeError(message)
        run = self._run_folder.known_as
        return callback_runner(self._specification, folder, self._shape, run=run, ident=snapshot.run)


def callback_runner(
    specification: SearchSpecification, folder: Path, shape: Shape, *, run: Path | None, ident: str = ""
) -> CallbackRunner:
    """Return what calls the callbacks of a search, for which all that the journals hold now is known.

    Args:
        specification: The search.
        folder: The folder with the journals.
        shape: The shape of the run's individuals.
        run: The run's folder as users know it, or None.
        ident: The run's identity, or "".
    """
    from propulate_like.search.callbacks import CallbackRunner, WatchedSearch

    search = WatchedSearch(
        space=specification.known_space,
        signs=specification.signs,
        budget=specification.budget,
        rungs=specification.rungs,
        run=run,
        ident=ident,
        known=_known_in(folder, shape),
    )
    return CallbackRunner(specification.callbacks, search, folder, shape)


def _known_in(folder: Path, shape: Shape) -> Callable[[], Iterator[Individual]]:
    """Return what yields the individuals that the journals in a folder hold now, in the order in which they ended."""
    history = History(folder, shape)

    def known() -> Iterator[Individual]:
        for _ in history.events():  # by which it learns which journals are in order
            pass
        yield from history.in_order()

    return known


def _stop_when_told(protocol: CoordinationProtocol) -> None:
    """Stop the search once the launcher has left the word to do so, on the rank that leads."""
    if protocol.stopping.reason is None and protocol.membership.is_leader and rank_status.is_told_to_stop():
        protocol.stopping.stop(Reason.CALLBACK)
