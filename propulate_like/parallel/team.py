"""Teams: several ranks that evaluate each individual together, led by the one that searches.

The leader sends what to evaluate; then all of them evaluate, each calling the loss. The leader's intermediate losses
and its loss count. Whether to stop is decided by the leader at each of its reports, and every member learns it at the
same report of its own. Where one fails, the others are told, so that none waits for it.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections import deque
from collections.abc import Mapping
from functools import reduce
from types import FrameType, TracebackType
from typing import Any, Self

import msgspec

from propulate_like.evaluation.context import Abandoned, Evaluator, Report, TeamContext
from propulate_like.evaluation.energy import added
from propulate_like.evaluation.pulse import Pulse
from propulate_like.evaluation.time_limit import TimeLimit
from propulate_like.foundation.backoff import Pause
from propulate_like.foundation.console import say
from propulate_like.parallel.transport import Team
from propulate_like.population.codec import Codec
from propulate_like.population.individual import Candidate, Individual
from propulate_like.population.outcome import HAVE_LOSS, Outcome, Status


class Begin(msgspec.Struct, tag=True, frozen=True):
    """The leader's word to begin evaluation `number`. `renew` says whether the communicator is made anew."""

    number: int
    candidate: Candidate
    environment: dict[str, str]
    renew: bool


class Decision(msgspec.Struct, tag=True, frozen=True):
    """Whether to stop, as the leader decided at its next report."""

    number: int
    stop: bool


class Abandon(msgspec.Struct, tag=True, frozen=True):
    """The leader's word that a member failed, or that the evaluation was broken off."""

    number: int


class Ended(msgspec.Struct, tag=True, frozen=True):
    """A member's outcome, or that it was told to end; the leader's says only that it will report no more."""

    number: int
    status: Status
    cause: str = ""
    metrics: dict[str, Any] = {}
    interrupted: bool = False


class Disband(msgspec.Struct, tag=True, frozen=True):
    """The search is over; `words` is what the leader hands to the members."""

    words: bytes


_LAST_SECONDS = 10.0

_Message = Begin | Decision | Abandon | Ended | Disband


class _Member:
    """What the leader and the members of a team share: messages within the team, and the parts of an evaluation."""

    def __init__(
        self, team: Team, evaluator: Evaluator, codec: Codec, *, communicates: bool, timeout: float = math.inf
    ) -> None:
        """Take part.

        Args:
            team: The team.
            evaluator: What evaluates this member's part.
            codec: What encodes messages.
            communicates: Whether the evaluator's process is the rank, which can use the communicator.
            timeout: The time limit of an evaluation in the rank, in seconds.
        """
        self.evaluator, self._codec = evaluator, codec
        self._communicates = communicates
        self._team, self._transport = team, team.transport
        self._number = 0
        self._last_abandoned = 0
        self._comm: Any = None
        self._limit = TimeLimit(timeout, evaluator)
        self._pulse = Pulse(self._beat, lambda: self._number)

    def __enter__(self) -> Self:
        """Keep answering the team, also while the loss runs in this process."""
        self._limit.install()
        self._pulse.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pulse.__exit__(kind, error, trace)
        self._limit.remove()

    def abandoned(self) -> bool:
        """Return whether the running evaluation, which asks, is of no use any more."""
        with self._pulse.lock:
            self._listen()
            return self._last_abandoned >= self._number or self._limit.strikes()

    def _send(self, peer: int, message: msgspec.Struct) -> None:
        self._transport.send(peer, self._codec.encode(message))
        self._transport.flush()

    def _beat(self) -> None:
        self._listen()
        self._limit.enforce()

    def _listen(self) -> None:
        if self._pulse.failure is not None:
            raise self._pulse.failure
        self._transport.flush()
        for peer, content in self._transport.receive():
            message: _Message = self._codec.decode(content, _Message)
            if isinstance(message, Abandon):
                self._last_abandoned = message.number
            else:
                self._receive(peer, message)
        if self._transport.dead:
            self._die()

    def _die(self) -> None:
        """End this process, too: a team lives as a whole, and the other teams go on without it."""
        say(f"a team ends: its member {next(iter(self._transport.dead))} died")
        os.kill(os.getpid(), signal.SIGKILL)

    def _receive(self, peer: int, message: Any) -> None:
        raise NotImplementedError

    def _evaluate(
        self, individual: Individual, report: Report, environment: Mapping[str, str], *, renew: bool
    ) -> Individual:
        if self._communicates and (renew or self._comm is None):
            pause = Pause()
            while self._transport.unsent:
                self._listen()
                pause()
            self._comm = self._team.communicator(self.abandoned)
        places = {"RANK": str(self._transport.rank), "LOCAL_RANK": str(self._team.local_rank)}
        team = TeamContext({**environment, **places}, self._comm, self.abandoned)
        self._pulse.lock.release()
        try:
            return self._limit.evaluate(individual, report, team)
        finally:
            self._pulse.lock.acquire()


