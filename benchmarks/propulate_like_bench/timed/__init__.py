"""Searches on real ranks whose evaluations cost nothing, or sleep: programs, what they are told, and what they tell.

`search_*.py` are programs, started by their paths. Those of other software run in environments of their own, which have
neither this distribution nor the package: they import nothing of either.
"""
