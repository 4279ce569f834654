"""Run all: python -m propulate_like_bench.scaling [--only PART ...] [--propulate PYTHON]."""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import time

from propulate_like.parallel.coordination.termination import SessionSummary
from propulate_like_bench.scaling import costs, funnels, schedules
from propulate_like_bench.timed.order import Found, Order
from propulate_like_bench.timed.searches import search

_REAL_RANKS = 8
_SEEDS = 16  # idle shares of single runs differ by a factor of three


def show_conservation(_propulate: str | None) -> None:
    """Count where a million individuals live after migrations over a network that repeats and reorders messages."""
    for pollination in (False, True):
        homes = [schedules.conservation(20_000, seed, pollination=pollination) for seed in range(50)]
        total = {name: sum(getattr(each, name) for each in homes) for name in schedules.Homes.__struct_fields__}
        kind = "copies leave" if pollination else "individuals leave"
        twice = "on several islands" if pollination else "on two islands"
        print(
            f"  {kind}: {total['evaluated']:,} evaluated, {total['moves']:,} moves; lost {total['lost']}, "
            f"{twice} {total['twice']:,}, held where they do not live {total['elsewhere']}",
            flush=True,
        )


def show_exactness(_propulate: str | None) -> None:
    """Compare the best that each rank knows with the best of all, on a thousand random schedules."""
    for migration in ("none", "pollination", "migration"):
        found = [schedules.exactness(seed, migration) for seed in range(1000)]
        ratio = max(each.ratio for each in found if each.stationary)
        print(
            f"  migration {migration}: {sum(each.wrong > 0 for each in found)} of {len(found)} schedules wrong; "
            f"records a rank sent at most {ratio:.2f} k (1 + ln(n / k))",
            flush=True,
        )


def show_messages(_propulate: str | None) -> None:
    """Count the messages per evaluation for evaluations of a millisecond, simulated and on real ranks."""
    for ranks in (2, 4, 8, 16):
        simulated = _row(costs.search(ranks, 50 * ranks, 1e-3), 50 * ranks, ranks)
        real = [search("ours", _sleeping(50 * ranks, 1e-3, 1.0, seed), ranks) for seed in range(5)]
        batches = statistics.median(each.batches or 0 for each in real) / (50 * ranks)
        print(f"  {ranks:>5} ranks: {simulated}; real ranks {batches:.2f}", flush=True)
    for ranks in (64, 256, 1024, 4096):
        print(f"  {ranks:>5} ranks: {_row(costs.search(ranks, 50 * ranks, 1e-3), 50 * ranks, ranks)}", flush=True)


def show_latency(_propulate: str | None) -> None:
    """Measure how soon a free peer knows of an evaluation while half of the ranks are deaf for an hour."""
    for of_busy in (True, False):
        found = costs.latency(of_busy=of_busy)
        who = "what a deaf rank found, once it comes round" if of_busy else "what a quick rank found"
        print(
            f"  {who}: known after {1e3 * found.median:.2f} ms (99 %: {1e3 * found.most:.2f}, "
            f"longest {1e3 * found.longest:.2f}), {found.known:,} times",
            flush=True,
        )


def show_idle(propulate: str | None) -> None:
    """Compare idle shares: real ranks that sleep, simulated ones, Propulate, and a thousand simulated ranks."""
    evaluations, mean, sigma = 1600, 0.05, 1.0
    real = [search("ours", _sleeping(evaluations, mean, sigma, seed), _REAL_RANKS) for seed in range(_SEEDS)]
    simulated = [costs.search(_REAL_RANKS, evaluations, mean, sigma=sigma, seed=seed) for seed in range(_SEEDS)]
    _print_cost("real", [_figures(each) for each in real])
    _print_cost("simulated", [_figures_of(each) for each in simulated])
    if propulate:
        orders = [_sleeping(evaluations, mean, sigma, seed) for seed in range(3)]
        peer = [search("propulate", order, _REAL_RANKS, propulate) for order in orders]
        print(f"  Propulate: idle {statistics.median(each.idle_share or 0.0 for each in peer):.2%}", flush=True)
    summary = costs.search(1024, 51_200, 60.0)
    idle, tail = summary.idle_share, summary.tail_share
    print(f"  1,024 simulated ranks, mean 60 s: idle {idle:.3%}, tail {tail:.1%}", flush=True)


def show_speed(_propulate: str | None) -> None:
    """Time a simulation of 1,024 ranks and 100,000 evaluations."""
    found = costs.speed()
    print(f"  {found.seconds:.1f} s, repeats to the bit: {found.repeats}", flush=True)


def show_funnels(_propulate: str | None) -> None:
    """Compare one island with several, on functions of many optima."""
    for line in funnels.compare():
        print(f"  {line}", flush=True)


def _row(summary: SessionSummary, evaluations: int, ranks: int) -> str:
    messages = summary.batches / evaluations
    volume = summary.volume / evaluations
    return f"{messages:.2f} messages ({messages / math.log2(ranks):.2f} log2(ranks)), {volume:,.0f} bytes an evaluation"


def _sleeping(evaluations: int, mean: float, sigma: float, seed: int) -> Order:
    return Order(evaluations=evaluations, by="auto", sleep=(mean, sigma), seed=seed)


def _figures(found: Found) -> tuple[float, float, float, float]:
    """Return evaluations a second, idle and tail shares, and messages an evaluation."""
    return (
        found.evaluations / (found.searched or found.seconds),
        found.idle_share or 0.0,
        found.tail_share or 0.0,
        (found.batches or 0) / found.evaluations,
    )


def _figures_of(summary: SessionSummary) -> tuple[float, float, float, float]:
    evaluations = sum(summary.evaluations.statuses.values())
    return evaluations / summary.seconds, summary.idle_share, summary.tail_share, summary.batches / evaluations


def _print_cost(name: str, runs: list[tuple[float, float, float, float]]) -> None:
    rate, idle, tail, batches = (statistics.mean(column) for column in zip(*runs, strict=True))
    print(
        f"  {name}, {_REAL_RANKS} ranks: {rate:.1f} evaluations/s, idle {idle:.3%}, tail {tail:.2%}, "
        f"{batches:.2f} messages an evaluation (mean of {len(runs)})",
        flush=True,
    )


PARTS = {
    "conservation": show_conservation,
    "exactness": show_exactness,
    "messages": show_messages,
    "latency": show_latency,
    "idle": show_idle,
    "speed": show_speed,
    "funnels": show_funnels,
}


def main() -> None:
    """Run the chosen parts, and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", default=list(PARTS))
    parser.add_argument("--propulate", metavar="PYTHON", help="a Python that has propulate and an MPI")
    chosen = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}", flush=True)
    for part in chosen.only:
        began = time.perf_counter()
        print(f"{part}: {(PARTS[part].__doc__ or '').splitlines()[0]}", flush=True)
        PARTS[part](chosen.propulate)
        print(f"  ({time.perf_counter() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
