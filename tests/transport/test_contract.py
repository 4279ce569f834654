"""Every transport keeps one contract."""

import importlib.util
from pathlib import Path

import pytest

from propulate_like.transport import LocalTransport, launched

CONTRACT = Path(__file__).parent / "contract.py"


def exchange(endpoints):
    spec = importlib.util.spec_from_file_location("contract", CONTRACT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.exchange(endpoints)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_local_network_keeps_the_contract(size):
    exchange(LocalTransport.network(size))


@pytest.mark.mpi
@pytest.mark.parametrize("size", [2, 3, 5])
def test_mpi_keeps_the_contract(size, python):
    assert python(CONTRACT, ranks=size).stdout.count("the contract is kept") == size


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4"}, (2, 4)),
        ({"PMI_RANK": "0", "PMI_SIZE": "3"}, (0, 3)),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "8"}, (1, 8)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, None),  # a batch script itself, not a task
        ({"FLUX_TASK_RANK": "5", "FLUX_JOB_SIZE": "6"}, (5, 6)),
        ({"PMI_RANK": "x", "PMI_SIZE": "3"}, None),
    ],
)
def test_launcher_is_known_by_its_environment(environment, expected):
    assert launched(environment) == expected
