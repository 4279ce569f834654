"""Search: the main loop, and what assembles it from the parts below."""
