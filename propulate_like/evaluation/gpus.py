"""GPUs: which GPUs of its node a rank uses, and the environment variables that assign them.

The vendors document the variables:
CUDA_VISIBLE_DEVICES, CUDA_DEVICE_ORDER: docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/environment-variables
ROCR_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES: rocm.docs.amd.com/en/latest/conceptual/gpu-isolation.html
ZE_AFFINITY_MASK, ZE_FLAT_DEVICE_HIERARCHY: oneapi-src.github.io/level-zero-spec/level-zero/latest/core/PROG.html
ONEAPI_DEVICE_SELECTOR: intel.github.io/llvm/EnvironmentVariables.html
SLURM_*: slurm.schedmd.com/srun.html and gres.html; FLUX_*: flux-framework.readthedocs.io, flux-environment(7)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Literal

import msgspec

from propulate_like.foundation import declarations

_LAUNCHERS = (  # in which launchers other than Slurm tell a rank its place on the node
    "OMPI_COMM_WORLD_LOCAL_RANK",
    "MPI_LOCALRANKID",
    "MV2_COMM_WORLD_LOCAL_RANK",
    "PALS_LOCAL_RANKID",
    "PMI_LOCAL_RANK",
    "FLUX_TASK_LOCAL_ID",
)
_VARIABLES = {  # the lists of devices, innermost first; the last one is written where none is inherited
    "nvidia": ("CUDA_VISIBLE_DEVICES",),
    "amd": ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
    "intel": ("ZE_AFFINITY_MASK",),
}
_HIDDEN = {  # CUDA: an empty list hides all; HIP takes an empty list as not set, hence -1; SYCL keeps the CPU
    "CUDA_VISIBLE_DEVICES": "",
    "HIP_VISIBLE_DEVICES": "-1",
    "ONEAPI_DEVICE_SELECTOR": "*:cpu",
}
_NAME = re.compile(r"(?:GPU|MIG)-[0-9A-Za-z/-]+|[0-9]+\.[0-9]+(?:\.[0-9]+)*")  # a UUID, or an Intel tile
_BINDING = re.compile(r"\b(none|per_task|single|map_gpu|mask_gpu|map|mask)\b(?::([^;+]*))?")


class Found(msgspec.Struct, frozen=True):
    """The GPUs of a node.

    Attributes:
        vendor: nvidia, amd, intel, or "" where there is no GPU.
        count: The number of GPUs.
        tiles: The number of tiles of each Intel GPU, otherwise 1.
    """

    vendor: str = ""
    count: int = 0
    tiles: int = 1


class Gpus(msgspec.Struct, frozen=True):
    """The GPUs that ranks may use, and how ranks share them.

    Where neither number is given, each rank has one GPU, and ranks are distributed over the GPUs as evenly as possible.

    Attributes:
        devices: auto, none, or a list of indices into the visible GPUs, or of UUIDs such as GPU-8f6e9d2c.
        per_rank: The number of GPUs of each rank, at least 1; by default 1.
        ranks_per_gpu: The number of ranks that share a GPU, at least 1; 1 where only `per_rank` is given.

    Raises:
        ValueError: A value is not valid.
    """

    devices: Literal["auto", "none"] | list[int | str] = "auto"
    per_rank: int | None = None
    ranks_per_gpu: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("GPUs per rank", self.per_rank), ("ranks per GPU", self.ranks_per_gpu)):
            if value is not None:
                declarations.whole(name, value, 1)
        if self.devices in ("auto", "none"):
            return
        if not isinstance(self.devices, list) or not self.devices:
            message = f"gpus: {self.devices!r} must be auto, none or a list such as [0, 1]"
            raise ValueError(message)
        for device in self.devices:
            if not (_NAME.fullmatch(device) if isinstance(device, str) else type(device) is int and device >= 0):
                message = f"gpus: {device!r} must be an index such as 0, or a UUID such as GPU-8f6e9d2c"
                raise ValueError(message)


class Visible(msgspec.Struct, frozen=True):
    """The GPUs that a process sees.

    Attributes:
        variable: The environment variable that lists them.
        entries: The variable's entries; all GPUs where it is not inherited.
        names: Their names on the node.
        inherited: The variable's inherited content, or None.
    """

    variable: str
    entries: tuple[str, ...]
    names: tuple[str, ...]
    inherited: str | None


class Assignment(msgspec.Struct, frozen=True):
    """The GPUs that are assigned to a rank.

    Attributes:
        variables: The environment variables to set; the environment stays as it is where there are none.
        devices: The names of the rank's GPUs on the node.
        shared_by: The number of the node's ranks that share the first GPU, or 0 where no GPU is known.
        reason: Why these GPUs.
    """

    variables: dict[str, str]
    devices: tuple[str, ...]
    shared_by: int
    reason: str


def detect(root: Path = Path("/")) -> Found:
    """Find the node's GPUs by the files of their drivers, without loading a library.

    Args:
        root: The root of the file system; tests give another one.
    """
    count = len(_listed(root / "proc/driver/nvidia/gpus", r".+")) or len(_listed(root / "dev", r"nvidia[0-9]+"))
    if count:
        return Found("nvidia", count)
    nodes = _listed(root / "sys/class/kfd/kfd/topology/nodes", r"[0-9]+")
    count = sum(re.search(r"^simd_count [1-9]", _text(node / "properties"), re.MULTILINE) is not None for node in nodes)
    if count:
        return Found("amd", count)
    cards = [card for card in _listed(root / "sys/class/drm", r"card[0-9]+") if _discrete_intel(card / "device")]
    if not cards:
        return Found()
    tiles = len(_listed(cards[0] / "device", r"tile[0-9]+")) or len(_listed(cards[0] / "gt", r"gt[0-9]+"))  # xe, i915
    return Found("intel", len(cards), max(tiles, 1))


def visible(environment: Mapping[str, str], found: Found) -> Visible:
    """Return the GPUs of the node that a process sees.

    Args:
        environment: The process's environment, with the lists of devices that it inherited.
        found: The node's GPUs.
    """
    if not found.count:
        return Visible("", (), (), "")
    variables = _VARIABLES[found.vendor]
    whole = environment.get("ZE_FLAT_DEVICE_HIERARCHY") == "COMPOSITE"  # otherwise each tile is a device of its own
    count = found.count * (1 if whole else found.tiles)
    inherited = environment.get(variables[-1])
    names = tuple(map(str, range(count))) if inherited is None else _entries(inherited, count)
    for variable in variables[:-1]:  # HIP's numbers are indices into the devices that ROCR leaves visible
        inner = environment.get(variable)
        if inner is not None:
            entries = _entries(inner, len(names))
            named = tuple(names[int(entry)] if entry.isdecimal() else entry for entry in entries)
            return Visible(variable, entries, named, inner)
    return Visible(variables[-1], names, names, inherited)


def assign(
    environment: Mapping[str, str],
    place: int,
    ranks_on_node: int,
    found: Found,
    settings: Gpus,
    neighbours: Sequence[Sequence[str]] = (),
) -> Assignment:
    """Return the GPUs of a rank: a subset of those that it sees, unless a scheduler bound it already.

    Args:
        environment: The rank's environment.
        place: The rank's number on its node, below `ranks_on_node`.
        ranks_on_node: The number of ranks on the node.
        found: The node's GPUs.
        settings: The settings of GPUs.
        neighbours: The names (see `visible`) that each rank of the node sees, by place. Where they differ, a scheduler
            bound each rank.

    Raises:
        ValueError: The settings ask for more GPUs than there are, or for one that is not visible.
    """
    if not 0 <= place < ranks_on_node:
        message = f"place {place} is not one of {ranks_on_node} on a node"
        raise ValueError(message)
    if settings.devices == "none":
        return Assignment(dict(_HIDDEN), (), 0, "hidden by gpus: none")
    seen = visible(environment, found)
    sharers = _bound(environment, place, ranks_on_node, seen, neighbours)
    if sharers:
        names = () if seen.inherited is None else seen.names
        return Assignment({}, names, sharers if names else 0, "bound by the scheduler")
    gpus = _chosen(settings.devices, seen)
    mine, sharers, used = _share(place, ranks_on_node, len(gpus), settings)
    if not gpus:
        reason = f"{seen.variable}={seen.inherited} leaves no GPU" if found.count else "no GPU found"
        return Assignment({}, (), 0, reason)
    entries, names = zip(*gpus[mine], strict=True)
    if len(entries) > 1 and any(entry.startswith("MIG-") for entry in entries):
        message = f"{len(entries)} MIG instances for each rank cannot be: a CUDA process uses one only"
        raise ValueError(message)
    variables = {seen.variable: ",".join(entries)}
    # By default CUDA numbers the fastest GPU 0, while nvidia-smi and NVML use the order of the PCI bus. Our own numbers
    # must mean the same GPU everywhere; inherited ones keep the order in which they were written.
    numbered = found.vendor == "nvidia" and seen.inherited is None and any(map(str.isdecimal, entries))
    if numbered and "CUDA_DEVICE_ORDER" not in environment:
        variables["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    unused = f", {len(gpus) - used} of {len(gpus)} GPUs unused" if used < len(gpus) else ""
    return Assignment(variables, names, sharers, f"place {place} of {ranks_on_node} on the node{unused}")


def _chosen(devices: str | list[int | str], seen: Visible) -> list[tuple[str, str]]:
    """Return (entry in the variable, name) of each GPU that the settings allow.

    Raises:
        ValueError: The settings name a GPU that is not visible, or one twice.
    """
    gpus = list(zip(seen.entries, seen.names, strict=True))
    if isinstance(devices, str):
        return gpus
    chosen = []
    for device in devices:
        if isinstance(device, int):
            fitting = gpus[device : device + 1]
        else:
            fitting = [gpu for gpu in gpus if gpu[0].startswith(device) or gpu[1].startswith(device)]
            if seen.inherited is None and not fitting:
                fitting = [(device, device)]
        if len(fitting) != 1 or fitting[0] in chosen:
            problem = "given twice" if fitting and fitting[0] in chosen else "not one of the GPUs visible here"
            message = f"gpus: {device!r} is {problem}: {', '.join(seen.entries) or 'there are none'}"
            raise ValueError(message)
        chosen += fitting
    return chosen


def _share(place: int, ranks: int, gpus: int, settings: Gpus) -> tuple[slice, int, int]:
    """Return which GPUs are the rank's, how many ranks share them, and how many GPUs all ranks use.

    Ranks at neighbouring places share a GPU, because launchers put them on neighbouring cores.

    Args:
        place: The rank's number on its node.
        ranks: The number of ranks on the node.
        gpus: The number of GPUs.
        settings: The settings of GPUs.

    Raises:
        ValueError: The ranks need more GPUs than there are.
    """
    if settings.per_rank is None and settings.ranks_per_gpu is None and ranks > gpus:
        mine = place * gpus // ranks
        return slice(mine, mine + 1), sum(other * gpus // ranks == mine for other in range(ranks)), gpus
    each, sharing = settings.per_rank or 1, settings.ranks_per_gpu or 1
    needed = -(-ranks // sharing) * each
    if needed > gpus:
        how = f"{sharing} per GPU" if each == 1 else f"{each} GPUs " + ("each" if sharing == 1 else f"per {sharing}")
        have = "is 1" if gpus == 1 else f"are {gpus}"
        message = f"{ranks} ranks on this node at {how} need {needed} GPUs, and there {have}"
        raise ValueError(message)
    group = place // sharing
    return slice(group * each, (group + 1) * each), min(sharing, ranks - group * sharing), needed


def _bound(
    environment: Mapping[str, str], place: int, ranks: int, seen: Visible, neighbours: Sequence[Sequence[str]]
) -> int:
    """Return how many ranks share the first GPU that a scheduler bound to this rank, or 0 where none did.

    Flux (-o gpu-affinity=per-task) and PALS (--gpu-bind) show a binding only by the lists of devices themselves.
    """
    if len(set(map(tuple, neighbours))) > 1:
        return sum(seen.names[:1] == tuple(names[:1]) for names in neighbours)
    if not seen.names or not _placed_by_slurm(environment) or any(name in environment for name in _LAUNCHERS):
        return 0  # an mpiexec inside a Slurm job: Slurm bound its daemon on the node, whose GPUs the ranks share
    return _bound_by_slurm(environment, place, ranks)


def _bound_by_slurm(environment: Mapping[str, str], place: int, ranks: int) -> int:
    """Return how many ranks share the first GPU that Slurm bound to the rank at this place, or 0 where it did not."""
    binding = _BINDING.search(environment.get("SLURM_GPU_BIND") or environment.get("SLURM_TRES_BIND", ""))
    kind, value = (binding[1], binding[2] or "1") if binding else ("", "1")
    if kind == "none":
        return 0
    if kind.startswith(("map", "mask")):  # such as 0,1 or 0*4,1*4, repeated after the last
        words = [word.partition("*") for word in value.split(",")]
        listed = [gpu for gpu, _, times in words for _ in range(int(times) if times.isdecimal() else 1)] or [""]
        return sum(listed[other % len(listed)] == listed[place % len(listed)] for other in range(ranks))
    sharers = value if kind == "single" else environment.get("SLURM_NTASKS_PER_GPU", "")  # which implies single
    if sharers.isdecimal():
        return int(sharers)
    per_task = "SLURM_GPUS_PER_TASK" in environment or "gpu" in environment.get("SLURM_TRES_PER_TASK", "")
    return int(per_task or kind == "per_task")


def _placed_by_slurm(environment: Mapping[str, str]) -> bool:
    """Return whether Slurm itself started this rank and gave it its place on the node."""
    tasks = environment.get("SLURM_STEP_TASKS_PER_NODE", "")
    if not tasks and "SLURM_STEP_ID" in environment:  # outside a step, a batch script's variables describe the job
        tasks = environment.get("SLURM_TASKS_PER_NODE", "")
    counts: list[int] = []
    for count, times in re.findall(r"([0-9]+)(?:\(x([0-9]+)\))?", tasks):
        counts += [int(count)] * int(times or 1)
    node = environment.get("SLURM_NODEID", "0" if len(counts) == 1 else "")
    place = environment.get("SLURM_LOCALID", "")
    if not (node.isdecimal() and place.isdecimal()):
        return False
    return int(node) < len(counts) and int(place) < counts[int(node)]


def _entries(inherited: str, count: int) -> tuple[str, ...]:
    """Read a list as CUDA does: it ends at its first invalid entry, and is empty where an entry occurs twice."""
    words = map(str.strip, inherited.split(","))
    entries = tuple(takewhile(lambda word: int(word) < count if word.isdecimal() else _NAME.fullmatch(word), words))
    return () if len(set(entries)) < len(entries) else entries


def _discrete_intel(device: Path) -> bool:
    """Return whether a PCI device is a discrete Intel GPU."""
    driven = _text(device / "vendor") == "0x8086" and (device / "driver").resolve().name in ("xe", "i915")
    return driven and device.resolve().name != "0000:00:02.0"  # the address of integrated graphics, before any bridge


def _listed(folder: Path, pattern: str) -> list[Path]:
    """Return the entries of a folder whose names match, or none where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name))
    except OSError:
        return []


def _text(path: Path) -> str:
    """Return the content of a file, or "" where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:  # such as for a GPU of another job
        return ""
