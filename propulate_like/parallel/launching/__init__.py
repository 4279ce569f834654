"""Launching: mpiexec and its ranks, watched from their start to their end, and started again where they break."""
