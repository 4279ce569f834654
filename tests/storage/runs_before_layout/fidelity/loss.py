from pathlib import Path


def train(rate, layers, epochs, evaluation):
    if layers == 4 and rate > 0.5:
        raise RuntimeError("out of range")
    if epochs > 1 and rate > 0.33:
        raise RuntimeError("promoted, and then out of range")
    saved = Path(evaluation.directory, "state")
    done, state = saved.read_text().split() if saved.exists() else (0, 0.0)
    if not int(done) and evaluation.parents:
        inherited = evaluation.parents[0].directory / "state"
        state = float(inherited.read_text().split()[1]) / 4 if inherited.exists() else 0.0
    done, state = int(done), float(state)
    for epoch in range(done + 1, epochs + 1):
        state += (1.0 - state) / 4
        saved.write_text(f"{epoch} {state}")
        yield {"loss": state - (rate - 0.25) * (rate - 0.25) - abs(layers - 2) / 8, "epoch": epoch, "from": done}
