"""A program of 4 ranks: the highest sends and dies, and the others hear all from each other, and of its death."""

import os
import signal
import time

from propulate_like.parallel.transport import connect

endpoint = connect()
victim = endpoint.size - 1
began = time.monotonic()
heard = dict.fromkeys(endpoint.peers, 0)
sent = 0
while time.monotonic() - began < 20:
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
    whole = list(endpoint.dead) == [victim] and all(heard[peer] == 500 for peer in endpoint.peers)
    if whole and sent == 500 and not endpoint.unsent:
        break
    time.sleep(0.0002)
assert victim not in endpoint.peers
endpoint.send(victim, b"nothing comes of it")
endpoint.flush()
assert not endpoint.unsent
endpoint.close(5.0)
print("left behind", flush=True)
os._exit(0)
