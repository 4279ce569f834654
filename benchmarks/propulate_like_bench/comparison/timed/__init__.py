"""Searches of a loss that costs nothing, each in processes of its own, that note when each evaluation ended."""
