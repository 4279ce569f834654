def listed(a, b, c):
    if a == 5 and c == "left":
        raise ValueError("a is too large on the left")
    return a * a - 4 * a + b + 2 * (c == "right")
