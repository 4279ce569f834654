"""CMA-ES as a propagator: a normal distribution over the genes that have an order, learnt from all that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from propulate_like.foundation import declarations
from propulate_like.population.individual import Individual
from propulate_like.population.population import Requirements
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

if TYPE_CHECKING:
    from propulate_like.propagators.models.restarts import RestartedCMAES

_PARENTS = 8  # individuals whose options of a Choice are taken over


class CMAES(Propagator):
    """A point from a normal distribution that adapts to where better points lie, in whatever order results arrive.

    Hansen 2016, The CMA evolution strategy: a tutorial. Each rank has a distribution of its own, which learns from
    every result that the rank knows, for the most part of the best `shared` of all ranks. It begins at the best point
    known, with steps of `sigma` (a share of the range), and again, elsewhere, once it makes no progress. `population`
    is the number of results that it takes for an update; where none is given, one that suits the number of parameters
    and of workers. Genes with steps keep a chance to change, and a Choice takes what one of the best has, or, rarely,
    any of its options.
    """

    by_loss = True
    name = "cma_es"
    takes: Arity = (0, None)

    def __init__(self, sigma: float = 0.25, population: int | None = None, shared: int = 1000) -> None:
        """ValueError where `sigma` is not in (0, 1], `population` below 4 or `shared` below 1."""
        self.sigma: float = declarations.number("sigma", sigma, 0.0, 1.0, above=True)
        self.population: int | None = None if population is None else declarations.whole("population", population, 4)
        self.shared: int = declarations.whole("shared", shared, 1)
        self.requirements: Requirements = Requirements(best=shared, training_data=max(shared, 256))
        self._state: _State | None = None

    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if self._state is None:
            self._state = _State(self, individuals, breeding)
        return [breeding.child(self._state.draw(individuals, breeding), origin=self.name)]


class _State:
    """The distribution, and how far it has read what its rank knows."""

    def __init__(self, settings: CMAES, individuals: Sequence[Individual], breeding: BreedingContext) -> None:
        import numpy as np

        from propulate_like.population.training_data import TrainingData

        self._points_of = TrainingData.of
        parameters = breeding.space.parameters
        self._ordered = [index for index, parameter in enumerate(parameters) if parameter.ordered]
        self._unordered = [index for index, parameter in enumerate(parameters) if not parameter.ordered]
        ordered = [parameters[index] for index in self._ordered]
        self._discrete = [(place, parameter) for place, parameter in enumerate(ordered) if parameter.levels is not None]
        self._generator = np.random.default_rng(breeding.generator.getrandbits(64))
        self._read = self._points_of(individuals).total
        self.search: RestartedCMAES | None = None
        if self._ordered:
            self.search = self._begin(settings, individuals, breeding)

    def _begin(self, settings: CMAES, individuals: Sequence[Individual], breeding: BreedingContext) -> RestartedCMAES:
        import numpy as np

        from propulate_like.propagators.models.cma_es import usual_population
        from propulate_like.propagators.models.restarts import RestartedCMAES

        dimension = len(self._ordered)
        start = None
        if len(individuals):
            best = min(individuals, key=lambda individual: individual.order).genome
            start = np.array([best[index] for index in self._ordered])
        # docs/decisions.md, "CMA-ES draws no random numbers while it learns"
        suits = max(usual_population(dimension), round(2.0 * breeding.workers**0.75))
        return RestartedCMAES(
            dimension,
            settings.sigma,
            self._generator,
            np.random.default_rng(breeding.seed),
            start=start,
            population=settings.population or suits,
        )

    def draw(self, individuals: Sequence[Individual], breeding: BreedingContext) -> tuple[float, ...]:
        genes = [0.5] * len(breeding.space)
        if self.search is not None:
            from propulate_like.propagators.models.threads import one_thread

            with one_thread():
                self._update(individuals, self.search)
                drawn = self.search.ask().tolist()
            self._stir(drawn, self.search, breeding)
            for index, gene in zip(self._ordered, drawn):
                genes[index] = gene
        if self._unordered:
            self._choose(genes, individuals, breeding)
        return tuple(genes)

    def _update(self, individuals: Sequence[Individual], search: RestartedCMAES) -> None:
        """Tell the distribution what is new; values of a gene with steps are spread over what decodes to them."""
        import numpy as np

        points = self._points_of(individuals)
        new = min(points.total - self._read, len(points))
        self._read = points.total
        if not new:
            return
        genomes, losses = points.genomes[-new:], points.losses[-new:].tolist()
        if self._unordered:
            genomes = genomes[:, self._ordered]
        genomes = genomes.copy()
        draws = self._generator.random((new, len(self._discrete)))
        for (place, parameter), drawn in zip(self._discrete, draws.T):
            low, high = zip(*[parameter.edges(parameter.level(gene)) for gene in genomes[:, place].tolist()])
            genomes[:, place] = low + (np.array(high) - low) * drawn
        for genome, loss in zip(genomes, losses):
            search.tell(genome, loss)

    def _stir(self, drawn: list[float], search: RestartedCMAES, breeding: BreedingContext) -> None:
        """Let each gene with steps differ from the mean's level with a probability of at least 1 / (n population).

        So it cannot get stuck: Hamano et al. 2022, CMA-ES with margin.
        """
        if not self._discrete:
            return
        from propulate_like.propagators.mutation import moved

        random, mean = breeding.generator.random, search.search.mean
        margin = 1.0 / (len(self._ordered) * search.search.population)
        for place, parameter in self._discrete:
            if random() < margin and parameter.level(drawn[place]) == parameter.level(mean[place]):
                drawn[place] = moved(parameter, drawn[place], 0.0, breeding.generator)

    def _choose(self, genes: list[float], individuals: Sequence[Individual], breeding: BreedingContext) -> None:
        random = breeding.generator.random
        known = min(len(individuals), _PARENTS)
        model = individuals[int(random() * known)].genome if known else None
        for index in self._unordered:
            redraw = model is None or random() < 1.0 / (1.0 + len(genes))
            genes[index] = random() if model is None or redraw else model[index]
