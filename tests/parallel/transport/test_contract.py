"""Every transport keeps one contract."""

import importlib.util
from pathlib import Path

import pytest

from propulate_like.parallel.launching.mpiexec import Mpiexec
from propulate_like.parallel.transport import LocalTransport, launched
from propulate_like.parallel.transport.simulated import Network, SimulatedTransport

CONTRACT = Path(__file__).parent / "contract.py"


def exchange(endpoints, step=lambda: None):
    spec = importlib.util.spec_from_file_location("contract", CONTRACT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.exchange(endpoints, step)


def test_rank_alone_keeps_the_contract():
    exchange([LocalTransport()])


@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("network", [Network(latency=0.0), Network(latency=0.01, bandwidth=1e6)])
def test_simulated_network_keeps_the_contract(size, network):
    now = [0.0]

    def step():
        now[0] += 0.003

    exchange(SimulatedTransport.connected(size, network, lambda: now[0]), step)


@pytest.mark.mpi
@pytest.mark.every_mpi
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


@pytest.mark.mpi
@pytest.mark.skipif(not Mpiexec().heals, reason="MPICH ends all ranks when one dies")
def test_dead_rank_is_left_behind_and_no_message_between_the_others_is_lost(python):
    ended = python(CONTRACT.with_name("dying.py"), ranks=4, check=False)
    assert ended.stdout.count("left behind") == 3, ended.stderr


def test_simulated_rank_that_died_is_left_behind():
    first, second, third = SimulatedTransport.connected(3, Network(latency=1.0), lambda: 0.0)
    third.send(0, b"lost on the way")
    third.flush()
    first.send(2, b"never taken")
    first.flush()
    for end in (first, second):
        end.remove_dead(2)
    assert (list(first.peers), list(first.dead), first.unsent, first.receive()) == ([1], [2], False, [])
