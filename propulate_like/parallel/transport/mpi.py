"""The transport over MPI: point-to-point messages only, at most one in flight to each peer."""

from __future__ import annotations

import os
import struct
import time
from array import array
from contextlib import suppress
from functools import partial
from itertools import accumulate
from typing import Any

os.environ.setdefault("OMPI_MCA_async_mpi_finalize", "1")  # else Open MPI may hang at the end where a rank has died
os.environ.setdefault("OMPI_MCA_btl", "^ofi")  # one-sided alone, and without a fabric it sleeps for a second
from mpi4py import MPI

from propulate_like.parallel.transport import Team
from propulate_like.parallel.transport.mpi_team import TeamCommunicator

_FRAME = 1 << 16  # bytes of one MPI message at most, and of 4,096 in many ranks; a longer batch goes as several
_FRAMES = 1 << 24  # bytes of memory for what may arrive
_FIRST_GUESS = 3e-6  # seconds for sending a batch
_LENGTH = struct.Struct("<I")
_DEATHS = {MPI.ERR_IN_STATUS, getattr(MPI, "ERR_PROC_FAILED", MPI.ERR_IN_STATUS)}
# docs/decisions.md, "Deaths settle for 10 s on several hosts"
_SETTLING_SECONDS = 10.0
"""So long after a rank is said to have died it has, where ranks are on several hosts: if one of these is lost, Open MPI
says so of ranks that live, before it, or the launcher, ends them all."""
_never_freed: list[Any] = []  # requests with their buffers that MPI may still know, of ranks that died


