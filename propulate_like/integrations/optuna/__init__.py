"""Optuna: its objectives, samplers, pruners and studies here, and this package's propagators there."""
