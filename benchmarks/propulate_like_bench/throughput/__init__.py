"""Throughput: evaluations a second where an evaluation costs nothing, beside a bare loop and other programs."""
