"""A real GPU, where there is one: four ranks train on it at once, and each evaluation's joules are in the journal."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from propulate_like import Status
from propulate_like.evaluation.gpus import detect
from propulate_like.storage.run import Run

MISSING = [name for name in ("torch", "pynvml") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.mpi,
    pytest.mark.skipif(detect().vendor != "nvidia", reason="there is no NVIDIA GPU"),
    pytest.mark.skipif(bool(MISSING), reason=f"{' and '.join(MISSING)} not installed"),
]


@pytest.mark.parametrize("isolate", [False, True])
def test_four_ranks_share_a_gpu_and_their_joules_are_known(
    isolate: bool, script: Any, python: Any, tmp_path: Any
) -> None:
    path = script(f"""
        import os, time, propulate_like as pl
        def loss(x, evaluation):
            import torch
            assert torch.cuda.device_count() == len(evaluation.devices) == 1, os.environ["CUDA_VISIBLE_DEVICES"]
            a = torch.randn(2048, 2048, device="cuda")
            began = time.perf_counter()
            while time.perf_counter() - began < 2:
                a = torch.tanh(a @ a)
                torch.cuda.synchronize()
            return {{"loss": x, "device": evaluation.devices[0]}}
        if __name__ == "__main__":
            pl.minimize(
                loss, {{"x": (0.0, 1.0)}}, evaluations=12, seed=0, run="run",
                evaluation={{"gpus": "auto", "energy": True, "isolate": {isolate}}},
            )
    """)
    python(path, ranks=4)
    individuals = list(Run(tmp_path / "run").individuals())
    assert [individual.status for individual in individuals] == [Status.OK] * 12, individuals[0].cause
    for individual in individuals:
        assert individual.metrics["energy_gpu"] > 1.0
    print([(str(each.id), each.metrics["device"], round(each.metrics["energy_gpu"], 1)) for each in individuals])
