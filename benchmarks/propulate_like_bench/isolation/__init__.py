"""Isolation: what it withstands, what it costs, and whether messages flow meanwhile."""