class TeamEvaluator(_Member):
    """Evaluates with the other members of this rank's team, as their leader."""

    def __init__(
        self, team: Team, evaluator: Evaluator, codec: Codec, *, communicates: bool, timeout: float = math.inf
    ) -> None:
        super().__init__(team, evaluator, codec, communicates=communicates, timeout=timeout)
        self._spoilt = self._waiting = self._interrupted = False
        self._failure: tuple[int, Ended] | None = None
        self._ended = 0
        self._metrics: list[dict[str, Any]] = []

    def __call__(self, individual: Individual, report: Report, team: TeamContext | None = None) -> Individual:
        """Evaluate together; where any member failed, that is the outcome, and where one was told to end, all are."""
        self._number += 1
        self._failure, self._ended, self._metrics = None, 0, []
        renew, self._spoilt = self._spoilt, False
        environment = self._rendezvous()
        self._send_all(Begin(self._number, individual.candidate, environment, renew))

        def decide(step: int, loss: float) -> bool:
            stop = report(step, loss)
            with self._pulse.lock:
                self._send_all(Decision(self._number, stop))
            if self.abandoned():
                raise Abandoned
            return stop

        try:
            evaluated = self._evaluate(individual, decide, environment, renew=renew)
        except BaseException:
            self._give_up()
            self._gather(_LAST_SECONDS)
            raise
        if evaluated.failed and self._failure is None:
            self._failure = 0, Ended(self._number, evaluated.status, evaluated.cause)
            self._give_up()
        self._send_all(Ended(self._number, evaluated.status))
        self._gather()
        if self._interrupted:
            self._give_up()
            self._gather(_LAST_SECONDS)
            raise KeyboardInterrupt
        return self._joined(evaluated)

    def interrupt(self, frame: FrameType | None) -> bool:
        """Break off this member's part, or the wait for the others'."""
        if self._waiting:
            self._interrupted = True
            return True
        return self.evaluator.interrupt(frame)

    def close(self) -> None:
        self.evaluator.close()

    def disband(self, words: bytes, seconds: float) -> None:
        """Send the members home with what the search came to, and leave; once the pulse has stopped."""
        self._send_all(Disband(words))
        self._transport.close(seconds)

    def _joined(self, evaluated: Individual) -> Individual:
        metrics = reduce(added, self._metrics, evaluated.metrics)
        member, failure = self._failure or (0, None)
        if failure is None or member == 0:
            return evaluated.with_outcome(metrics=metrics)
        cause = f"member {member} of the team failed: {failure.cause}"
        outcome = Outcome(failure.status, metrics=metrics, cause=cause)
        return evaluated.evaluated(outcome.timed(evaluated.seconds, evaluated.ended))

    def _receive(self, peer: int, message: Any) -> None:
        if not isinstance(message, Ended) or message.number != self._number:
            return
        self._ended += 1
        self._metrics.append(message.metrics)
        self._interrupted = self._interrupted or message.interrupted
        if message.status not in HAVE_LOSS and self._failure is None:
            self._failure = peer, message
            self._give_up()

    def _give_up(self) -> None:
        self._last_abandoned, self._spoilt = self._number, True
        self._send_all(Abandon(self._number))

    def _gather(self, seconds: float = math.inf) -> None:
        """Wait until every member has ended its part, at most so long, or until interrupted where that is forever."""
        pause = Pause()
        deadline = time.perf_counter() + seconds
        self._waiting = True
        while self._ended < self._transport.size - 1 and time.perf_counter() < deadline:
            if self._interrupted and seconds == math.inf:
                break
            self._listen()
            pause()
        self._waiting = False

    def _send_all(self, message: msgspec.Struct) -> None:
        for peer in self._transport.peers:
            self._send(peer, message)

    def _rendezvous(self) -> dict[str, str]:
        """Return the variables by which torch.distributed finds the leader: a port of this machine that is free."""
        import socket

        with socket.socket() as probe:
            probe.bind(("", 0))
            port = probe.getsockname()[1]
        address = "127.0.0.1" if self._team.one_host else socket.gethostname()
        environment = {"MASTER_ADDR": address, "MASTER_PORT": str(port), "WORLD_SIZE": str(self._transport.size)}
        return environment | ({"GLOO_SOCKET_IFNAME": "lo"} if self._team.one_host else {})


class Follower(_Member):
    """A member that does not search: evaluates what its leader says, until the search is over."""

    def __init__(
        self, team: Team, evaluator: Evaluator, codec: Codec, *, communicates: bool, timeout: float = math.inf
    ) -> None:
        super().__init__(team, evaluator, codec, communicates=communicates, timeout=timeout)
        self.evaluating = False
        self.reason: Any = None
        self._arrived: deque[Any] = deque()

    def run(self) -> bytes:
        """Follow the leader, and return what it sends at the end."""
        with self:
            while not isinstance(message := self._await(Begin, Disband), Disband):
                self._follow(message)
        self.evaluator.close()
        self._transport.close(1.0)
        return bytes(message.words)

    def _follow(self, begin: Begin) -> None:
        self._number = begin.number
        told = Ended(begin.number, Status.ERROR, "it was told to end", interrupted=True)
        if self.reason is not None:
            self._send(0, told)
            return
        try:
            self.evaluating = True
            evaluated = self._evaluate(Individual(begin.candidate), self._decided, begin.environment, renew=begin.renew)
            ended = Ended(begin.number, evaluated.status, evaluated.cause, evaluated.metrics)
        except KeyboardInterrupt:
            ended = told
        finally:
            self.evaluating = False
        self._send(0, ended)

    def _decided(self, _step: int, _loss: float) -> bool:
        """Return the leader's decision at this report; False where the leader has ended its part."""
        with self._pulse.lock:
            message = self._await(Decision, Ended)
            if isinstance(message, Decision):
                return message.stop
            self._arrived.appendleft(message)
            return False

    def _receive(self, peer: int, message: Any) -> None:
        self._arrived.append(message)

    def _await(self, *kinds: type) -> Any:
        """Wait for a message of these kinds; those of evaluations before count for nothing."""
        pause = Pause()
        while True:
            while self._arrived:
                message = self._arrived.popleft()
                if isinstance(message, kinds) and getattr(message, "number", self._number) >= self._number:
                    return message
            if Decision in kinds and (self._last_abandoned >= self._number or self._limit.strikes()):
                raise Abandoned
            self._listen()
            if not self._arrived:
                pause()
