"""Constraints are numbers beside the loss, and what violates one comes after all that violates none."""

import math
import random

import msgspec
import numpy as np
import pytest

from propulate_like.parallel import wire
from propulate_like.population.constraints import Constraints
from propulate_like.population.individual import Candidate, Id, Individual
from propulate_like.population.outcome import Outcome, Status
from propulate_like.population.pareto import standing_of, surpasses
from propulate_like.population.population import Population, Requirements, key_of
from propulate_like.population.summary import Summary
from propulate_like.population.training_data import TrainingData
from propulate_like.problem.parameters import Float
from propulate_like.problem.space import Space
from propulate_like.storage.events import Evaluated
from propulate_like.storage.journal_lines import decode, encode

SPACE = Space({"x": Float(0.0, 1.0)})


def individual(serial, loss, constraints=(), rung=0):
    value = {"loss": loss, "constraints": constraints}
    return Individual(Candidate(Id(0, 0, serial), (0.5,), SPACE, rung=rung)).evaluated(Outcome.of(value))


class TestOutcomes:
    @pytest.mark.parametrize(
        ("given", "values"),
        [
            ([1, -2.5], (1.0, -2.5)),
            ((0.0,), (0.0,)),
            ({"b": 2.0, "a": -1}, (-1.0, 2.0)),
            ({str(number): number for number in range(12)}, tuple(map(float, range(12)))),
            (np.array([1.5, -1.0]), (1.5, -1.0)),
            (np.float32(0.5), (0.5,)),
            (-3, (-3.0,)),
            ([math.inf, -math.inf], (math.inf, -math.inf)),
            ([], ()),
        ],
    )
    def test_a_mapping_may_have_constraints(self, given, values):
        outcome = Outcome.of({"loss": 2.0, "constraints": given, "accuracy": 0.9})
        assert (outcome.loss, outcome.constraints) == (2.0, values)
        assert outcome.status == ("infeasible" if any(value > 0 for value in values) else "ok")
        assert outcome.violation == sum(max(value, 0.0) for value in values)
        assert outcome.has_loss
        assert not outcome.failed
        assert outcome.metrics["accuracy"] == 0.9

    def test_named_constraints_are_metrics_too(self):
        outcome = Outcome.of({"loss": (2.0, 3.0), "constraints": {"size": 0.5, "time": -math.inf}})
        assert outcome.metrics == {"constraint.size": 0.5, "constraint.time": "-inf"}
        assert (outcome.losses, outcome.status) == ((2.0, 3.0), Status.INFEASIBLE)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ([1.0, math.nan], "the loss returned constraint 2: nan is no number"),
            ([True], "the loss returned constraint 1: True is no number"),
            (["low"], "the loss returned constraint 1: 'low' is no number"),
            ("low", "the loss returned constraint 1: 'low' is no number"),
            (None, "the loss returned constraint 1: None is no number"),
            ({"size": "big"}, "the loss returned constraint 'size': 'big' is no number"),
            (np.array([True, False]), "the loss returned constraint 1: True is no number"),
            ([[1.0, 2.0]], "the loss returned constraint 1: [1.0, 2.0] is no number"),
            (range(2000), "the loss returned more than 1,000 constraints"),
        ],
    )
    def test_what_is_no_number_is_invalid(self, given, said):
        outcome = Outcome.of({"loss": 2.0, "constraints": given, "epochs": 3})
        assert (outcome.status, outcome.cause, outcome.metrics) == (Status.INVALID, said, {"epochs": 3})
        assert outcome.failed
        assert math.isnan(outcome.loss)

    def test_a_failure_stays_one(self):
        assert Outcome.of({"loss": math.nan, "constraints": [1.0]}).status is Status.NAN
        assert Outcome.of({"loss": "x", "constraints": [1.0]}).constraints == ()


