"""Teams: two ranks train one model together with PyTorch's DistributedDataParallel, as on two GPUs.

Needs `pip install torch`. Run as `mpiexec -n 4 python 5_teams.py` for two teams of two, or on GPUs as
`mpiexec -n 4 python 5_teams.py --device cuda`. Every member of a team calls the same loss; all variables for
torch.distributed are set. Each member runs the loss in a child process, which has MPI or GPUs to itself.
"""

import argparse

import torch
import torch.distributed as dist
from torch.nn.functional import mse_loss
from torch.nn.parallel import DistributedDataParallel

import propulate_like as pl

STEPS = 30


@pl.objective(learning_rate=pl.Float(1e-3, 1.0, log=True), width=pl.Ordinal(8, 16, 32, 64))
def train(learning_rate, width, evaluation):
    """Fit a sine, each member on its own half of the data. Every member reports; the first member's losses count."""
    dist.init_process_group("nccl" if args.device == "cuda" else "gloo")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(1, width), torch.nn.Tanh(), torch.nn.Linear(width, 1))
    network = DistributedDataParallel(network.to(args.device))
    optimizer = torch.optim.Adam(network.parameters(), learning_rate)
    x = torch.linspace(-3, 3, 200, device=args.device)[evaluation.rank :: evaluation.size, None]
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss = mse_loss(network(x), torch.sin(x))
        loss.backward()  # averages the gradients over the team
        optimizer.step()
        mean = loss.detach().clone()
        dist.all_reduce(mean)
        if evaluation.report(mean.item() / evaluation.size, step):
            break  # every member does, at the same step
    return mean.item() / evaluation.size


def main():
    result = pl.minimize(
        train,
        evaluations=args.evaluations,
        seed=0,
        pruner=pl.MedianPruner(warmup=5),
        evaluation={"ranks_per_worker": 2, "timeout": 60, "gpus": "auto" if args.device == "cuda" else None},
    )
    if not result.is_root:
        return
    print(f"loss {result.best.loss:.4f} with {result.best.params}")
    print({str(status): count for status, count in result.statuses.items()})


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
parser.add_argument("--evaluations", type=int, default=40)
args = parser.parse_args()
if __name__ == "__main__":
    main()
