"""Measuring around an evaluation: its joules reach the journal's metrics, and may be what is minimized."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import propulate_like as pl
from propulate_like.cli import show
from propulate_like.evaluation.energy import EnergyMeter
from propulate_like.parallel import node_devices
from propulate_like.storage.events import Session
from propulate_like.storage.journal import Journal, journal_path
from propulate_like.storage.run import Run


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a processor's counter of microjoules in the kernel's form, which the search reads as the machine's."""
    folder = tmp_path / "sys/class/powercap/intel-rapl:0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("package-0\n")
    (folder / "max_energy_range_uj").write_text("262143328850\n")
    path = folder / "energy_uj"
    path.write_text("1000\n")

    def meter(devices: Any, shared_by: int, ranks: int) -> EnergyMeter:
        return EnergyMeter(devices, shared_by, ranks, tmp_path)

    monkeypatch.setattr(node_devices, "EnergyMeter", meter)
    return path


def test_joules_are_a_metric_of_each_evaluation_and_may_be_minimized(counter: Path, tmp_path: Path) -> None:
    def loss(x: float) -> float:
        counter.write_text(str(int(counter.read_text()) + int(5e6 * (1 + x))))
        return 1 - x

    run = tmp_path / "run"
    space = {"x": (0.0, 1.0)}
    pl.minimize(loss, space, evaluations=50, seed=0, run=run, evaluation={"energy": True, "metric": "energy"})
    individuals = list(Run(run).individuals())
    assert len(individuals) == 50
    for individual in individuals:
        x = individual.params["x"]
        assert individual.loss == individual.metrics["energy_cpu"] == pytest.approx(5 * (1 + x), abs=1e-5)
        assert individual.metrics["loss"] == 1 - x
    assert min(individual.params["x"] for individual in individuals) < 0.05


def test_attempts_are_paid_for_together(counter: Path) -> None:
    calls = []

    def loss(x: float) -> float:
        calls.append(x)
        counter.write_text(str(int(counter.read_text()) + 1_000_000))
        if len(calls) % 3:
            message = "not yet"
            raise RuntimeError(message)
        time.sleep(0.001)
        return x

    settings = {"energy": True, "retries": 2, "retry_on": ["error"]}
    result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=4, evaluation=settings)
    assert len(calls) == 12
    assert [individual.metrics["energy"] for individual in result.individuals] == [3.0] * 4
    assert {individual.attempts for individual in result.individuals} == {3}


def test_status_shows_which_rank_has_which_device(tmp_path: Path) -> None:
    run = tmp_path / "run"
    pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=5, seed=0, run=run)
    for rank, devices in ((0, ("0", "1")), (1, ("GPU-8f6e9d2c",))):
        journal = Journal(journal_path(run, rank))
        journal.write(Session(rank=rank, ranks=2, began=time.time(), devices=devices))
        journal.close()
    known = show.status(Run(run))
    assert known["devices"] == {"0": ["0", "1"], "1": ["GPU-8f6e9d2c"]}
    text = show.status_text(known)
    assert "rank 0       0, 1\n" in text
    assert "rank 1       GPU-8f6e9d2c" in text
