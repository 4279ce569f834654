"""TensorBoard: files of events, in which each evaluation is a session of the HParams dashboard."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from propulate_like.foundation.user_paths import user_path
from propulate_like.integrations.tracking import BEST, CURVE, Tracked, name_of, require
from propulate_like.population.individual import Individual
from propulate_like.search.callbacks import Callback, WatchedSearch

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

_VERSION = "brain.Event:2"
"""The version of files of events, which each begins with."""


class TensorBoardCallback(Callback):
    """Writes what TensorBoard shows: for each evaluation of any rank a session of HParams, and the best value.

    A session has the parameters, the value ("value"; of several losses "value.0" and so on), the metrics that are
    numbers, the intermediate values as steps of "intermediate", and the rest as texts. It is a folder that is named
    after the individual, inside one that is named after the search. Where the run of the search continues, sessions
    that it lacks are added.

    Attributes:
        folder: The folder of the logs; "tensorboard" in the run's folder by default, or here where there is none.
    """

    name = "tensorboard"

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        """Check that TensorBoard is installed.

        Raises:
            ValueError: It is not, or `folder` is no path.
        """
        require("tensorboard", "TensorBoard")
        self.folder: str | None = None if folder is None else str(user_path(folder))
        self._logs = None if folder is None else user_path(folder).absolute()  # wherever the objective goes
        self._place = Path()
        self._began = 0.0
        self._steps: list[Event] = []

    def on_start(self, search: WatchedSearch) -> None:
        logs = self._logs or (search.run or Path()).absolute() / "tensorboard"
        self._place = logs / name_of(search)
        self._began, self._steps = time.time(), []
        for individual in search.known():
            self._log(search, individual)

    def on_evaluated(self, search: WatchedSearch, individual: Individual) -> None:
        self._log(search, individual)

    def on_best(self, search: WatchedSearch, individual: Individual) -> None:
        """Write the best value so far: the steps of a session of the run are in one file."""
        if len(search.directions) == 1:
            value = individual.value
            self._steps.append(_event(individual.ended, _scalar(BEST, value), search.evaluations))
            _write(self._place / "search" / f"events.out.tfevents.{self._began:.6f}", self._steps)

    def _log(self, search: WatchedSearch, individual: Individual) -> None:
        """Write the file of an evaluation, unless it is there."""
        path = self._place / str(individual.id) / "events.out.tfevents.0"
        if not path.exists():
            _write(path, _session(Tracked.of(search, individual)))


def _session(tracked: Tracked) -> Iterable[Event]:
    """Yield the events of an evaluation."""
    from tensorboard.plugins.hparams import summary_v2

    params = {name: _plain(value) for name, value in tracked.params.items()}
    start = summary_v2.hparams_pb(params, trial_id=tracked.ident, start_time_secs=tracked.began)
    yield _event(tracked.began, start)
    for step, value in tracked.curve:
        yield _event(tracked.ended, _scalar(CURVE, value), step)
    for name, number in tracked.numbers.items():
        yield _event(tracked.ended, _scalar(name, number))
    for name, text in tracked.texts.items():
        yield _event(tracked.ended, _text(name, text))
    yield _event(tracked.ended, _end(tracked))


def _end(tracked: Tracked) -> Any:
    """Return the summary that ends a session of HParams."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_SUCCESS if tracked.succeeded else api_pb2.STATUS_FAILURE
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=tracked.ended)
    data = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=info))
    summary = Summary()
    summary.value.add(tag=metadata.SESSION_END_INFO_TAG, metadata=data, tensor=metadata.NULL_TENSOR)
    return summary


def _scalar(tag: str, value: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value)])


def _text(tag: str, text: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text import metadata

    about = metadata.create_summary_metadata(display_name=tag, description="")
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=tensor)])


def _event(moment: float, summary: Any, step: int = 0) -> Event:
    from tensorboard.compat.proto.event_pb2 import Event

    return Event(wall_time=moment, step=step, summary=summary)


def _write(path: Path, events: Iterable[Event]) -> None:
    """Write a file of events as a whole: TensorBoard sees all of it, or nothing."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(".partial")
    with partial.open("wb") as file:
        writer = RecordWriter(file)
        for event in (Event(wall_time=time.time(), file_version=_VERSION), *events):
            writer.write(event.SerializeToString())
    partial.replace(path)


def _plain(value: Any) -> bool | float | str:
    """Return a value as HParams can have it."""
    return value if isinstance(value, bool | int | float | str) else str(value)
