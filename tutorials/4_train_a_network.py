"""Training a network with PyTorch: stop poor trainings early, and let children start from a parent's weights.

Needs `pip install torch scikit-learn`. Run as `python 4_train_a_network.py`, on four ranks as `mpiexec -n 4 python
4_train_a_network.py`, and on GPUs as `mpiexec -n 4 python 4_train_a_network.py --device cuda`: then each rank has a GPU
of its own, or shares one.
"""

import argparse
from functools import cache

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import cross_entropy

import propulate_like as pl

EPOCHS = 9


@cache
def data(device):
    """Return training images and their digits, and the same for validation: 1797 images of 8 x 8 pixels in all."""
    images, digits = load_digits(return_X_y=True)
    parts = train_test_split((images / 16).astype("float32"), digits, test_size=0.33, random_state=0, stratify=digits)
    x, v, y, w = (torch.as_tensor(part, device=device) for part in parts)
    return x, y, v, w


@pl.objective(
    learning_rate=pl.Float(1e-3, 2.0, log=True),
    momentum=pl.Float(0.0, 0.99),
    weight_decay=pl.Float(1e-6, 1e-1, log=True),
    dropout=pl.Float(0.0, 0.7),
    batch=pl.Ordinal(32, 64, 128, 256),
)
def train(learning_rate, momentum, weight_decay, dropout, batch, evaluation):
    """Train for some epochs, from the first parent's weights on, and yield the validation loss after each."""
    x, y, v, w = data(args.device)
    torch.manual_seed(int(evaluation.generator.integers(2**31)))
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 10)).to(args.device)
    if evaluation.parents:
        saved = evaluation.parents[0].directory / "weights.pt"
        if saved.exists():
            network.load_state_dict(torch.load(saved))
    optimizer = torch.optim.SGD(network.parameters(), learning_rate, momentum, weight_decay=weight_decay)
    for _ in range(EPOCHS):
        network.train()
        for part in torch.randperm(len(x), device=args.device).split(batch):
            optimizer.zero_grad()
            cross_entropy(network(x[part]), y[part]).backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            loss = cross_entropy(network(v), w).item()
        torch.save(network.state_dict(), evaluation.directory / "weights.pt")
        yield loss  # may be the last line that runs


def main():
    torch.set_num_threads(1)
    result = pl.minimize(
        train,
        evaluations=args.evaluations,
        seed=0,
        pruner=pl.SuccessiveHalvingPruner(reduction=3),
        evaluation={"gpus": "auto" if args.device == "cuda" else None},
    )
    individuals = result.individuals
    epochs = sum(len(individual.curve) for individual in individuals)
    stopped = result.statuses.get(pl.Status.STOPPED, 0)
    if not result.is_root:
        return
    print(f"loss {result.best.loss:.4f} with {result.best.params}")
    print(f"{stopped} of {len(individuals)} stopped early: {epochs} epochs, not {EPOCHS * len(individuals)}")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
parser.add_argument("--evaluations", type=int, default=200)
args = parser.parse_args()
if __name__ == "__main__":
    main()