class MpiTransport:
    """Ranks of an MPI communicator.

    What is sent to a peer is a stream of bytes, cut into frames, each sent (synchronously, so that it is known when
    the peer takes it) once the one before was taken. One receive per peer is posted at all times.
    """

    def __init__(self, communicator: MPI.Comm | None = None) -> None:
        """All ranks of `communicator` take part, of MPI.COMM_WORLD where it is None.

        It is duplicated, so that no message of others is mistaken.

        RuntimeError where some have died before.
        """
        try:
            self._communicator = (MPI.COMM_WORLD if communicator is None else communicator).Dup()
        except MPI.Exception as error:
            message = f"ranks have died since this program began ({error.Get_error_string()}): start it anew"
            raise RuntimeError(message) from None
        self.rank = self._communicator.Get_rank()
        self.size = self._communicator.Get_size()
        self.peers: list[int] = [rank for rank in range(self.size) if rank != self.rank]
        self.batches = 0
        self.volume = 0
        self.send_seconds = _FIRST_GUESS
        self._frame = min(max(_FRAMES // self.size, 1 << 12), _FRAME)
        self._outboxes: dict[int, bytearray] = {}
        self._in_flight: dict[int, tuple[MPI.Request, bytes]] = {}
        self._frames = [bytearray(self._frame) for _ in self.peers]
        self._partial = [bytearray() for _ in self.peers]
        self._posted = [self._post(place) for place in range(len(self.peers))]
        self._statuses = [MPI.Status() for _ in self.peers]
        self.dead: list[int] = []
        self._lost: dict[int, float] = {}  # those too that may live, with when they were
        here = os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", "")
        self._settling = _SETTLING_SECONDS if here.isdigit() and int(here) < MPI.COMM_WORLD.size else 0.0

    @property
    def unsent(self) -> bool:
        return bool(self._outboxes) or any(not self.ready(peer) for peer in list(self._in_flight))

    def send(self, peer: int, message: bytes) -> None:
        if peer in self._lost:
            return
        outbox = self._outboxes.get(peer)
        if outbox is None:
            outbox = self._outboxes[peer] = bytearray()
        outbox += _LENGTH.pack(len(message))
        outbox += message

    def ready(self, peer: int) -> bool:
        under_way = self._in_flight.get(peer)
        if under_way is not None:
            try:
                if not under_way[0].Test():
                    return False
            except MPI.Exception as error:
                self._lose(peer, error)
                return False
            del self._in_flight[peer]
        return peer not in self._lost

    def flush(self) -> None:
        for peer in [peer for peer in list(self._outboxes) if self.ready(peer)]:  # one may turn out to be dead
            outbox = self._outboxes[peer]
            frame = bytes(outbox[: self._frame])
            del outbox[: self._frame]
            if not outbox:
                del self._outboxes[peer]
            began = time.perf_counter()
            request = self._communicator.Issend([frame, MPI.BYTE], dest=peer)
            self.send_seconds += (time.perf_counter() - began - self.send_seconds) / 64  # a moving average
            self.batches += 1
            self.volume += len(frame)
            self._in_flight[peer] = request, frame  # the frame must live as long as it is in flight

    def receive(self) -> list[tuple[int, bytes]]:
        arrived: list[tuple[int, bytes]] = []
        failure: MPI.Exception | None = None
        while self.peers and failure is None:
            try:
                completed = MPI.Request.Testsome(self._posted, self._statuses)
            except MPI.Exception as error:  # of one of them: others may have arrived
                failure = error
                completed = [place for place, request in enumerate(self._posted) if request == MPI.REQUEST_NULL]
            if not completed:
                break
            failed = []
            for place, status in zip(completed, self._statuses, strict=False):
                peer = self.peers[place]
                if failure is not None and status.error != MPI.SUCCESS:
                    failed.append(peer)
                    continue
                stream = self._partial[place]
                stream += memoryview(self._frames[place])[: status.Get_count(MPI.BYTE)]
                self._posted[place] = self._post(place)
                arrived += [(peer, message) for message in _whole_messages(stream)]
            for peer in failed:
                self._lose(peer, failure)
        if len(self.dead) < len(self._lost):
            settled = time.monotonic() - self._settling
            self.dead = [peer for peer, since in self._lost.items() if since <= settled]
        return arrived

    def broadcast(self, message: bytes | None) -> bytes:
        return broadcast(message, self._communicator)

    def gather(self, message: bytes) -> list[bytes]:
        lengths = array("q", bytes(8 * self.size))
        self._communicator.Allgather(array("q", [len(message)]), lengths)
        whole = bytearray(sum(lengths))
        self._communicator.Allgatherv([message, MPI.BYTE], [whole, (list(lengths), None), MPI.BYTE])
        ends = accumulate(lengths)
        return [bytes(whole[end - length : end]) for end, length in zip(ends, lengths)]

    def teams(self, size: int) -> tuple[MpiTransport | None, Team]:
        if self.size % size:
            message = f"{self.size} ranks cannot form teams of {size}: start a multiple of {size} ranks"
            raise ValueError(message)
        leads = self.rank % size == 0
        leaders = self._communicator.Split(0 if leads else MPI.UNDEFINED)
        members = self._communicator.Split(self.rank // size)
        hosts = members.allgather(MPI.Get_processor_name())
        local_rank = hosts[: members.rank].count(hosts[members.rank])
        team = Team(MpiTransport(members), partial(TeamCommunicator.over, members), len(set(hosts)) == 1, local_rank)
        return MpiTransport(leaders) if leads else None, team

    def abort(self) -> None:
        self._communicator.Abort(1)

    def close(self, seconds: float) -> None:
        deadline, sent = time.monotonic() + seconds, self.batches
        while self.unsent and time.monotonic() < deadline:
            self.flush()
            self.receive()
            if self.batches > sent:  # somebody is still taking what is long
                deadline, sent = time.monotonic() + seconds, self.batches
            time.sleep(0.0002)
        with suppress(MPI.Exception):  # of ranks that died meanwhile
            for request in self._posted:
                request.Cancel()
                request.Wait()
            if not (self.unsent or self._lost):
                self._communicator.Free()

    def _lose(self, peer: int, failure: MPI.Exception | None) -> None:
        """Leave a peer behind that has died. Where `failure` is another, it is raised."""
        if failure is not None and failure.Get_error_class() not in _DEATHS:
            raise failure
        if peer in self._lost:
            return
        self._lost[peer] = time.monotonic()
        self._outboxes.pop(peer, None)
        if peer in self._in_flight:
            _never_freed.append(self._in_flight.pop(peer))
        place = self.peers.index(peer)
        _never_freed.append((self._posted[place], self._frames[place]))
        for parallel in (self.peers, self._frames, self._partial, self._posted, self._statuses):
            del parallel[place]

    def _post(self, place: int) -> MPI.Request:
        return self._communicator.Irecv([self._frames[place], MPI.BYTE], source=self.peers[place])


def started() -> int:
    """Return the number of ranks that MPI sees."""
    return MPI.COMM_WORLD.size


def broadcast(message: bytes | None, communicator: MPI.Comm | None = None) -> bytes:
    """Return rank 0's message on every rank of a communicator, all of which must call this."""
    if communicator is None:
        communicator = MPI.COMM_WORLD
    length = bytearray(_LENGTH.pack(len(message or b"")))
    communicator.Bcast([length, MPI.BYTE], root=0)
    content = bytearray(message or b"") if communicator.rank == 0 else bytearray(_LENGTH.unpack(length)[0])
    communicator.Bcast([content, MPI.BYTE], root=0)
    return bytes(content)


def _whole_messages(stream: bytearray) -> list[bytes]:
    """Take the messages that have arrived whole off the front of a stream."""
    messages, position = [], 0
    while len(stream) - position >= _LENGTH.size:
        (length,) = _LENGTH.unpack_from(stream, position)
        end = position + _LENGTH.size + length
        if end > len(stream):
            break
        messages.append(bytes(stream[position + _LENGTH.size : end]))
        position = end
    del stream[:position]
    return messages
