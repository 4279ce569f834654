"""Foundation: declarations, files, the console, signals and other code that knows nothing of searches."""
