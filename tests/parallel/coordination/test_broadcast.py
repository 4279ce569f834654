"""Publishing: everybody on an island hears of what matters, around those that are deaf, for few messages."""

import math
from collections import Counter

import pytest
from conftest import make_individual

import propulate_like as pl
from propulate_like.parallel import wire
from propulate_like.parallel.coordination.broadcast import SILENT_SECONDS, Broadcaster
from propulate_like.parallel.transport.simulated import Network, SimulatedTransport
from propulate_like.parallel.wire import Records

SPACE = pl.Space({"x": pl.Float(0, 1)})
RECORDS = Records(SPACE, 0)


class Island:
    """Ranks that publish over a simulated network, and pass on what is new to them."""

    def __init__(self, size, deaf=()):
        self.now, self.deaf = 0.0, set(deaf)
        self.ends = SimulatedTransport.connected(size, Network(), lambda: self.now)
        self.publishers = [Broadcaster(end, range(size), lambda _one: True) for end in self.ends]
        self.heard = [Counter() for _ in self.ends]

    def publish(self, rank, serial=0, seconds=0.0):
        one = make_individual(
            pl.Id(0, rank, serial), (0.5,), SPACE, status=pl.Status.OK, loss=1.0, seconds=seconds, ended=self.now
        )
        self.publishers[rank].publish(wire.RECORDS, RECORDS.pack(one), one)

    def go_on(self, seconds, step=0.001):
        until = self.now + seconds
        while self.now < until:
            self.now += step
            for rank, (end, broadcaster) in enumerate(zip(self.ends, self.publishers, strict=True)):
                if rank not in self.deaf:
                    self.listen(rank, end, broadcaster)
                    broadcaster.flush(self.now)
                    end.flush()

    def listen(self, rank, end, broadcaster):
        for _, message in end.receive():
            origin, content = None, message
            if message[:1] == wire.PASS_ON:
                (origin,) = wire.origin.unpack_from(message, 1)
                content = message[5:]
            for one, record in RECORDS.unpack(content[1:]):
                self.heard[rank][one.id] += 1
                if origin is not None and self.heard[rank][one.id] == 1:
                    broadcaster.forward(origin, wire.RECORDS, record, one)

    @property
    def batches(self):
        return sum(end.batches for end in self.ends)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 17, 64])
@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_everybody_hears_once(size, seconds):
    island = Island(size)
    for rank in range(size):
        island.publish(rank, seconds=seconds)
    island.go_on(0.1)
    for rank, heard in enumerate(island.heard):
        assert heard == {pl.Id(0, other, 0): 1 for other in range(size) if other != rank}


def test_short_evaluations_cost_a_rank_log2_messages_however_many_are_published():
    """All of 64 ranks publish 10 each at once: a hop merges what goes the same way."""
    island = Island(64)
    for serial in range(10):
        for rank in range(64):
            island.publish(rank, serial)
    island.go_on(0.1)
    hops = math.log2(64)
    assert all(sum(heard.values()) == 63 * 10 for heard in island.heard)
    assert island.batches <= 64 * hops * hops


def test_long_evaluations_go_straight_to_each_rank():
    island = Island(64)
    island.publish(5, seconds=3600.0)
    island.go_on(0.002)
    assert all(heard for rank, heard in enumerate(island.heard) if rank != 5)
    assert island.ends[5].batches == island.batches == 63


def test_deaf_ranks_are_gone_around_and_hear_everything_in_the_end():
    island = Island(64, deaf=range(1, 64, 2))
    for rank in range(0, 64, 2):
        island.publish(rank)
    island.go_on(10 * SILENT_SECONDS)
    awake = range(0, 64, 2)
    assert all(len(island.heard[rank]) == len(awake) - 1 for rank in awake)
    island.publish(0, serial=1)
    island.go_on(0.02)
    assert all(pl.Id(0, 0, 1) in island.heard[rank] for rank in awake if rank)
    island.deaf.clear()
    island.go_on(10 * SILENT_SECONDS)
    assert all(len(island.heard[rank]) == len(awake) + 1 for rank in range(1, 64, 2))


def test_what_waits_for_a_deaf_rank_does_not_grow_beyond_what_matters():
    island = Island(2, deaf=[1])
    newest = []
    island.publishers[0] = Broadcaster(island.ends[0], range(2), lambda one: one.id.serial in newest)
    for serial in range(10_000):
        newest = range(serial - 20, serial + 1)
        island.publish(0, serial)
        if serial % 100 == 0:
            island.go_on(0.001)
    island.deaf.clear()
    island.go_on(0.1)
    assert len(island.heard[1]) < 1000
    assert set(range(9980, 10_000)) <= {ident.serial for ident in island.heard[1]}


def test_ranks_that_are_deaf_again_and_again_hold_nobody_up():
    """Whatever it was that a deaf rank did not take: even a batch that it got only for itself."""
    island = Island(32, deaf=range(1, 32, 2))
    for serial in range(40):
        if serial in (10, 20, 30):  # all of them look once
            deaf, island.deaf = island.deaf, set()
            island.go_on(0.002)
            island.deaf = deaf
        island.publish(2 * serial % 32, serial)
        if serial % 3 == 0:  # a message that is not the publisher's
            island.ends[0].send(1, wire.RECORDS)
        island.go_on(10 * SILENT_SECONDS)
        everybody = {ident for heard in island.heard for ident in heard if ident.rank % 2 == 0}
        for rank in range(0, 32, 2):
            assert {ident for ident in everybody if ident.rank != rank} <= set(island.heard[rank])
