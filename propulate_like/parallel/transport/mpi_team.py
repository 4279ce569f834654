"""A team's communicator for the loss: mpi4py's, but no call waits for a member that has failed."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence
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
_BEGUN = {
    *("Isend", "Issend", "Irecv", "isend", "issend", "irecv", "Isendrecv", "Isendrecv_replace"),
    *("I" + name.lower() for name in _COLLECTIVE),
    *("Send_init", "Ssend_init", "Recv_init", *(f"{name}_init" for name in _COLLECTIVE)),
}
"""The calls that return a request, which is watched."""
_LOCAL = {
    *("Abort", "Ack_failed", "Call_errhandler", "Compare", "Create_errhandler", "Create_keyval", "Delete_attr"),
    *(
        "Free_keyval",
        "Set_attr",
        "Set_errhandler",
        "Set_info",
        "Set_name",
        "f2py",
        "fromhandle",
        "fromint",
        "py2f",
        "toint",
    ),
}
"""The calls that wait for nobody, with those that begin with `Get_` and `Is_`."""
_INSTEAD = {
    "Bsend Ibsend bsend ibsend Rsend Irsend Bsend_init Rsend_init": "Send, Isend or send",
    "Mprobe mprobe": "Improbe",
    "Sendrecv_replace": "Isendrecv_replace or Sendrecv",
    "Alltoallw Ialltoallw Alltoallw_init": "Alltoallv",
    "Psend_init Precv_init": "Send_init and Recv_init",
    "Spawn Spawn_multiple Accept Connect Join": "a subprocess",
}
_MORE_SECONDS = 0.01  # between two looks at the team by a loss that tests a request by itself
_LOOKS_BEFORE_PAUSING = 2000
_never_freed: list[Any] = []  # requests that were given up, with their buffers


class _Watch:
    """The look at the team by a loss that asks again and again by itself, which raises Abandoned."""

    def __init__(self, abandoned: Callable[[], bool]) -> None:
        self._abandoned, self._due = abandoned, 0.0

    def look(self) -> Literal[False]:
        """Look at the team, where the last time was a while ago."""
        now = time.perf_counter()
        if now >= self._due:
            self.give_up_where_abandoned()
            self._due = now + _MORE_SECONDS
        return False

    def give_up_where_abandoned(self) -> None:
        if self._abandoned():
            raise Abandoned


class TeamRequest:
    """A request of the team's communicator: waiting for it, and testing it, raises Abandoned as a blocking call does.

    `MPI.Request.Waitall` and its like take no such request, as they would wait without looking: `Waitall`, `waitall`
    and `Waitany` of this class do.
    """

    def __init__(self, communicator: TeamCommunicator, request: Any, buffers: Any) -> None:
        """Watch `request`, an MPI.Request or MPI.Prequest, whose messages are in `buffers`."""
        self._communicator, self._request, self._buffers = communicator, request, buffers
        self._watch = communicator.watch

    def __bool__(self) -> bool:
        return bool(self._request)

    def __del__(self) -> None:
        """Keep the buffers of a request that was given up, as a late message may still be written to them."""
        if self._request and not MPI.Is_finalized() and not self._request.Get_status():
            _never_freed.append((self._request, self._buffers, self._communicator))

    def Wait(self, status: MPI.Status | None = None) -> Literal[True]:  # noqa: N802
        self._until(lambda: self._request.Test(status))
        return True

    def wait(self, status: MPI.Status | None = None) -> Any:
        return self._until(lambda: (tested := self._request.test(status))[0] and tested)[1]

    def Test(self, status: MPI.Status | None = None) -> bool:  # noqa: N802
        return bool(self._request.Test(status)) or self._watch.look()

    def test(self, status: MPI.Status | None = None) -> tuple[bool, Any]:
        done, message = self._request.test(status)
        return (True, message) if done else (self._watch.look(), None)

    def Get_status(self, status: MPI.Status | None = None) -> bool:  # noqa: N802
        return bool(self._request.Get_status(status)) or self._watch.look()

    get_status = Get_status

    def Start(self) -> None:  # noqa: N802
        self._request.Start()

    def Cancel(self) -> None:  # noqa: N802
        self._request.Cancel()

    cancel = Cancel

    def Free(self) -> None:  # noqa: N802
        if not self._request.Get_status():
            _never_freed.append(self._buffers)
        self._request.Free()

    @staticmethod
    def Waitall(requests: Sequence[TeamRequest], statuses: list[MPI.Status] | None = None) -> Literal[True]:  # noqa: N802
        found = [MPI.Status() for _ in requests]
        for request, status in zip(requests, found):
            request.Wait(status)
        if statuses is not None:
            statuses[:] = found
        return True

    @staticmethod
    def waitall(requests: Sequence[TeamRequest], statuses: list[MPI.Status] | None = None) -> list[Any]:
        found = [MPI.Status() for _ in requests]
        messages = [request.wait(status) for request, status in zip(requests, found)]
        if statuses is not None:
            statuses[:] = found
        return messages

    @staticmethod
    def Waitany(requests: Sequence[TeamRequest], status: MPI.Status | None = None) -> int:  # noqa: N802
        """Wait for one of the requests that are active, and return its place, or MPI.UNDEFINED where there is none."""
        pause = Pause()
        while active := [place for place, request in enumerate(requests) if request]:
            for place in active:
                if requests[place].Test(status):
                    return place
            pause()
        return MPI.UNDEFINED

    def _until(self, test: Callable[[], Any]) -> Any:
        """Test until there is something, and return that."""
        pause, looks = Pause(), 0
        while not (found := test()):
            looks += 1
            if looks > _LOOKS_BEFORE_PAUSING:
                pause()
            if looks % 100 == 0:
                self._watch.give_up_where_abandoned()
        return found


# mpi4py's "Cannot convert ... to mpi4py.MPI.Request" then says what to do
TeamRequest.__name__ = "a request of evaluation.comm, for which its own Wait or Waitall waits,"


class TeamCommunicator(MPI.Intracomm):
    """An `MPI.Intracomm` whose calls raise Abandoned where another member's part of the evaluation failed.

    A blocking call is its non-blocking form, and a wait that looks at the team as well. RuntimeError for those that
    have none.
    """

    abandoned: Callable[[], bool]
    watch: _Watch

    @classmethod
    def over(cls, communicator: MPI.Comm, abandoned: Callable[[], bool]) -> Self:
        """Duplicate `communicator`, which all its ranks must do."""
        made = cls(communicator.Dup())
        made.abandoned, made.watch = abandoned, _Watch(abandoned)
        return made

    def _look(self, probe: Callable[[], Any]) -> Any:
        """Probe until there is something, and return that."""
        pause = Pause()
        while (found := probe()) is None or found is False:
            if self.abandoned():
                raise Abandoned
            pause()
        return found

    def Send(self, *arguments: Any, **keywords: Any) -> None:  # noqa: N802
        self.Isend(*arguments, **keywords).Wait()

    def Ssend(self, *arguments: Any, **keywords: Any) -> None:  # noqa: N802
        self.Issend(*arguments, **keywords).Wait()

    def Recv(  # noqa: N802
        self,
        buf: Any,
        source: int = MPI.ANY_SOURCE,
        tag: int = MPI.ANY_TAG,
        status: MPI.Status | None = None,
    ) -> None:
        self.Irecv(buf, source, tag).Wait(status)

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
        message = self._look(lambda: MPI.Intracomm.Improbe(self, source, tag, found))
        content = bytearray(found.Get_count(MPI.BYTE))
        TeamRequest(self, message.Irecv([content, MPI.BYTE]), content).Wait()
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
        sent.Wait()

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
        sent.Wait()
        return received

    def Probe(  # noqa: N802
        self, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: MPI.Status | None = None
    ) -> Literal[True]:
        self._look(lambda: MPI.Intracomm.Iprobe(self, source, tag, status))
        return True

    def Iprobe(  # noqa: N802
        self, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: MPI.Status | None = None
    ) -> bool:
        return super().Iprobe(source, tag, status) or self.watch.look()

    def Improbe(  # noqa: N802
        self, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: MPI.Status | None = None
    ) -> MPI.Message | None:
        return super().Improbe(source, tag, status) or (self.watch.look() or None)

    def improbe(
        self, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG, status: MPI.Status | None = None
    ) -> MPI.Message | None:
        return super().improbe(source, tag, status) or (self.watch.look() or None)

    probe, iprobe = Probe, Iprobe

    def barrier(self) -> None:
        self.Ibarrier().Wait()

    def bcast(self, obj: Any, root: int = 0) -> Any:
        content = bytearray(MPI.pickle.dumps(obj)) if self.rank == root else bytearray()
        length = array("q", [len(content)])
        self.Ibcast(length, root).Wait()
        content = content or bytearray(length[0])
        self.Ibcast([content, MPI.BYTE], root).Wait()
        return obj if self.rank == root else MPI.pickle.loads(content)

    def allgather(self, sendobj: Any) -> list[Any]:
        content = bytearray(MPI.pickle.dumps(sendobj))
        lengths = array("q", [0] * self.size)
        self.Iallgather(array("q", [len(content)]), lengths).Wait()
        whole = bytearray(sum(lengths))
        self.Iallgatherv([content, MPI.BYTE], [whole, (list(lengths), None), MPI.BYTE]).Wait()
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


def _begins(name: str) -> Callable[..., TeamRequest]:
    begin = getattr(MPI.Intracomm, name)

    def call(self: TeamCommunicator, *arguments: Any, **keywords: Any) -> TeamRequest:
        return TeamRequest(self, begin(self, *arguments, **keywords), (arguments, keywords))

    call.__name__ = name
    return call


def _watched(name: str) -> Callable[..., None]:
    begin = _begins("I" + name.lower())

    def call(self: TeamCommunicator, *arguments: Any, **keywords: Any) -> None:
        begin(self, *arguments, **keywords).Wait()

    call.__name__ = name
    return call


def _refused(name: str) -> Callable[..., None]:
    instead = next((calls for names, calls in _INSTEAD.items() if name in names.split()), "evaluation.comm as it is")

    def call(*_arguments: Any, **_keywords: Any) -> None:
        message = f"evaluation.comm.{name} could not be broken off where another member fails: use {instead}"
        raise RuntimeError(message)

    call.__name__ = name
    return call


def _watch_calls() -> None:
    """Have every call of MPI.Intracomm watched, or refused, which this class does not define itself."""
    for name in dir(MPI.Intracomm):
        if name.startswith("_") or name in TeamCommunicator.__dict__ or not callable(getattr(MPI.Intracomm, name)):
            continue
        if name in _BEGUN:
            setattr(TeamCommunicator, name, _begins(name))
        elif name in _COLLECTIVE:
            setattr(TeamCommunicator, name, _watched(name))
        elif name not in _LOCAL and not name.startswith(("Get_", "Is_")):
            setattr(TeamCommunicator, name, _refused(name))


_watch_calls()
