"""Islands: populations that evolve apart, and the individuals that travel between them.

A run's `archipelago` gives each rank its part in the life of its `island`; `migration` says who travels, along which of
the `topologies`.
"""
