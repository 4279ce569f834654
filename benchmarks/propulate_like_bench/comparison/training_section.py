"""What the page says of the comparison `training`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from propulate_like_bench.comparison.intervals import better_by, geometric_mean, mean, ratio, rounded
from propulate_like_bench.comparison.measures import Result
from propulate_like_bench.comparison.page.section import Better, Chart, Section, Series, Table, Verdict

_MOMENTS = 40
_GUESSED = math.log(10)
_NOTHING = 1e-3
_CERTAIN = 0.05
_COSTS = {"start_up": "start-up, s", "idle_percent": "idle, %", "megabytes": "memory a worker, MB"}
_STRETCHED = """\
Each job is really trained, on one thread; then its worker sleeps until {:g} times the CPU time of that have passed. \
So it stands for one on a GPU, which leaves the core free, and eight workers do not compete for a few cores. With \
`stretch: 1` the training is all of a job: for no more workers than there are cores."""
_FAIR = """\
All train by one function, which notes when each job began and ended. A loss counts from the end of its job on, if \
that is in time.
Optuna's TPE is multivariate, with groups for conditional parameters and the constant liar for parallel workers, as \
Optuna recommends. Each of its processes has a seed of its own, and loads nothing of this package.
The first of Optuna's processes creates the study while the others import. SQLite waits 100 s for a lock.
All files are on one disk, where TMPDIR says. Optuna's journal file and SQLite have each trial on it before the next; \
our run folder is handed to the operating system within 10 ms, and synced from jobs of 1 s on.
The losses to reach stand in the config, and were set by other searches: random search with 4 workers ends near the \
first."""
_TIMES = """\
Of the time to a loss, the median over the seeds is told, where half of them came to it, and how many did. We are \
compared with the best of Optuna's at each: by Welch's interval of the ratio, and by the rank-sum test of such times."""
_NOTES = """\
Start-up is the time until a worker's first job begins, the mean over the workers. Idle is the part of the workers' \
time after that in which no job ran: proposing, reading, writing, waiting for a lock.
Memory is the sum of the processes' peaks, shared out among the workers. In memory, Optuna's workers are threads of \
one process and its interpreter, which suits jobs that leave that alone most of the time, as these do."""


class Search(msgspec.Struct, frozen=True):
    """A contestant with a number of workers, and what was measured with each seed."""

    name: str
    workers: int
    ours: bool
    seeds: list[dict[str, Any]]

    def costs(self, key: str) -> list[float]:
        """Return what each seed spent of something."""
        return [max(seed[key], _NOTHING) for seed in self.seeds]

    def lowest(self, seconds: float) -> list[float]:
        """Return each seed's lowest loss by then; where there is none, or a worse one, that of guessing."""
        return [min([_GUESSED, *(loss for ended, loss in seed["course"] if ended <= seconds)]) for seed in self.seeds]

    def reached(self, target: float) -> list[float]:
        """Return the seconds after which each seed had such a loss; infinite where it never had."""
        return [next((ended for ended, loss in seed["course"] if loss <= target), math.inf) for seed in self.seeds]


def section(settings: Any, results: Sequence[Result]) -> Section:
    """Return what came out."""
    searches = list(_searches(results))
    parts: list[Table | Chart] = []
    verdicts: list[Verdict] = []
    for workers in sorted({search.workers for search in searches}):
        chosen = [search for search in searches if search.workers == workers]
        parts += [_chart(settings, workers, chosen), _losses(settings, workers, chosen), _costs(workers, chosen)]
        verdicts += _verdicts(settings, workers, chosen)
    jobs = [seconds for search in searches for one in search.seeds for seconds in one["job_seconds"]]
    return Section(
        compared=_compared(settings, jobs),
        fair=_fair(settings),
        intervals=_intervals(settings),
        parts=parts,
        verdicts=verdicts,
        notes=_NOTES.splitlines(),
    )


def _searches(results: Sequence[Result]) -> Iterator[Search]:
    seeds: dict[tuple[str, int], list[dict[str, Any]]] = {}
    ours: dict[str, bool] = {}
    for result in results:
        if result.measured:
            name, workers = result.cell["name"], result.cell["workers"]
            seeds.setdefault((name, workers), []).append(result.measured)
            ours[name] = result.cell["contestant"]["by"] != "Optuna"
    for (name, workers), measured in seeds.items():
        yield Search(name, workers, ours[name], measured)


def _compared(settings: Any, jobs: Sequence[float]) -> str:
    lasted = ""
    if len(jobs) > 1:
        shares = [rounded(share, 2) for share in statistics.quantiles(jobs, n=20)]
        lasted = f"; here {shares[9]} s in the median, and nine in ten {shares[0]} to {shares[-1]} s"
    return (
        "A job trains a multilayer perceptron on 200 of scikit-learn's handwritten digits, and its log loss on 200 "
        f"others is to be low. {len(settings.space)} parameters of all kinds, some conditional, decide it; epochs, "
        f"batch, width and layers also decide how long a job lasts{lasted}. A search has {settings.seconds:g} s of "
        "wall clock, which begin with the command that starts it: interpreters, imports and mpiexec are part of them."
    )


