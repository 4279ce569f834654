def asking(trial):
    kind = trial.suggest_categorical("model/kind", ["forest", "network"])
    offset = trial.suggest_float("offset", 0.0, 1.0)
    if kind == "forest":
        loss = 1.0 + abs(trial.suggest_int("tree depth", 1, 40, log=True) - 12) / 20
    else:
        layers = trial.suggest_int("layers", 1, 3)
        units = [trial.suggest_float(f"units_{number}", 1.0, 8.0, step=0.5) for number in range(layers)]
        loss = sum((each - 3.0) * (each - 3.0) for each in units) / 10
        if layers == 3:
            loss += abs(trial.suggest_float("rate", 1e-4, 1.0, log=True) - 0.01)
    if offset > 0.9:
        raise ValueError("too far")
    trial.set_user_attr("kind of model", kind)
    trial.set_constraint("offset", offset - 0.8)
    for epoch in (1, 2, 4):
        trial.report(loss + offset + 1 / epoch, epoch)
        if trial.should_prune():
            return None
    return loss + offset
