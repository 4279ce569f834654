"""Energy: the joules of each evaluation, as counters in the node's GPUs and processors measure them."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

METRICS = ("energy", "energy_gpu", "energy_cpu")
"""Joules of an evaluation: all, and by kind of sensor."""
_WATTS = 1000.0  # more than any processor package draws


class Meter(Protocol):
    """A counter of joules.

    `kind` is gpu or cpu, `share` the part of its joules that is this rank's. It must be read at least every `period`
    seconds.
    """

    name: str
    kind: str
    share: float
    period: float

    def joules(self) -> float:
        """Return the joules since some time before; OSError where the counter cannot be read."""
        ...


class GpuMeter:
    """An NVIDIA GPU's counter, through the package nvidia-ml-py.

    The driver counts in millijoules, up to 0.1 s late: evaluations of less than some seconds are measured roughly. A
    MIG instance has no counter: it counts for an equal part of its GPU, of as many as there are instances.
    """

    kind = "gpu"
    period = math.inf

    def __init__(self, nvml: Any, name: str, shared_by: int) -> None:
        """`nvml` is the module pynvml, initialized; OSError where it cannot measure the GPU of this index or UUID."""
        self.name = name
        self._nvml = nvml
        try:
            self._gpu, instances = _handle(nvml, name)
        except nvml.NVMLError as error:
            message = f"NVML says of GPU {name}: {error}"
            raise OSError(message) from None
        self.share = 1.0 / (max(shared_by, 1) * instances)
        self.joules()

    def joules(self) -> float:
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._gpu)) / 1e3
        except self._nvml.NVMLError as error:
            message = f"NVML says of GPU {self.name}: {error}"
            raise OSError(message) from None


class RaplMeter:
    """A processor package's counter: a zone of the Linux powercap interface, in microjoules.

    It begins again from 0 at max_energy_range_uj: of Intel's usual 262 kJ after 12 minutes at 350 W, of AMD's 66 kJ
    after 3 minutes at 400 W. `period` is a time within which it cannot pass that twice unseen.
    """

    kind = "cpu"

    def __init__(self, zone: Path, shared_by: int) -> None:
        """OSError where the zone's files cannot be read, ValueError where they hold no numbers."""
        self.name = (zone / "name").read_text(encoding="utf-8").strip()
        self.share = 1.0 / max(shared_by, 1)
        self._counter = zone / "energy_uj"
        self._range = int((zone / "max_energy_range_uj").read_text(encoding="utf-8"))
        self.period = self._range / 1e6 / _WATTS
        self._microjoules = 0
        self._last = self._read()

    def joules(self) -> float:
        now = self._read()
        self._microjoules += now - self._last + (self._range if now < self._last else 0)
        self._last = now
        return self._microjoules / 1e6

    def _read(self) -> int:
        return int(self._counter.read_text(encoding="utf-8"))


class EnergyMeter:
    """Measures a rank's evaluations, one after the other.

    A sensor that several ranks share counts for each of them alike: of a GPU's joules 1/s is the rank's where s ranks
    share the GPU, of the processors' 1/s where s ranks are on the node, whoever of them works. So the joules of all
    ranks add up to what the sensors measured while all evaluate.

    `absent` says what is missing and why. A kind is measured whole or not at all: where one sensor fails, the others of
    its kind are given up, as half a sum would look like a saving. Not for two threads at once.
    """

    def __init__(self, devices: Sequence[str], gpu_shared_by: int, ranks_on_node: int, root: Path = Path("/")) -> None:
        self.meters, self.absent = _look(devices, gpu_shared_by, ranks_on_node, root)
        self._begun: dict[Meter, float] = {}

    @property
    def period(self) -> float:
        """The seconds within which `tick` or `end` must follow on `begin` or `tick`; infinite where it is no matter."""
        return min((meter.period for meter in self.meters), default=math.inf)

    def begin(self) -> None:
        """Begin an evaluation."""
        self._begun = self._read()

    def tick(self) -> None:
        """Look whether a counter began again from 0, as a long evaluation must at least once in a `period`."""
        self._read()

    def end(self) -> dict[str, float]:
        """Return the joules since `begin`: energy_gpu and energy_cpu as far as measured, and energy, their sum."""
        now, begun = self._read(), self._begun
        self._begun = {}
        joules: dict[str, float] = {}
        for meter in self.meters:
            if meter in begun:
                key = f"energy_{meter.kind}"
                joules[key] = joules.get(key, 0.0) + (now[meter] - begun[meter]) * meter.share
        return {"energy": sum(joules.values()), **joules} if joules else {}

    def _read(self) -> dict[Meter, float]:
        joules: dict[Meter, float] = {}
        for meter in self.meters:
            try:
                joules[meter] = meter.joules()
            except (OSError, ValueError) as error:
                if any(other.kind == meter.kind for other in self.meters):
                    self.absent.append(_absence(meter.kind, error))
                self.meters = [other for other in self.meters if other.kind != meter.kind]
        return joules