class TestOrder:
    def test_feasible_ones_come_first_then_the_least_violation_then_the_loss(self):
        given = [individual(0, 5.0), individual(1, 9.0, [-1.0]), individual(2, -3.0, [0.1]), individual(3, -9.0, [2.0])]
        given += [individual(4, -8.0, [1.0, 1.0]), individual(5, 0.0, [math.inf])]
        shuffled = random.Random(1).sample(given, len(given))
        population = Population(Requirements(best=6))
        for each in shuffled:
            population.add(each)
        assert [each.id.serial for each in population] == [0, 1, 2, 3, 4, 5]
        best = None
        for each in shuffled:
            best = each if each.beats(best) else best
        assert best is given[0]

    def test_a_population_keeps_the_same_whatever_the_order_of_arrival(self):
        draw = random.Random(0)
        given = [individual(number, draw.random(), [draw.choice([-1.0, 0.5, 2.0, 3.0])]) for number in range(60)]
        kept = set()
        for seed in range(20):
            population = Population(Requirements(best=25))
            for each in random.Random(seed).sample(given, len(given)):
                assert population.add(each) is (each in population)
            kept.add(tuple(each.id.serial for each in population))
        assert kept == {tuple(each.id.serial for each in sorted(given, key=key_of)[:25])}

    def test_less_violation_surpasses_lower_losses(self):
        one, other = individual(0, (1.0, 9.0), [0.5]), individual(1, (0.0, 0.0), [0.7])
        feasible, better = individual(2, (5.0, 5.0), [0.0]), individual(3, (4.0, 5.0), [-7.0])
        ranks = [standing_of(each) for each in (better, feasible, one, other)]
        assert all(surpasses(ranks[a], ranks[b]) is (a < b) for a in range(4) for b in range(4))

    def test_a_summary_has_the_least_violating_one_until_one_is_feasible(self):
        summary = Summary()
        for each in (individual(0, 1.0, [3.0]), individual(1, 9.0, [2.0])):
            summary.add(each)
        assert (summary.best.id.serial, summary.best.feasible, summary.failure) == (1, False, None)
        assert (summary.counts.failed, summary.counts.violation, summary.counts.loss) == (0, 2.0, 9.0)
        assert summary.statuses == {Status.INFEASIBLE: 2}
        other = Summary()
        other.add(individual(2, 50.0, [-1.0]))
        total = summary.counts + other.counts
        assert (total.finished, total.violation, total.loss) == (3, 0.0, 50.0)
        assert summary.include(other).best.id.serial == 2


class TestWrittenForms:
    def test_records_hold_any_number_of_constraints(self):
        records = wire.Records(SPACE, 0)
        given = [individual(0, 1.0), individual(1, 2.0, [0.5, -math.inf]), individual(2, 3.0, [-1.0])]
        read = [each for each, _ in records.unpack(b"".join(map(records.pack, given)))]
        assert [(each.id, each.outcome) for each in read] == [(each.id, each.outcome) for each in given]
        assert all(records.pack(each) == part for each, part in records.unpack(b"".join(map(records.pack, given))))

    def test_the_message_of_a_departure_has_the_key(self):
        gone = individual(7, 2.0, [0.5])
        assert wire.unpack_retired(wire.pack_retired(gone, 3)) == (gone.id, key_of(gone), 3)

    def test_journals_hold_them_and_refuse_what_cannot_be(self):
        given = [individual(0, 1.0, [0.5, math.inf]), individual(1, 1.0, [-math.inf]), individual(2, 1.0)]
        written = encode([Evaluated(each) for each in given])
        read = [event.individual.outcome for event in decode(written.splitlines())]
        assert read == [each.outcome for each in given]
        line = msgspec.json.decode(written.splitlines()[0])
        for changed in ({"constraints": [-1.0]}, {"constraints": []}, {"status": "ok"}, {"constraints": ["nan"]}):
            assert not list(decode([msgspec.json.encode({**line, **changed})]))

    def test_training_data_has_a_column_for_each(self):
        data = TrainingData(100)
        data.add(Individual(Candidate(Id(0, 0, 0), (0.5,), SPACE)).evaluated(Outcome.failure(Status.ERROR)))
        for number in range(1, 90):
            data.add(individual(number, (1.0, number), [number - 50.0, -1e308]))
        assert data.several.shape == data.constraints.shape == (90, 2)
        assert np.isnan(data.constraints[0]).all()
        assert data.constraints[7].tolist() == [-43.0, -1e300]
        assert data.several[7].tolist() == [1.0, 7.0]
        assert data.merits[[7, 50]].tolist() == [1.0, 1.0]
        assert data.merits[60] < data.merits[61]


def test_names_that_are_numbers_are_in_their_own_order():
    assert Constraints.of({"10": 1, "9": 2, "b": 3, "a": 4}).names == ("9", "10", "a", "b")
