"""Coordination: what ranks tell each other beside individuals, and the ways that messages take between many of them.

`overlay` says who tells whom. Along it, `publishing` spreads what is found on an island, `tickets` are handed from rank
to rank, the `census` is taken, and the `summary` gathered and told.
"""
