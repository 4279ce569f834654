"""How good a search is: at equal numbers of evaluations, on asynchronous workers, beside its peers."""
