def cost_and_gain(x, y, form):
    if form == "none" and x > 2.0:
        raise ValueError("there is no such form")
    cost = 4 * x * x + 4 * y * y + (form == "square")
    return {"loss": (cost, -(x - 5) * (x - 5) - (y - 5) * (y - 5)), "sum": x + y}
