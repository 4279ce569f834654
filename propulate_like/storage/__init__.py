"""Storage: the run folder, its journals, and reading both back."""
