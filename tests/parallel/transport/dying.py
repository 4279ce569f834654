"""A program of 4 ranks: the highest sends and dies, and the others hear all from each other, and of its death."""

import os
import signal
import time

from propulate_like.parallel.transport import connect

SECONDS = 60

endpoint = connect()
victim = endpoint.size - 1
survivors = [peer for peer in endpoint.peers if peer != victim]
deadline = time.monotonic() + SECONDS
heard = dict.fromkeys(endpoint.peers, 0)
sent = 0
while sent < 500 or victim not in endpoint.dead or endpoint.unsent or any(heard[peer] < 500 for peer in survivors):
    assert time.monotonic() < deadline, (sent, list(endpoint.dead), endpoint.unsent, heard)
    if sent < 500:
        for peer in list(endpoint.peers):
            endpoint.send(peer, b"%d" % sent)
        sent += 1
    endpoint.flush()
    for peer, message in endpoint.receive():
        assert int(message) == heard[peer], "each message once, in order"
        heard[peer] += 1
    if endpoint.rank == victim and sent == 250:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.0002)
assert victim not in endpoint.peers
endpoint.send(victim, b"nothing comes of it")
endpoint.flush()
assert not endpoint.unsent
endpoint.close(5.0)
print("left behind", flush=True)
os._exit(0)
