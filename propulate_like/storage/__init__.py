"""Storage: the run folder, its journals, and what can be read back from them."""
