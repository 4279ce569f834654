"""The journal: whole lines are never lost, torn ones never believed."""

import math
from random import Random

import msgspec
import pytest
from conftest import make_individual

from propulate_like import Choice, Float, Id, Space, Status
from propulate_like.population.individual import Individual
from propulate_like.storage.events import Closed, Evaluated, Session, Started
from propulate_like.storage.journal import Follower, Journal, journal_path, read
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.recovery import DeadRankState, Recovery

SPACE = Space({"x": Float(0, 1), "c": Choice("a", "b")})


def individual(serial, rank=0, status=Status.OK, **fields):
    loss = serial / 7 if status is Status.OK else math.nan
    bred = {"parents": (Id(0, 1, 3),), "origin": "a+b", "traits": (0.1,)}
    genome = (serial % 10 / 9, 0.25)
    return make_individual(Id(0, rank, serial), genome, SPACE, status=status, loss=loss, **bred, **fields)


def write(folder, rank, *individuals):
    journal = Journal(journal_path(folder, rank))
    journal.write(Session(rank=rank, ranks=2, began=100.0))
    for each in individuals:
        journal.end(each)
    journal.close()


def test_individual_is_read_back_as_it_was_written(tmp_path):
    awkward = [
        individual(
            0, metrics={"accuracy": 0.1 + 0.2, "text": 'a "b"\n\u2028', "none": None}, seconds=1e-7, ended=1.79e9
        ),
        individual(1, status=Status.ERROR, cause="Traceback:\n  boom \ud83d".encode("utf-8", "replace").decode()),
        individual(2, status=Status.NAN),
    ]
    write(tmp_path, 0, *awkward)
    again = list(Recovery(tmp_path, Shape(SPACE)).individuals())
    assert list(map(repr, again)) == list(map(repr, awkward))
    assert [(i.metrics, i.cause, i.parents, i.traits, i.seconds) for i in again] == [
        (i.metrics, i.cause, i.parents, i.traits, i.seconds) for i in awkward
    ]


def test_journal_cut_at_any_byte_gives_every_whole_line_and_no_other(tmp_path):
    write(tmp_path, 0, *[individual(n) for n in range(200)])
    path = journal_path(tmp_path, 0)
    whole = path.read_bytes()
    for cut in range(len(whole) - 2000, len(whole) + 1):
        path.write_bytes(whole[:cut])
        complete = whole[:cut].count(b"\n") - 1  # but for the session's line
        torn_off = whole[:cut].rpartition(b"\n")[2]
        complete += torn_off.endswith(b"}") and whole[cut : cut + 1] == b"\n"
        assert [i.id.serial for i in Recovery(tmp_path, Shape(SPACE)).individuals()] == list(range(complete)), cut


def test_follower_gives_what_is_new_of_all_ranks_and_a_torn_line_once_it_is_whole(tmp_path):
    def followed():
        return [(rank, event.id.serial) for rank, event in follower.read() if isinstance(event, Evaluated)]

    follower = Follower(tmp_path)
    assert followed() == []
    write(tmp_path, 0, individual(0), individual(1))
    assert followed() == [(0, 0), (0, 1)]
    assert followed() == []
    write(tmp_path, 1, individual(2, rank=1))
    with journal_path(tmp_path, 0).open("ab") as file:
        write(tmp_path / "other", 0, individual(3))
        line = journal_path(tmp_path / "other", 0).read_bytes().splitlines(keepends=True)[-1]
        file.write(line[:40])
        file.flush()
        assert followed() == [(1, 2)]
        file.write(line[40:])
    assert followed() == [(0, 3)]
    journal_path(tmp_path, 0).write_bytes(b"")  # removed, and written anew from what was in memory
    assert followed() == []
    write(tmp_path, 0, individual(0), individual(4))
    assert followed() == [(0, 4)]


def test_run_goes_on_behind_a_torn_line(tmp_path):
    for cut in (1, 40, 90):
        path = journal_path(tmp_path / str(cut), 0)
        write(tmp_path / str(cut), 0, *[individual(n) for n in range(5)])
        path.write_bytes(path.read_bytes()[:-cut])
        write(tmp_path / str(cut), 0, individual(77))
        serials = [i.id.serial for i in Recovery(tmp_path / str(cut), Shape(SPACE)).individuals()]
        assert serials == ([0, 1, 2, 3, 4, 77] if cut == 1 else [0, 1, 2, 3, 77])


