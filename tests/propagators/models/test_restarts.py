"""Restarts of CMA-ES, however many."""

import numpy as np

from propulate_like.propagators.models.restarts import RestartedCMAES


def test_search_with_very_many_optima_goes_on_and_remembers_a_bounded_number():
    search = RestartedCMAES(1, 0.25, np.random.default_rng(0), np.random.default_rng(1), population=4)
    for _ in range(60_000):
        point = search.ask()
        search.tell(point, float(np.sin(300 * point[0])))
    assert search.restarts > 50
    assert search.search.population <= 1024
