"""Crossover, mutation and initialization: what they do to the distribution of genomes."""

import math
from collections import Counter
from random import Random
from statistics import NormalDist, mean, stdev

import pytest
from conftest import make_individual

from propulate_like import (
    BreedingContext,
    CenteredInitialization,
    Choice,
    Float,
    GaussianMutation,
    Id,
    Int,
    LatinHypercubeInitialization,
    MultiParentCrossover,
    Ordinal,
    PointMutation,
    RandomPointMutation,
    RandomRestart,
    SelfAdaptiveMutation,
    SigmoidCrossover,
    SobolInitialization,
    Space,
    Status,
    UniformCrossover,
    UniformInitialization,
)

DRAWS = 4000
SPACE = Space({f"x{i}": Float(0, 1) for i in range(10)})
MIXED = Space({"c": Choice("a", "b", "c", "d"), "o": Ordinal(*range(10)), "n": Int(0, 3), "x": Float(0, 1)})
NEWBORN = Id(0, 2, 777)


@pytest.fixture
def breeding():
    return BreedingContext(SPACE, Random(7), NEWBORN)


def parent(genome, serial=0, loss=1.0, space=SPACE, traits=()):
    return make_individual(Id(0, 0, serial), tuple(genome), space, traits=traits, status=Status.OK, loss=loss)


def within(count, probability, draws):
    return abs(count - draws * probability) < 5 * math.sqrt(draws * probability * (1 - probability)) + 1e-9


ZEROS, ONES = parent([0.0] * 10, 1), parent([1.0] * 10, 2)


class TestCrossover:
    @pytest.mark.parametrize("share", [0.5, 0.2, 1.0])
    def test_each_gene_comes_from_the_second_parent_with_the_given_probability(self, share, breeding):
        children = [UniformCrossover(1.0, share)([ZEROS, ONES], breeding)[0] for _ in range(DRAWS)]
        for gene in range(10):
            assert within(sum(child.genome[gene] for child in children), share, DRAWS)

    def test_genes_are_chosen_independently(self, breeding):
        children = [UniformCrossover()([ZEROS, ONES], breeding)[0].genome for _ in range(DRAWS)]
        assert within(sum(a == b for a, b, *_ in children), 0.5, DRAWS)

    def test_without_crossover_the_first_parent_is_passed_on_with_it_alone_as_parent(self, breeding):
        children = [UniformCrossover(0.3)([ZEROS, ONES], breeding)[0] for _ in range(DRAWS)]
        copies = [child for child in children if len(child.parents) == 1]
        assert within(len(copies), 0.7, DRAWS)
        assert all(child.genome == ZEROS.genome and child.parents == (ZEROS.id,) for child in copies)

    def test_newborn_has_its_own_identity_its_parents_and_no_outcome(self, breeding):
        (child,) = UniformCrossover()([ZEROS, ONES], breeding)
        assert child.id == NEWBORN
        assert child.parents == (ZEROS.id, ONES.id)
        assert child.status is Status.BRED
        assert math.isnan(child.loss)

    def test_many_parents_give_equal_shares(self, breeding):
        parents = [parent([i / 10] * 10, i) for i in range(5)]
        genes = Counter(g for _ in range(DRAWS) for g in MultiParentCrossover()(parents, breeding)[0].genome)
        assert len(genes) == 5
        assert all(within(count, 0.2, 10 * DRAWS) for count in genes.values())

    @pytest.mark.parametrize(
        ("losses", "share"), [((1.0, 1.0), 0.5), ((1.0, 3.0), 1 / (1 + math.e)), ((3.0, 1.0), 0.731)]
    )
    def test_sigmoid_crossover_takes_genes_by_boltzmann_weights(self, losses, share, breeding):
        first, second = parent([0.0] * 10, 1, losses[0]), parent([1.0] * 10, 2, losses[1])
        genes = sum(sum(SigmoidCrossover(2.0)([first, second], breeding)[0].genome) for _ in range(DRAWS))
        assert within(genes, share, 10 * DRAWS)

    def test_sigmoid_crossover_stands_extreme_losses(self, breeding):
        first, second = parent([0.0] * 10, 1, -1e308), parent([1.0] * 10, 2, 1e308)
        assert SigmoidCrossover(1e-3)([second, first], breeding)[0].id == NEWBORN
        assert (
            SigmoidCrossover(1.0)([parent([0.0] * 10, 1, 0.0), parent([1.0] * 10, 2, 1e6)], breeding)[0].genome
            == (0.0,) * 10
        )