def test_flipped_bytes_raise_nothing_and_hide_no_other_line(tmp_path):
    write(tmp_path, 0, *[individual(n) for n in range(50)])
    path = journal_path(tmp_path, 0)
    whole = path.read_bytes()
    generator = Random(1)
    for _ in range(2000):
        place = generator.randrange(whole.index(b"\n") + 1, len(whole))
        path.write_bytes(whole[:place] + bytes([generator.randrange(256)]) + whole[place + 1 :])
        read_back = {i.id.serial for i in Recovery(tmp_path, Shape(SPACE)).individuals()}
        assert len(set(range(50)) - read_back) <= 2


def test_long_evaluation_is_on_file_at_once_and_short_ones_soon(tmp_path):
    journal = Journal(journal_path(tmp_path, 0))
    journal.end(individual(0, seconds=5.0))
    assert len(list(read(tmp_path))) == 1
    journal.end(individual(1, seconds=1e-6))
    journal.close()
    assert len(list(read(tmp_path))) == 2


def test_what_had_started_and_not_ended_is_known_whichever_rank_took_it_up(tmp_path):
    one, other, third = (individual(n, rank=1, status=Status.BRED) for n in range(3))
    for rank, started, ended in [(1, [one, other, third], []), (2, [one, other], []), (0, [one], [individual(0, 1)])]:
        journal = Journal(journal_path(tmp_path, rank))
        for each in started:
            journal.start(each)
        for each in ended:
            journal.end(each)
        journal.close()
    recovery = Recovery(tmp_path, Shape(SPACE))
    assert [i.id.serial for i in recovery.individuals()] == [0]
    assert sorted(i.id.serial for i in recovery.unfinished()) == [1, 2]
    assert {i.candidate.genome for i in recovery.unfinished()} == {other.genome, third.genome}
    assert recovery.serials == {1: 3}


def test_a_dead_rank_is_blamed_for_what_it_had_begun_not_for_what_it_was_to_begin(tmp_path):
    begun, adopted = individual(0, status=Status.BRED), individual(1, rank=1, status=Status.BRED)
    journal = Journal(journal_path(tmp_path, 0))
    journal.write(Session(rank=0, ranks=2, began=1000.0))
    journal.start(begun)
    journal.write(msgspec.structs.replace(Started.now(adopted, deaths=1), began=0.0))
    journal.close()
    dead_state = DeadRankState.read(journal_path(tmp_path, 0), Shape(SPACE))
    assert dead_state.death(0).id == begun.id
    assert dead_state.unfinished.keys() == {begun.id, adopted.id}


def test_time_spent_is_counted_over_sessions_without_the_pauses_between(tmp_path):
    journal = Journal(journal_path(tmp_path, 0))
    for began in (1000.0, 5000.0):
        journal.write(Session(rank=0, ranks=1, began=began))
        journal.end(individual(0, ended=began + 10, seconds=1.0))
    journal.write(Closed(ended=5015.0, idle=0.0, reason="evaluations"))
    journal.close()
    recovery = Recovery(tmp_path, Shape(SPACE))
    list(recovery.individuals())
    assert recovery.seconds == pytest.approx(25.0)


def test_lines_of_another_space_or_kind_are_passed_over(tmp_path):
    write(tmp_path, 0, individual(0))
    with journal_path(tmp_path, 0).open("ab") as file:
        file.write(
            b'{"type":"evaluated","id":[0,0,1],"loss":1,"genome":[0.5],"parents":[],"origin":"","seconds":0,"ended":0}\n'
        )
        file.write(b'{"type":"novelty"}\n[]\nnull\n\xff\n{"type":"evaluated"}\n')
    assert len(list(Recovery(tmp_path, Shape(SPACE)).individuals())) == 1


def test_without_a_file_outcomes_are_kept_in_memory():
    journal = Journal(None)
    journal.start(individual(0))
    journal.end(individual(0))
    journal.close()
    assert [type(one) for one in journal.history] == [Individual]


def test_events_name_their_kind(tmp_path):
    write(tmp_path, 3, individual(0))
    assert [(rank, type(event)) for rank, event in read(tmp_path)] == [(3, Session), (3, Evaluated)]
    assert Started.now(individual(1)).candidate == individual(1).candidate
