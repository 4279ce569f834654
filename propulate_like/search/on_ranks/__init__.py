"""A search of one Python program on several ranks, which it starts itself."""
