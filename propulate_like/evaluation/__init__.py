"""Evaluation: calling the loss, and turning what it does into an outcome."""
