"""The contract of a transport, as a program that every rank runs; it exits with an error where it is broken."""

import time
from pathlib import Path
from random import Random

SECONDS = 60


def exchange(endpoints, step=lambda: None):
    """Run the contract on endpoints of this process: all of them (simulated), or the one that this rank is (MPI).

    `step` is called between looks at the messages; a simulation's time goes on in it.
    """
    messages = {(e.rank, peer): [content(e.rank, peer, n) for n in range(200)] for e in endpoints for peer in e.peers}
    arrived = {e.rank: {peer: [] for peer in e.peers} for e in endpoints}
    assert all(e.size == endpoints[0].size and e.rank not in e.peers for e in endpoints)
    announced = [e.broadcast(b"begin" * 50_000 if e.rank == 0 else None) for e in endpoints]
    assert set(announced) == {b"begin" * 50_000}
    deadline = time.monotonic() + SECONDS
    expected = {e.rank: {peer: [content(peer, e.rank, n) for n in range(200)] for peer in e.peers} for e in endpoints}
    sent = 0
    while sent < 200 or arrived != expected or any(e.unsent for e in endpoints):
        assert time.monotonic() < deadline, "messages are missing"
        for e in endpoints:
            if sent < 200:
                for peer in e.peers:
                    e.send(peer, messages[e.rank, peer][sent])
            e.flush()
            for peer, message in e.receive():
                arrived[e.rank][peer].append(message)
        sent += 1
        step()
    for e in endpoints:
        e.close(10.0)


def content(sender, receiver, number):
    """Return a message of any length, empty and longer than a frame included."""
    generator = Random(f"{sender} {receiver} {number}")
    return generator.randbytes(generator.choice([0, 1, 100, 1000, 70_000 if number % 20 == 0 else 10]))


def silent_peer(endpoint, heard):
    """See that sending to a rank that does not listen holds up neither the sender nor its other peers.

    Rank 2 listens once rank 1 has `heard` (which is a file) from rank 0, whose messages to rank 2 come first.
    """
    deadline = time.monotonic() + SECONDS
    while endpoint.rank == 2 and not heard.exists():
        assert time.monotonic() < deadline, "held up by the silent rank"
        time.sleep(0.01)
    received = []
    if endpoint.rank == 0:
        for _ in range(500):
            endpoint.send(2, b"x" * 5000)
            endpoint.flush()
        endpoint.send(1, b"hello")
        endpoint.flush()
    expected = {0: 0, 1: 1, 2: 500}[endpoint.rank]
    while len(received) < expected or endpoint.unsent:
        assert time.monotonic() < deadline, "messages are missing"
        endpoint.flush()
        received += endpoint.receive()
        time.sleep(0.0005)
    if endpoint.rank == 1:
        heard.touch()
    endpoint.close(10.0)


if __name__ == "__main__":
    from propulate_like.parallel.transport import connect

    exchange([connect()])
    if connect().size == 3:
        silent_peer(connect(), Path("heard"))
    print("the contract is kept", flush=True)
