"""Measurements beside other programs; each is run by `python -m`."""
