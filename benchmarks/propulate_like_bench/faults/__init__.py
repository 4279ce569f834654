"""Faults: what a search survives, with everything that it had evaluated."""
