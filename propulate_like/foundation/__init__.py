"""Foundation: what knows nothing of searches, such as declarations, files, the console and signals."""
