"""The comparison with Optuna and Propulate, each part a config that a reader can change; together they make a page.

`propulate-like bench` measures what is missing and writes the page. A comparison is a YAML file in `configs/` and a
module named in `measures.MEASURES` that does what `measures.Measure` says.
"""
