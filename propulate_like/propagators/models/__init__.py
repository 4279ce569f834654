"""Models: the numerics that propagators learn with, arrays and numbers in and out."""