def added(metrics: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Return `metrics` with the joules of `others` added: of another attempt, or another member of a team."""
    return metrics | {name: metrics[name] + others[name] for name in METRICS if name in metrics and name in others}


def _look(devices: Sequence[str], gpu_shared_by: int, ranks: int, root: Path) -> tuple[list[Meter], list[str]]:
    found: list[Meter] = []
    absent: list[str] = []
    for kind, look in (("gpu", lambda: _gpus(devices, gpu_shared_by)), ("cpu", lambda: _packages(root, ranks))):
        try:
            found += look()
        except (OSError, ValueError) as error:
            absent.append(_absence(kind, error))
    return found, absent


def _absence(kind: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        by_root = isinstance(error, PermissionError)
        reason = "is readable by root alone" if by_root else f"cannot be read ({error.strerror})"
        return f"no {kind.upper()} energy: {error.filename} {reason}"
    return f"no {kind.upper()} energy: {error}"


def _gpus(devices: Sequence[str], shared_by: int) -> list[GpuMeter]:
    if not devices:
        return []
    try:
        nvml = importlib.import_module("pynvml")  # what nvidia-ml-py installs; it has no types
    except ImportError:
        message = "nvidia-ml-py is not installed (pip install nvidia-ml-py)"
        raise OSError(message) from None
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        message = f"there is no NVIDIA driver ({error})"
        raise OSError(message) from None
    return [GpuMeter(nvml, name, shared_by) for name in devices]


def _handle(nvml: Any, name: str) -> tuple[Any, int]:
    """Return the handle of a GPU, or of the GPU of a MIG instance, and how many instances share it."""
    if name.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(name)), 1  # in the order of the PCI bus
    if name.startswith("MIG-"):
        gpu = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvml.nvmlDeviceGetHandleByUUID(name))
        return gpu, max(_instances(nvml, gpu), 1)
    for index in range(nvml.nvmlDeviceGetCount()):  # CUDA takes the beginning of a UUID for it, NVML does not
        gpu = nvml.nvmlDeviceGetHandleByIndex(index)
        if nvml.nvmlDeviceGetUUID(gpu).startswith(name):
            return gpu, 1
    message = f"NVML knows no GPU {name}"
    raise OSError(message)


def _instances(nvml: Any, gpu: Any) -> int:
    count = 0
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
        try:
            nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index)
        except nvml.NVMLError:  # none of this number
            continue
        count += 1
    return count


def _packages(root: Path, ranks: int) -> list[RaplMeter]:
    """Return the meters of the top zones named package-N: the others are parts of these, or, as psys, hold them."""
    folder = root / "sys/class/powercap"
    zones = sorted(zone for zone in folder.glob("intel-rapl:*") if re.fullmatch(r"intel-rapl:[0-9]+", zone.name))
    named = [zone for zone in zones if (zone / "name").read_text(encoding="utf-8").startswith("package")]
    if not named:
        message = f"{folder} has no intel-rapl zone of a package"
        raise OSError(message)
    return [RaplMeter(zone, ranks) for zone in named]
