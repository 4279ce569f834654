"""Searches with constraints, beside Optuna's."""
