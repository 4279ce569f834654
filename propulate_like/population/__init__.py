"""Population: candidates, their outcomes, and what a rank remembers of them."""