def _fair(settings: Any) -> list[str]:
    work = "Each job is really trained, on one thread, and lasts as long as that computes."
    return [_STRETCHED.format(settings.stretch) if settings.stretch > 1 else work, *_FAIR.splitlines()]


def _intervals(settings: Any) -> str:
    return f"Geometric means over {settings.seeds} seeds; 95 % intervals are Student's t of the logarithms. {_TIMES}"


def _chart(settings: Any, workers: int, chosen: Sequence[Search]) -> Chart:
    moments = [settings.seconds * number / _MOMENTS for number in range(1, _MOMENTS + 1)]
    series = []
    for search in chosen:
        lowest = [(moment, search.lowest(moment)) for moment in moments]
        points = [geometric_mean(losses).at(moment) for moment, losses in lowest if min(losses) < _GUESSED]
        within = [msgspec.structs.replace(point, high=min(point.high, _GUESSED)) for point in points]
        series.append(Series(search.name, within, search.ours))
    caption = f"Lowest log loss by wall clock, {_workers(workers)}; without one, that of guessing ({_GUESSED:.1f})"
    return Chart(caption, "seconds", "log loss", series, log_y=True)


def _losses(settings: Any, workers: int, chosen: Sequence[Search]) -> Table:
    head = [
        "",
        f"log loss after {settings.seconds:g} s",
        *[f"seconds to {target:g}" for target in settings.targets],
        "jobs",
    ]
    rows = []
    for search in chosen:
        times = [_median(search.reached(target)) for target in settings.targets]
        jobs = mean([seed["jobs"] for seed in search.seeds]).written()
        rows.append([search.name, geometric_mean(search.lowest(settings.seconds)).written(), *times, jobs])
    return Table(f"What was reached, {_workers(workers)}", head, rows, [one.name for one in chosen if one.ours])


def _costs(workers: int, chosen: Sequence[Search]) -> Table:
    rows = [[search.name, *[geometric_mean(search.costs(key)).written() for key in _COSTS]] for search in chosen]
    caption = f"Where time and memory went, {_workers(workers)}"
    return Table(caption, ["", *_COSTS.values()], rows, [one.name for one in chosen if one.ours])


def _median(times: Sequence[float]) -> str:
    """Write the median, where it is known, and how many searches came to the loss."""
    came, median = sum(map(math.isfinite, times)), statistics.median_high(times)
    return f"{came} of {len(times)}" if math.isinf(median) else f"{rounded(median)}; {came} of {len(times)}"


def _verdicts(settings: Any, workers: int, chosen: Sequence[Search]) -> Iterator[Verdict]:
    """Compare with the best of Optuna's, at each of what was measured."""
    theirs = [search for search in chosen if not search.ours]
    for mine in [search for search in chosen if search.ours] if theirs else []:
        ends = {search.name: search.lowest(settings.seconds) for search in [mine, *theirs]}
        yield _lower(f"{_workers(workers)}, log loss after {settings.seconds:g} s", mine.name, ends)
        for target in settings.targets:
            best = min(theirs, key=lambda one: (statistics.median_high(one.reached(target)), sum(one.reached(target))))
            ours, its = mine.reached(target), best.reached(target)
            if min(*ours, *its) < math.inf:
                what = f"{_workers(workers)}, seconds to {target:g}; searches"
                yield Verdict(_earlier(ours, its), f"{what}: {best.name} {_median(its)}, {mine.name} {_median(ours)}")
        for key, label in _COSTS.items():
            costs = {search.name: search.costs(key) for search in [mine, *theirs]}
            yield _lower(f"{_workers(workers)}, {label}", mine.name, costs)


def _lower(what: str, mine: str, values: Mapping[str, Sequence[float]]) -> Verdict:
    """Return whether ours is lower than the lowest of the others."""
    means = {name: geometric_mean(each).mean for name, each in values.items()}
    best = min((name for name in values if name != mine), key=means.__getitem__)
    times = ratio(values[mine], values[best])
    text = f"{what}: {best} {rounded(means[best])}, {mine} {rounded(means[mine])}, {times.written()} times as much"
    return Verdict(better_by(times, larger=False), text)


def _earlier(ours: Sequence[float], theirs: Sequence[float]) -> Better:
    """Say who came to a loss earlier, by the rank-sum test; those that never did are the last, all alike."""
    from scipy.stats import mannwhitneyu

    if mannwhitneyu(ours, theirs).pvalue >= _CERTAIN:
        return "neither"
    earlier = sum(1 for one in ours for other in theirs if one < other)
    return "ours" if earlier > len(ours) * len(theirs) / 2 else "theirs"


def _workers(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"
