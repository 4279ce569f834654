"""Models: the numerical methods behind propagators, from arrays and numbers to arrays and numbers."""
