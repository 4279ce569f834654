"""Parallel: ranks that talk to ranks, over a transport, by a protocol; and teams of ranks."""