class TestMutation:
    @pytest.mark.parametrize("count", [1, 3, 10, 50])
    def test_point_mutation_redraws_so_many_genes_uniformly(self, count, breeding):
        old = parent([2.0] * 10)
        drawn = []
        for _ in range(DRAWS):
            genome = PointMutation(count)([old], breeding)[0].genome
            changed = [gene for gene in genome if gene != 2.0]
            assert len(changed) == min(count, 10)
            drawn += changed
        assert mean(drawn) == pytest.approx(0.5, abs=0.03)
        assert stdev(drawn) == pytest.approx(math.sqrt(1 / 12), abs=0.02)

    def test_point_mutation_hits_every_gene_equally_often(self, breeding):
        old = parent([2.0] * 10)
        hits = Counter()
        for _ in range(DRAWS):
            hits.update(i for i, gene in enumerate(PointMutation(2)([old], breeding)[0].genome) if gene != 2.0)
        assert all(within(hits[i], 0.2, DRAWS) for i in range(10))

    def test_random_point_mutation_draws_every_number_of_genes_equally_often(self, breeding):
        old = parent([2.0] * 10)
        mutate = RandomPointMutation(0, 3)
        counts = Counter(sum(g != 2.0 for g in mutate([old], breeding)[0].genome) for _ in range(DRAWS))
        assert set(counts) == {0, 1, 2, 3}
        assert all(within(count, 0.25, DRAWS) for count in counts.values())

    def test_gaussian_steps_are_normal_with_the_given_width(self, breeding):
        old = parent([0.5] * 10)
        steps = [g - 0.5 for _ in range(400) for g in GaussianMutation(0.05)([old], breeding)[0].genome]
        assert mean(steps) == pytest.approx(0.0, abs=0.004)
        assert stdev(steps) == pytest.approx(0.05, rel=0.05)
        assert within(sum(abs(step) < 0.05 for step in steps), 2 * NormalDist().cdf(1) - 1, len(steps))

    def test_gaussian_mutation_stays_inside_and_reaches_the_bounds(self, breeding):
        old = parent([0.0, 1.0] * 5)
        genomes = [GaussianMutation(0.3)([old], breeding)[0].genome for _ in range(300)]
        assert {min(map(min, genomes)), max(map(max, genomes))} == {0.0, 1.0}

    def test_gaussian_mutation_changes_each_gene_with_the_given_probability(self, breeding):
        old = parent([0.5] * 10)
        changed = sum(g != 0.5 for _ in range(DRAWS) for g in GaussianMutation(0.1, 0.3)([old], breeding)[0].genome)
        assert within(changed, 0.3, 10 * DRAWS)

    def test_gaussian_mutation_redraws_a_choice_with_probability_sigma(self):
        breeding = BreedingContext(MIXED, Random(1), NEWBORN)
        old = parent([0.1, 0.5, 0.5, 0.5], space=MIXED)
        other = sum(GaussianMutation(0.4)([old], breeding)[0].params["c"] != "a" for _ in range(DRAWS))
        assert within(other, 0.4 * 0.75, DRAWS)

    def test_self_adaptive_step_size_is_inherited_and_drifts_log_normally(self, breeding):
        old = parent([0.5] * 10, traits=(0.01,))
        logs = [math.log(SelfAdaptiveMutation()([old], breeding)[0].traits[0] / 0.01) for _ in range(DRAWS)]
        assert mean(logs) == pytest.approx(0.0, abs=0.04)
        assert stdev(logs) == pytest.approx(0.5, rel=0.05)

    def test_self_adaptive_mutation_moves_few_genes_by_steps_of_the_childs_own_size(self, breeding):
        old = parent([0.5] * 10, traits=(1e-3,))
        ratios, counts = [], []
        for _ in range(DRAWS):
            (child,) = SelfAdaptiveMutation(redraw=0.0)([old], breeding)
            moved = [g - 0.5 for g in child.genome if g != 0.5]
            counts.append(len(moved))
            ratios += [step / child.traits[0] for step in moved]
        assert min(counts) == 1
        assert 1.5 < mean(counts) < 2.2
        assert stdev(ratios) == pytest.approx(1.0, rel=0.05)

    def test_self_adaptive_mutation_redraws_some_genes(self, breeding):
        old = parent([0.5] * 10, traits=(1e-9,))
        far, moved = 0, 0
        for _ in range(DRAWS):
            genome = SelfAdaptiveMutation(redraw=0.25)([old], breeding)[0].genome
            far += sum(abs(g - 0.5) > 1e-6 for g in genome)
            moved += sum(g != 0.5 for g in genome)
        assert within(far, 0.25, moved)

    def test_self_adaptive_mutation_changes_discrete_values_whenever_it_changes_their_gene(self):
        breeding = BreedingContext(MIXED, Random(1), NEWBORN)
        old = parent(MIXED.encode({"c": "b", "o": 4, "n": 0, "x": 0.5}), space=MIXED, traits=(1e-9,))
        before, steps, choices = old.params, Counter(), Counter()
        for _ in range(DRAWS):
            (child,) = SelfAdaptiveMutation(redraw=0.0)([old], breeding)
            after = child.params
            assert sum(a != b for a, b in zip(child.genome, old.genome, strict=True)) >= 1
            for name, old_gene, gene in zip(MIXED, old.genome, child.genome, strict=True):
                assert (after[name] != before[name]) == (gene != old_gene)
            steps[after["o"] - 4] += 1
            choices[after["c"]] += 1
        assert steps[1] + steps[-1] > 0.5 * (DRAWS - steps[0])
        assert abs(steps[1] - steps[-1]) < 5 * math.sqrt(steps[1] + steps[-1])
        assert set(choices) == {"a", "b", "c", "d"}

    @pytest.mark.parametrize("value", [1, 2, 3, 30, 499, 500])
    def test_whole_numbers_on_a_logarithmic_scale_become_others_near_them_in_proportion(self, value):
        space = Space({"n": Int(1, 500, log=True)})
        breeding, old = BreedingContext(space, Random(1), NEWBORN), parent(space.encode({"n": value}), space=space)
        found = [SelfAdaptiveMutation(redraw=0.0)([old], breeding)[0].params["n"] for _ in range(DRAWS)]
        assert value not in found
        ratios = sorted(max(other / value, value / other) for other in found)
        assert ratios[DRAWS // 2] == (2 if value <= 2 else pytest.approx(1.5 if value == 3 else 1.03, abs=0.17))
        if value in {3, 30}:
            assert 0.3 < sum(other < value for other in found) / DRAWS < 0.7

    @pytest.mark.parametrize("log", [False, True])
    def test_steps_among_very_many_levels_are_of_the_inherited_size(self, log):
        space = Space({"n": Int(1, 10**6, log=log)})
        breeding, old = BreedingContext(space, Random(1), NEWBORN), parent((0.5,), space=space, traits=(0.05,))
        genes = [SelfAdaptiveMutation(redraw=0.0, learning_rate=1e-9)([old], breeding)[0].genome[0] for _ in range(500)]
        assert stdev(genes) == pytest.approx(0.05, rel=0.2)

    def test_lone_level_is_left_alone(self):
        space = Space({"c": Choice("only"), "n": Int(3, 3)})
        (child,) = SelfAdaptiveMutation(redraw=0.0)(
            [parent((0.5, 0.5), space=space)], BreedingContext(space, Random(1), NEWBORN)
        )
        assert child.params == {"c": "only", "n": 3}

    def test_mutating_a_newborn_keeps_its_parents_and_adds_to_its_origin(self, breeding):
        (child,) = UniformCrossover()([ZEROS, ONES], breeding)
        (mutated,) = PointMutation()([child], breeding)
        assert mutated.parents == (ZEROS.id, ONES.id)
        assert mutated.origin == "uniform_crossover+point_mutation"


class TestInitialization:
    def test_uniform_points_fill_the_cube(self, breeding):
        points = [UniformInitialization()([], breeding)[0].genome for _ in range(DRAWS)]
        for gene in zip(*points, strict=True):
            counts = Counter(int(10 * g) for g in gene)
            assert all(within(counts[i], 0.1, DRAWS) for i in range(10))

    @pytest.mark.parametrize("kind", [SobolInitialization, LatinHypercubeInitialization])
    def test_designs_are_shared_out_among_ranks_with_one_point_in_each_slice(self, kind):
        step = kind(64)
        genomes = {}
        for rank in range(4):
            for serial in range(16):
                breeding = BreedingContext(SPACE, Random(rank), Id(0, rank, serial), workers=4, seed=5)
                genomes[rank, serial] = step([], breeding)[0].genome
        assert len(set(genomes.values())) == 64
        for gene in zip(*genomes.values(), strict=True):
            assert sorted(int(64 * g) for g in gene) == list(range(64))

    @pytest.mark.parametrize("kind", [SobolInitialization, LatinHypercubeInitialization])
    def test_designs_go_on_when_they_are_used_up_and_differ_by_seed(self, kind):
        def points(seed):
            return [kind(8)([], BreedingContext(SPACE, Random(0), Id(0, 0, n), 1, seed))[0].genome for n in range(16)]

        assert len(set(points(1))) == 16
        assert points(1) == points(1)
        assert not set(points(1)) & set(points(2))

    def test_a_centered_design_begins_near_the_middle_takes_options_alike_and_then_covers_all(self):
        def points(serial):
            breedings = [
                BreedingContext(MIXED, Random(0), Id(0, rank, serial), workers=64, seed=1) for rank in range(64)
            ]
            return [CenteredInitialization(0.6)([], breeding)[0].genome for breeding in breedings]

        first, second = points(0), points(1)
        assert first[0] == (0.5,) * 4
        options = Counter(MIXED.decode(genome)["c"] for genome in first[1:])
        assert sorted(options) == ["a", "b", "c", "d"]
        assert set(options.values()) == {15, 16}
        assert all(0.2 <= gene <= 0.8 for genome in first for gene in genome[2:])
        assert {MIXED.decode(genome)["o"] for genome in first} == set(range(10))
        assert all(min(gene) < 0.02 and max(gene) > 0.98 for gene in zip(*second, strict=True))

    @pytest.mark.parametrize(("spread", "genes", "widest"), [(None, 5, 0.6), (None, 20, 0.4), (0.9, 20, 0.9)])
    def test_a_centered_design_is_as_wide_as_its_spread_which_is_less_where_there_are_many_genes(
        self, spread, genes, widest
    ):
        space, step = Space({f"x{index}": Float(0.0, 1.0) for index in range(genes)}), CenteredInitialization(spread)
        ranks = [BreedingContext(space, Random(0), Id(0, rank, 0), workers=64, seed=5) for rank in range(64)]
        values = [gene for breeding in ranks for gene in step([], breeding)[0].genome]
        assert widest - 0.05 < max(values) - min(values) <= widest

    def test_restart_replaces_the_newborn_with_the_given_probability(self, breeding):
        (child,) = PointMutation()([ZEROS], breeding)
        fresh = sum(RandomRestart(0.2)([child], breeding)[0] is not child for _ in range(DRAWS))
        assert within(fresh, 0.2, DRAWS)
        (restarted,) = RandomRestart(1.0)([child], breeding)
        assert restarted.parents == ()
        assert restarted.origin == "random_restart"


@pytest.mark.parametrize(
    "make",
    [
        lambda: UniformCrossover(1.1),
        lambda: UniformCrossover(0.5, -0.1),
        lambda: MultiParentCrossover(2),
        lambda: SigmoidCrossover(0),
        lambda: PointMutation(0),
        lambda: RandomPointMutation(3, 2),
        lambda: GaussianMutation(0),
        lambda: GaussianMutation("wide"),
        lambda: GaussianMutation(math.nan),
        lambda: SelfAdaptiveMutation(initial=2),
        lambda: SelfAdaptiveMutation(redraw=1.5),
        lambda: SobolInitialization(0),
        lambda: CenteredInitialization(0),
        lambda: RandomRestart(-1),
    ],
)
def test_impossible_settings_are_refused(make):
    with pytest.raises(ValueError, match="must be a"):
        make()
