# Fits y = a + b x to points by gradient descent. The search reads the JSON that it prints.
# Run by 6_other_language.py as: awk -v rate=0.1 -v momentum=0.9 -f fit.awk
BEGIN {
    n = 20
    for (i = 1; i <= n; i++) { x[i] = i / n; y[i] = 0.3 + 1.7 * x[i] }
    for (step = 1; step <= 50; step++) {
        da = db = loss = 0
        for (i = 1; i <= n; i++) {
            error = a + b * x[i] - y[i]
            loss += error * error / n
            da += 2 * error / n
            db += 2 * error * x[i] / n
        }
        va = momentum * va - rate * da; a += va
        vb = momentum * vb - rate * db; b += vb
        if (loss > 1e6) break
        if (step % 10 == 0) { printf "{\"step\": %d, \"loss\": %.6g}\n", step, loss; fflush() }
    }
    printf "{\"loss\": %.6g, \"slope\": %.6g}\n", loss, b
}
