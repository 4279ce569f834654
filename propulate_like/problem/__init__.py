"""Problem: what is searched (parameters, space), which way (directions), how thoroughly, and until when (budget)."""
