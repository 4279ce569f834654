"""Evaluation: calling the loss, and what becomes of what it does."""
