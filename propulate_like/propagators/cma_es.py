"""CMA-ES as a propagator: a normal distribution over the ordered genes, which adapts to all known results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from propulate_like.foundation import declarations
from propulate_like.foundation.undisturbed import undisturbed
from propulate_like.population.individual import Individual
from propulate_like.population.population import Requirements
from propulate_like.propagators.propagator import Arity, BreedingContext, Propagator

if TYPE_CHECKING:
    from propulate_like.propagators.models.restarts import RestartedCMAES

_PARENTS = 8  # the best individuals, whose options of a Choice are inherited


class CMAES(Propagator):
    """CMA-ES: a point from a normal distribution that adapts to where better points are, from results in any order.

    Hansen 2016, The CMA evolution strategy: a tutorial. Each rank has a distribution of its own, which learns from
    every result that the rank knows: mostly the best `shared` ones of all ranks. It starts at the best known point, and
    restarts elsewhere once it makes no progress. Genes with steps always keep a probability to change, and a Choice
    takes its option from one of the best individuals or, rarely, any option.

    Args:
        sigma: The initial standard deviation, as a share of the range, in (0, 1].
        population: The number of results per update, at least 4; by default one that fits the numbers of parameters and
            ranks.
        shared: The number of best results that all ranks share, at least 1.
    """

    by_loss = True
    name = "cma_es"
    takes: Arity = (0, None)

    def __init__(self, sigma: float = 0.25, population: int | None = None, shared: int = 1000) -> None:
        """Check the arguments.

        Raises:
            ValueError: `sigma` is not in (0, 1], `population` is below 4, or `shared` is below 1.
        """
        self.sigma: float = declarations.number("sigma", sigma, 0.0, 1.0, above=True)
        self.population: int | None = None if population is None else declarations.whole("population", population, 4)
        self.shared: int = declarations.whole("shared", shared, 1)
        self.requirements: Requirements = Requirements(best=shared, training_data=max(shared, 256))
        self._state: _State | None = None

    @undisturbed
    def __call__(self, individuals: Sequence[Individual], breeding: BreedingContext) -> Sequence[Individual]:
        if self._state is None:
            self._state = _State(self, individuals, breeding)
        return [breeding.child(self._state.draw(individuals, breeding), origin=self.name)]


class _State:
    """The distribution of a rank, and the number of results that it has read."""

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
        """Return a search from the best known point."""
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
        """Return a genome, after the distribution has learned from the new results."""
        genes = [0.5] * len(breeding.space)
        if self.search is not None:
            from propulate_like.propagators.models.threads import steadily

            with steadily():
                self._update(individuals, self.search)
                drawn = self.search.ask().tolist()
            self._apply_margin(drawn, self.search, breeding)
            for index, gene in zip(self._ordered, drawn):
                genes[index] = gene
        if self._unordered:
            self._choose(genes, individuals, breeding)
        return tuple(genes)

    def _update(self, individuals: Sequence[Individual], search: RestartedCMAES) -> None:
        """Tell the distribution the new results; a gene with steps is drawn uniformly from the range of its level."""
        import numpy as np

        points = self._points_of(individuals)
        new = min(points.total - self._read, len(points))
        self._read = points.total
        if not new:
            return
        genomes, losses = points.genomes[-new:], points.merits[-new:].tolist()
        if self._unordered:
            genomes = genomes[:, self._ordered]
        genomes = genomes.copy()
        draws = self._generator.random((new, len(self._discrete)))
        for (place, parameter), drawn in zip(self._discrete, draws.T):
            low, high = zip(*[parameter.edges(parameter.level(gene)) for gene in genomes[:, place].tolist()])
            genomes[:, place] = low + (np.array(high) - low) * drawn
        for genome, loss in zip(genomes, losses):
            search.tell(genome, loss)

    def _apply_margin(self, drawn: list[float], search: RestartedCMAES, breeding: BreedingContext) -> None:
        """Move each gene with steps off the mean's level with a probability of at least 1 / (n * population).

        This keeps it from getting stuck: Hamano et al. 2022, CMA-ES with margin.
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
        """Set the genes of each Choice: those of one of the best individuals or, rarely, random ones."""
        random = breeding.generator.random
        known = min(len(individuals), _PARENTS)
        model = individuals[int(random() * known)].genome if known else None
        for index in self._unordered:
            redraw = model is None or random() < 1.0 / (1.0 + len(genes))
            genes[index] = random() if model is None or redraw else model[index]
