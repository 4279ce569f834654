"""The limit to come close to: the same search in one loop written by hand: python search_bare.py ORDER.

Each rank does an equal share, keeps the best 64 it knows, publishes what enters them, writes a JSON line for each
evaluation, and takes part in no budget, recovery or failure handling.
"""

import json
import sys
import tempfile
import time
from bisect import bisect_right
from pathlib import Path
from random import Random

import msgspec
import numpy as np
from mpi4py import MPI

from propulate_like_bench.timed.noting import peak_megabytes
from propulate_like_bench.timed.order import Order

POPULATION, POLL_EVERY, LINES_EVERY = 64, 32, 1024


class Line(msgspec.Struct):
    """What is written of an evaluation."""

    id: tuple[int, int]
    loss: float
    genome: tuple[float, float]
    parents: tuple[tuple[int, int], ...]
    seconds: float
    ended: float


def sphere(x: float, y: float) -> float:
    """Return the sum of squares."""
    return x * x + y * y


def search(world: MPI.Intracomm, evaluations: int, folder: str) -> tuple[int, float]:  # noqa: C901, PLR0912, PLR0915
    """Run the loop, and return the number of batches sent and the best loss."""
    rank, size = world.rank, world.size
    generator = Random(f"0/{rank}")
    random, gauss = generator.random, generator.gauss
    clock, encode = time.perf_counter, msgspec.json.Encoder().encode
    epoch = time.time() - clock()
    keys: list[float] = []
    best: list[tuple[float, float, tuple[int, int]]] = []
    peers = [peer for peer in range(size) if peer != rank]
    waiting: dict[int, list[tuple[float, ...]]] = {peer: [] for peer in peers}
    in_flight: dict[int, tuple[MPI.Request, np.ndarray]] = {}
    buffers = {peer: np.empty(5 * 4096) for peer in peers}
    receives = {peer: world.Irecv(buffers[peer], source=peer) for peer in peers}
    status = MPI.Status()
    lines: list[bytes] = []
    batches = 0

    def keep(x: float, y: float, ident: tuple[int, int], loss: float) -> bool:
        if len(keys) == POPULATION and loss >= keys[-1]:
            return False
        place = bisect_right(keys, loss)
        keys.insert(place, loss)
        best.insert(place, (x, y, ident))
        if len(keys) > POPULATION:
            keys.pop()
            best.pop()
        return True

    with Path(folder, f"rank-{rank}.jsonl").open("wb", buffering=0) as file:
        for serial in range(evaluations // size):
            parents: tuple[tuple[int, int], ...] = ()
            if len(best) < POPULATION or random() < 0.1:  # noqa: PLR2004
                x, y = random(), random()
            else:
                one, other = int(random() * POPULATION), int(random() * (POPULATION - 1))
                first, second = best[one], best[other + (other >= one)]
                x, y = first[0], first[1]
                parents = (first[2],)
                if random() < 0.7:  # noqa: PLR2004
                    parents = (first[2], second[2])
                    x, y = second[0] if random() < 0.5 else x, second[1] if random() < 0.5 else y  # noqa: PLR2004
                if random() < 0.5:  # noqa: PLR2004
                    x = random()
                else:
                    y = random()
                x, y = min(max(x + gauss(0.0, 0.05), 0.0), 1.0), min(max(y + gauss(0.0, 0.05), 0.0), 1.0)
            params = {"x": -5.12 + 10.24 * x, "y": -5.12 + 10.24 * y}
            began = clock()
            loss = sphere(**params)
            ended = clock()
            ident = (rank, serial)
            lines.append(encode(Line(ident, loss, (x, y), parents, ended - began, epoch + ended)))
            if keep(x, y, ident, loss):
                for queue in waiting.values():
                    queue.append((x, y, rank, serial, loss))
            if serial % LINES_EVERY == 0:
                file.write(b"\n".join(lines) + b"\n")
                lines.clear()
            if serial % POLL_EVERY:
                continue
            for peer in peers:
                while receives[peer].Test(status):
                    for record in buffers[peer][: status.Get_count(MPI.DOUBLE)].reshape(-1, 5).tolist():
                        keep(record[0], record[1], (int(record[2]), int(record[3])), record[4])
                    receives[peer] = world.Irecv(buffers[peer], source=peer)
                if peer in in_flight and in_flight[peer][0].Test():
                    del in_flight[peer]
                if waiting[peer] and peer not in in_flight:
                    batch = np.array(waiting[peer][:4096])
                    del waiting[peer][:4096]
                    in_flight[peer] = world.Issend(batch, dest=peer), batch
                    batches += 1
        file.write(b"\n".join(lines) + b"\n")
    ending = world.Ibarrier()
    while not ending.Test() or in_flight:
        for peer in peers:
            if receives[peer].Test():
                receives[peer] = world.Irecv(buffers[peer], source=peer)
            if peer in in_flight and in_flight[peer][0].Test():
                del in_flight[peer]
    world.Barrier()
    for request in receives.values():
        request.Cancel()
        request.Wait()
    return batches, keys[0]


def main() -> None:
    """Search, and let rank 0 print what it came to."""
    evaluations = msgspec.json.decode(sys.argv[1], type=Order).evaluations
    world = MPI.COMM_WORLD
    with tempfile.TemporaryDirectory() as folder:
        shared = world.bcast(folder)
        world.Barrier()
        began = time.perf_counter()
        batches, loss = search(world, evaluations, shared)
        seconds = time.perf_counter() - began
        memory = world.reduce(peak_megabytes(), MPI.MAX)
        total, lowest = world.reduce(batches), world.reduce(loss, MPI.MIN)
        if world.rank == 0:
            found = {"evaluations": evaluations // world.size * world.size, "seconds": seconds, "memory": memory}
            print(json.dumps({**found, "best": lowest, "batches": total}), flush=True)
        world.Barrier()


if __name__ == "__main__":
    main()
