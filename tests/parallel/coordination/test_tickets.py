"""Tickets: an exact budget, shared out without a counter that all must ask."""

import math
from random import Random

import pytest

from propulate_like.parallel.coordination.tickets import Tickets


def ranks(total, size):
    return [Tickets(total, rank, size) for rank in range(size)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("total", [0, 1, 3, 10, 1000])
def test_tickets_are_dealt_evenly_and_completely(total, size):
    shares = [rank.left for rank in ranks(total, size)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


def test_no_limit_is_no_limit():
    tickets = Tickets(None, 0, 2)
    assert tickets.left == math.inf
    tickets.requested(1, 0, True)
    assert tickets.grants(busy=True) == {}


def test_idle_peer_gets_even_the_last_ticket_and_a_busy_one_does_not():
    one = Tickets(2, 0, 2)
    assert one.left == 1
    one.requested(1, 0, False)
    assert one.grants(busy=True) == {}
    one.requested(1, 0, True)
    assert one.grants(busy=True) == {1: 1}
    assert one.left == 0


def test_rank_about_to_evaluate_keeps_a_ticket_for_itself():
    one = Tickets(1, 0, 2)
    one.requested(1, 0, True)
    assert one.grants(busy=False) == {}
    one.receive(1, 1)
    assert one.grants(busy=False) == {1: 1}
    assert one.left == 1


def test_busy_peer_gets_half_the_lead():
    rich = Tickets(20, 0, 2)
    rich.left = 10
    rich.requested(1, 4, False)
    assert rich.grants(busy=True) == {1: 3}


def test_request_that_cannot_be_met_stands_until_it_can():
    poor = Tickets(0, 0, 3)
    poor.requested(1, 0, True)
    assert poor.grants(busy=True) == {}
    poor.receive(2, 4)
    assert poor.grants(busy=True) == {1: 2}
    assert poor.grants(busy=True) == {}


def test_a_few_neighbours_are_asked_ahead_and_all_once_a_rank_is_idle_but_none_where_a_request_stands():
    poor = Tickets(0, 0, 8)
    assert poor.ask(idle=False) == [1, 2]
    assert poor.ask(idle=False) == []
    assert poor.ask(idle=True) == [1, 2, 4, 7, 6]
    assert poor.ask(idle=True) == []
    poor.receive(4, 1)
    assert poor.ask(idle=False) == [4]
    assert poor.ask(idle=True) == [4]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_the_order_and_speed_exactly_the_budget_is_used_up(seed):
    """A search in which messages are late, and evaluations take from one step to thousands."""
    generator = Random(seed)
    size, total = generator.randint(2, 40), generator.randint(0, 400)
    ranks_tickets, busy_until = ranks(total, size), [0] * size
    under_way = {(one, other): [] for one in range(size) for other in range(size)}
    begun = 0
    for step in range(400_000):
        rank = generator.randrange(size)
        mine, busy = ranks_tickets[rank], step < busy_until[rank]
        for peer in range(size):
            while under_way[peer, rank] and generator.random() < 0.5:  # late, and in order
                under_way[peer, rank].pop(0)(mine)
        for peer, count in mine.grants(busy=busy).items():
            under_way[rank, peer].append(lambda theirs, count=count, me=rank: theirs.receive(me, count))
        if busy:
            continue
        if mine.left >= 1:
            mine.left -= 1
            begun += 1
            busy_until[rank] = step + int(10 ** generator.uniform(0, 3.5))
            continue
        for peer in mine.ask(idle=True):
            under_way[rank, peer].append(lambda theirs, me=rank: theirs.requested(me, 0, True))
        if begun == total:
            break
    assert begun == total
    assert sum(each.left for each in ranks_tickets) == 0
