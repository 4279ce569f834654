"""What a rank evaluates with: its GPUs and its energy sensors, as the ranks of a node share them out."""

from __future__ import annotations

import os
import sys

import msgspec

from propulate_like.evaluation.energy import EnergyMeter
from propulate_like.evaluation.gpus import Gpus, Visible, assign, detect, visible
from propulate_like.parallel.transport import Transport


class Equipment(msgspec.Struct, frozen=True):
    """The GPUs of a rank, by their names on the node, and how it shares the node with others."""

    devices: tuple[str, ...] = ()
    shared_by: int = 0
    ranks_on_node: int = 1

    def meter(self, *, says: bool) -> EnergyMeter:
        """Return the energy sensors; the rank that `says` so prints once what is missing."""
        meter = EnergyMeter(self.devices, self.shared_by, self.ranks_on_node)
        if says:
            for absence in meter.absent:
                print(absence, file=sys.stderr, flush=True)
        return meter


class _Sight(msgspec.Struct, frozen=True):
    """What one rank tells all of itself."""

    host: str
    visible: Visible


def equip(gpus: Gpus | None, transport: Transport) -> Equipment:
    """Assign GPUs to this rank through its environment, where a loss and its child processes find them.

    All ranks must call it, before the loss is imported. Without `gpus` nothing is changed, and the rank shares what it
    sees with all others on its node.

    Raises:
        ValueError: The settings do not fit the node.

    """
    found = detect()
    sight = _Sight(os.uname().nodename, visible(os.environ, found))
    words = transport.gather(msgspec.json.encode(sight))
    sights = [msgspec.json.decode(word, type=_Sight) for word in words]
    here = [rank for rank, other in enumerate(sights) if other.host == sight.host]
    place = here.index(transport.rank)
    if gpus is None:
        return Equipment(sight.visible.names, len(here), len(here))
    neighbours = [sights[rank].visible.names for rank in here]
    assignment = assign(os.environ, place, len(here), found, gpus, neighbours)
    os.environ.update(assignment.variables)
    return Equipment(assignment.devices, assignment.shared_by, len(here))
