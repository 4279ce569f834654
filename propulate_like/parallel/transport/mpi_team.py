"""A team's communicator for the loss: mpi4py's, but no call waits for a member that has failed."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import reduce
from itertools import accumulate
from typing import Any, Literal, Self

from mpi4py import MPI

from propulate_like.evaluation.context import Abandoned
from propulate_like.foundation.backoff import Pause

_COLLECTIVE = (
    *("Barrier", "Bcast", "Gather", "Gatherv", "Scatter", "Scatterv", "Allgather", "Allgatherv", "Alltoall"),
    *("Alltoallv", "Reduce", "Allreduce", "Scan", "Exscan", "Reduce_scatter", "Reduce_scatter_block"),
)
_REFUSED = (
    *("Alltoallw", "Bsend", "bsend", "Rsend", "Sendrecv_replace", "Mprobe", "mprobe", "Agree", "Shrink", "Disconnect"),
    *("Clone", "Create", "Create_cart", "Create_graph", "Create_dist_graph", "Create_dist_graph_adjacent", "Dup"),
    *("Dup_with_info", "Split", "Split_type", "Create_intercomm", "Spawn", "Spawn_multiple", "Accept", "Connect"),
)
_LOOKS_BEFORE_PAUSING = 2000
_never_freed: list[Any] = []  # buffers of calls that were given up, which late messages may still be written to


class TeamCommunicator(MPI.Intracomm):
    """An `MPI.Intracomm` whose blocking calls raise Abandoned where another member's part of the evaluation failed.

    Each is its non-blocking form, and a wait that looks at the team as well. RuntimeError for those that have none.
    """

    _abandoned: Callable[[], bool]

    @classmethod
    def over(cls, communicator: MPI.Comm, abandoned: Callable[[], bool]) -> Self:
        """Duplicate `communicator`, which all its ranks must do."""
        made = cls(communicator.Dup())
        made._abandoned = abandoned
        return made

    def _wait(self, request: MPI.Request, buffers: Any, status: MPI.Status | None = None) -> None:
        pause, looks = Pause(), 0
        while not request.Test(status):
            looks += 1
            if looks > _LOOKS_BEFORE_PAUSING:
                pause()
            if looks % 100 == 0 and self._abandoned():
                _never_freed.append((request, buffers, self))
                raise Abandoned

    def _look(self, probe: Callable[[], Any]) -> Any:
        """Probe until there is something, and return that."""
        pause = Pause()
        while (found := probe()) is None or found is False:
            if self._abandoned():
                raise Abandoned
            pause()
        return found

    def Send(self, *arguments: Any, **keywords: Any) -> None:  # noqa: N802
        self._wait(self.Isend(*arguments, **keywords), (arguments, keywords))

    def Ssend(self, *arguments: Any, **keywords: Any) -> None:  # noqa: N802
        self._wait(self.Issend(*arguments, **keywords), (arguments, keywords))

    def Recv(  # noqa: N802
        self,
        buf: Any,
        source: int = MPI.ANY_SOURCE,
        tag: int = MPI.ANY_TAG,
        status: MPI.Status | None = None,
    ) -> None:
        self._wait(self.Irecv(buf, source, tag), buf, status)

    def send(self, obj: Any, dest: int, tag: int = 0) -> None:
        self.Send([MPI.pickle.dumps(obj), MPI.BYTE], dest, tag)

    def recv(
        self,
        buf: Any = None,
        source: int = MPI.ANY_SOURCE,
        tag: int = MPI.ANY_TAG,
        status: MPI.Status | None = None,
    ) -> Any:
        found = MPI.Status() if status is None else status
        message = self._look(lambda: self.Improbe(source, tag, found))
        content = bytearray(found.Get_count(MPI.BYTE))
        self._wait(message.Irecv([content, MPI.BYTE]), content)
        return MPI.pickle.loads(content)

    def Sendrecv(  # noqa: N802
        self,
        sendbuf: Any,
        dest: int,
        sendtag: int = 0,
        recvbuf: Any = None,
        source: int = MPI.ANY_SOURCE,
        recvtag: int = MPI.ANY_TAG,
        status: MPI.Status | None = None,
    ) -> None:
        sent = self.Isend(sendbuf, dest, sendtag)
        self.Recv(recvbuf, source, recvtag, status)
        self._wait(sent, sendbuf)

    def sendrecv(
        self,
        sendobj: Any,
        dest: int,
        sendtag: int = 0,
        recvbuf: Any = None,
        source: int = MPI.ANY_SOURCE,
        recvtag: int = MPI.ANY_TAG,
        status: MPI.Status | None = None,
    ) -> Any:
        content = MPI.pickle.dumps(sendobj)
        sent = self.Isend([content, MPI.BYTE], dest, sendtag)
        received = self.recv(recvbuf, source, recvtag, status)
        self._wait(sent, content)
        return received

    def Probe(  # noqa: N802
        self, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: MPI.Status | None = None
    ) -> Literal[True]:
        self._look(lambda: self.Iprobe(source, tag, status))
        return True

    probe = Probe

    def barrier(self) -> None:
        self._wait(self.Ibarrier(), None)

    def bcast(self, obj: Any, root: int = 0) -> Any:
        content = bytearray(MPI.pickle.dumps(obj)) if self.rank == root else bytearray()
        length = array("q", [len(content)])
        self._wait(self.Ibcast(length, root), length)
        content = content or bytearray(length[0])
        self._wait(self.Ibcast([content, MPI.BYTE], root), content)
        return obj if self.rank == root else MPI.pickle.loads(content)

    def allgather(self, sendobj: Any) -> list[Any]:
        content = bytearray(MPI.pickle.dumps(sendobj))
        lengths = array("q", [0] * self.size)
        self._wait(self.Iallgather(array("q", [len(content)]), lengths), lengths)
        whole = bytearray(sum(lengths))
        self._wait(self.Iallgatherv([content, MPI.BYTE], [whole, (list(lengths), None), MPI.BYTE]), (content, whole))
        ends = list(accumulate(lengths))
        return [MPI.pickle.loads(whole[end - length : end]) for end, length in zip(ends, lengths)]

    def gather(self, sendobj: Any, root: int = 0) -> list[Any] | None:
        gathered = self.allgather(sendobj)
        return gathered if self.rank == root else None

    def scatter(self, sendobj: Any, root: int = 0) -> Any:
        return self.bcast(sendobj, root)[self.rank]

    def alltoall(self, sendobj: Any) -> list[Any]:
        return [row[self.rank] for row in self.allgather(list(sendobj))]

    def scan(self, sendobj: Any, op: MPI.Op | Callable[[Any, Any], Any] = MPI.SUM) -> Any:
        return reduce(op, self.allgather(sendobj)[: self.rank + 1])

    def exscan(self, sendobj: Any, op: MPI.Op | Callable[[Any, Any], Any] = MPI.SUM) -> Any:
        before = self.allgather(sendobj)[: self.rank]
        return reduce(op, before) if before else None

    def allreduce(self, sendobj: Any, op: MPI.Op | Callable[[Any, Any], Any] = MPI.SUM) -> Any:
        return reduce(op, self.allgather(sendobj))

    def reduce(self, sendobj: Any, op: MPI.Op | Callable[[Any, Any], Any] = MPI.SUM, root: int = 0) -> Any:
        reduced = self.allreduce(sendobj, op)
        return reduced if self.rank == root else None


def _watched(name: str) -> Callable[..., None]:
    begin = getattr(MPI.Intracomm, "I" + name.lower())

    def call(self: TeamCommunicator, *arguments: Any, **keywords: Any) -> None:
        self._wait(begin(self, *arguments, **keywords), (arguments, keywords))

    call.__name__ = name
    return call


def _refused(name: str) -> Callable[..., None]:
    def call(*_arguments: Any, **_keywords: Any) -> None:
        message = f"evaluation.comm.{name} could not be broken off where another member fails; use the calls that can"
        raise RuntimeError(message)

    call.__name__ = name
    return call


for _name in _REFUSED:
    setattr(TeamCommunicator, _name, _refused(_name))
for _name in _COLLECTIVE:
    setattr(TeamCommunicator, _name, _watched(_name))
