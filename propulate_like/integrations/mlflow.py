"""MLflow: a search as a run of MLflow's, with a nested run for each evaluation."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from propulate_like.foundation.console import say
from propulate_like.foundation.passwords import masked
from propulate_like.integrations.tracking import BEST, CURVE, Tracked, name_of, require
from propulate_like.population.individual import Individual
from propulate_like.search.callbacks import Callback, WatchedSearch
from propulate_like.search.result import Result

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run
    from mlflow.tracking import MlflowClient

_SEARCH, _INDIVIDUAL = "propulate_like.search", "propulate_like.individual"
_PATIENCE_SECONDS = 5.0
"""The time within which a server must answer."""
_AGAIN_SECONDS = 10.0
"""The time until one that did not is asked again."""
_METRICS, _PARAMS, _RUNS = 1000, 100, 1000  # that MLflow takes, or gives, at a time
_TEXT = 500  # characters of a param's value, which every version of MLflow takes
_TAG = 5000


class MLflowCallback(Callback):
    """Logs a search to MLflow: a parent run, and a nested run for each evaluation of any rank.

    A nested run has the parameters, the value ("value"; of several losses "value.0" and so on), the metrics that are
    numbers, and the intermediate values as steps of "intermediate"; its tags have the rest. The parent run has the best
    value as steps of "best". Where the run of the search continues, so does the parent run, and what it lacks is added.

    While the server does not answer, evaluations wait here.

    Attributes:
        experiment: The name of the experiment; that of MLflow's environment, or "propulate-like", by default.
        uri: The address of the server, or where else MLflow is to keep runs; that of MLflow's environment by default.
        run_name: The name of the parent run; that of the run's folder by default.
    """

    name = "mlflow"

    def __init__(self, experiment: str | None = None, *, uri: str | None = None, run_name: str | None = None) -> None:
        """Check that MLflow is installed.

        Raises:
            ValueError: It is not.
        """
        require("mlflow", "MLflow")
        self.experiment: str | None = experiment
        self.uri: str | None = uri
        self.run_name: str | None = run_name
        self._waiting: list[Individual] = []
        self._runs: _Runs | None = None
        self._silent = False
        self._asked = 0.0

    def on_start(self, search: WatchedSearch) -> None:
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for each evaluation
        self._waiting, self._runs, self._asked = [], None, 0.0
        self._flush(search)

    def on_evaluated(self, search: WatchedSearch, individual: Individual) -> None:
        self._waiting.append(individual)
        if not self._silent or time.monotonic() - self._asked > _AGAIN_SECONDS:
            self._flush(search)

    def on_end(self, search: WatchedSearch, result: Result | None) -> None:
        self._flush(search)
        if self._runs is not None and not self._waiting:
            self._runs.end(succeeded=result is not None)
        elif self._waiting or self._silent:
            left = f"{len(self._waiting)} evaluations are not logged" if self._waiting else "nothing is logged"
            say(f"MLflow at {self._address} has not answered: {left}; they are once the run continues")

    def _flush(self, search: WatchedSearch) -> None:
        """Log what waits, if the server answers."""
        try:
            if not self._answers():
                return
            if self._runs is None:
                runs = _Runs(self._client(), self._experiment, search, self.run_name)
                for individual in search.known():
                    runs.log(Tracked.of(search, individual))
                self._runs = runs
            while self._waiting:
                self._runs.log(Tracked.of(search, self._waiting[0]))
                self._waiting.pop(0)
            self._runs.note_best(search)
        except Exception:
            if self._answers():  # so that something else is wrong
                raise

    def _client(self) -> MlflowClient:
        from mlflow.tracking import MlflowClient

        return MlflowClient(self.uri)

    @property
    def _address(self) -> str:
        return masked(self.uri or os.environ.get("MLFLOW_TRACKING_URI", ""))

    @property
    def _experiment(self) -> str:
        return self.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "propulate-like"

    def _answers(self) -> bool:
        """Return whether the server answers, whatever; say so where it does not, and where it does again.

        MLflow itself would try for minutes.
        """
        self._asked = time.monotonic()
        uri = self.uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        answers = not uri.startswith(("http://", "https://")) or _answers(uri)
        if answers == self._silent:
            self._silent = not answers
            what = "answers" if answers else "does not answer; the search goes on, and logs once it does"
            say(f"MLflow at {self._address} {what}")
        return answers


class _Runs:
    """The runs of one search in MLflow."""

    def __init__(self, client: MlflowClient, experiment: str, search: WatchedSearch, name: str | None) -> None:
        """Find the parent run and its nested runs, or create the parent run."""
        self._client = client
        found = client.get_experiment_by_name(experiment)
        self._experiment = client.create_experiment(experiment) if found is None else found.experiment_id
        self._key = search.key
        self._logged: set[str] = set()
        self._open: dict[str, str] = {}
        self._parent = ""
        self._best: Individual | None = None
        for run in self._found():
            ident = run.data.tags.get(_INDIVIDUAL)
            if ident is None:
                self._parent = run.info.run_id
            elif run.info.status == "RUNNING":  # it was cut off while it was logged
                self._open[ident] = run.info.run_id
            else:
                self._logged.add(ident)
        if self._parent:
            client.update_run(self._parent, "RUNNING")
        else:
            tags = {_SEARCH: self._key, "directions": " ".join(search.directions)}
            run = client.create_run(self._experiment, tags=tags, run_name=name or name_of(search))
            self._parent = run.info.run_id

    def log(self, tracked: Tracked) -> None:
        """Log an evaluation as a nested run, unless it is there."""
        from mlflow.entities import Metric, Param

        if tracked.ident in self._logged:
            return
        began, ended = (int(1000 * moment) for moment in (tracked.began, tracked.ended))
        run = self._open.get(tracked.ident) or self._create(tracked, began)
        metrics = [Metric(_key(name), number, ended, 0) for name, number in tracked.numbers.items()]
        metrics += [Metric(CURVE, value, ended, step) for step, value in tracked.curve]
        params = [Param(_key(name), _text(value)) for name, value in tracked.params.items()]
        for some_metrics, some_params in _batches(metrics, params):
            self._client.log_batch(run, metrics=some_metrics, params=some_params)
        self._client.set_terminated(run, "FINISHED" if tracked.succeeded else "FAILED", ended)
        self._logged.add(tracked.ident)

    def note_best(self, search: WatchedSearch) -> None:
        """Log the best value to the parent run, where there is a new one."""
        best = search.best
        if best is not None and best is not self._best and len(search.directions) == 1:
            self._best = best
            self._client.log_metric(self._parent, BEST, best.value, int(1000 * best.ended), search.evaluations)

    def end(self, *, succeeded: bool) -> None:
        """End the parent run, until the search continues."""
        self._client.set_terminated(self._parent, "FINISHED" if succeeded else "FAILED")

    def _create(self, tracked: Tracked, began: int) -> str:
        tags = {_key(name): text[:_TAG] for name, text in tracked.texts.items()}
        tags |= {_SEARCH: self._key, _INDIVIDUAL: tracked.ident, "mlflow.parentRunId": self._parent}
        run = self._client.create_run(self._experiment, start_time=began, tags=tags, run_name=tracked.ident)
        return str(run.info.run_id)

    def _found(self) -> Iterator[Run]:
        """Yield all runs of the search."""
        token, wanted = None, f"tags.`{_SEARCH}` = '{self._key}'"
        while True:
            page = self._client.search_runs([self._experiment], wanted, max_results=_RUNS, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def _answers(uri: str) -> bool:
    """Return whether a server answers at an address, with whatever status."""
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_PATIENCE_SECONDS):  # noqa: S310 (HTTP)
            return True
    except (urllib.error.HTTPError, http.client.HTTPException):
        return True
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # for MLflow to judge, by its own settings
    except (OSError, ValueError):
        return False


def _batches(metrics: Sequence[Metric], params: Sequence[Any]) -> Iterator[tuple[list[Metric], list[Any]]]:
    """Yield metrics and params, as many as MLflow takes at a time."""
    room = _METRICS - _PARAMS
    for number in range(max(-(-len(metrics) // room), -(-len(params) // _PARAMS))):
        yield (
            list(metrics[number * room : (number + 1) * room]),
            list(params[number * _PARAMS : (number + 1) * _PARAMS]),
        )


def _key(name: str) -> str:
    """Return a name with the characters that MLflow accepts."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "_-. /") else "_" for char in name)[:250]


def _text(value: Any) -> str:
    return str(value)[:_TEXT]
