"""A command as the objective: any program that prints its loss, here one written in awk.

Run as `python 6_other_language.py`. In YAML the same is

    objective: {command: [awk, -v, "rate={rate}", -v, "momentum={momentum}", -f, fit.awk]}
"""

from pathlib import Path

import propulate_like as pl


def main():
    command = pl.Command(
        ["awk", "-v", "rate={rate}", "-v", "momentum={momentum}", "-f", "fit.awk"], folder=str(Path(__file__).parent)
    )
    result = pl.minimize(
        command,
        {"rate": pl.Float(1e-3, 2.0, log=True), "momentum": pl.Float(0.0, 0.99)},
        evaluations=200,
        seed=0,
        pruner=pl.MedianPruner(),  # judges by the lines that have a step
        evaluation={"timeout": 10},
    )
    print(f"loss {result.best.loss:.2g} with {result.best.params}, slope {result.best.metrics.get('slope')}")
    print({str(status): count for status, count in result.statuses.items()})


if __name__ == "__main__":
    main()
