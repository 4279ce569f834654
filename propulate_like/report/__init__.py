"""What a person sees of a search: progress while it runs, and what it found."""
