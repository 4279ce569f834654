"""Energy: the joules of each evaluation, from the counters of the node's GPUs and processors."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

METRICS = ("energy", "energy_gpu", "energy_cpu")
"""The metrics with an evaluation's joules: the total, and those of each kind of sensor."""
_WATTS = 1000.0  # more than any processor package consumes


class Meter(Protocol):
    """An energy counter.

    Attributes:
        name: Its name.
        kind: "gpu" or "cpu".
        share: The part of its joules that belongs to this rank, above 0 and at most 1.
        period: The time in seconds within which it must be read again.
    """

    name: str
    kind: str
    share: float
    period: float

    def joules(self) -> float:
        """Return the joules since some fixed time.

        Raises:
            OSError: The counter cannot be read.
        """
        ...


class GpuMeter:
    """The energy counter of an NVIDIA GPU, through the package nvidia-ml-py.

    The driver counts in millijoules, up to 0.1 s late, so evaluations of less than some seconds are measured only
    approximately. A MIG instance has no counter of its own: all instances of a GPU have an equal share of its joules.
    """

    kind = "gpu"
    period = math.inf

    def __init__(self, nvml: Any, name: str, shared_by: int) -> None:
        """Find the GPU and read its counter once.

        Args:
            nvml: The initialized module pynvml.
            name: The index or UUID of the GPU, or the UUID of a MIG instance.
            shared_by: The number of ranks that share it.

        Raises:
            OSError: NVML cannot find or measure the GPU.
        """
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
    """The energy counter of a processor package: a zone of the Linux powercap interface, in microjoules.

    The counter wraps around at max_energy_range_uj: Intel's usual 262 kJ after 12 minutes at 350 W, AMD's 66 kJ after
    3 minutes at 400 W. `period` is short enough that no wrap-around is missed.
    """

    kind = "cpu"

    def __init__(self, zone: Path, shared_by: int) -> None:
        """Read the zone's counter once.

        Args:
            zone: The zone's folder.
            shared_by: The number of ranks that share the package.

        Raises:
            OSError: A file of the zone cannot be read.
            ValueError: A file holds no number.
        """
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
        """Return the counter in microjoules."""
        return int(self._counter.read_text(encoding="utf-8"))


class EnergyMeter:
    """A meter of the joules of a rank's evaluations, one after the other. It is not thread-safe.

    Ranks that share a sensor have equal shares of its joules, whichever of them works: 1/s of a GPU's where s ranks
    share the GPU, and 1/s of the processors' where s ranks are on the node. The joules of all ranks therefore add up to
    what the sensors measured while all ranks evaluate.

    Attributes:
        meters: The counters that are read.
        absent: For each kind that is not measured, a message that says why. A kind is measured as a whole or not at
            all: where one sensor fails, the others of its kind are dropped, as a partial sum would look like a saving.
    """

    def __init__(self, devices: Sequence[str], gpu_shared_by: int, ranks_on_node: int, root: Path = Path("/")) -> None:
        """Find the node's sensors.

        Args:
            devices: The indices or UUIDs of the rank's GPUs.
            gpu_shared_by: The number of ranks that share a GPU.
            ranks_on_node: The number of ranks on the node.
            root: The root of the file system; tests give another one.
        """
        self.meters, self.absent = _look(devices, gpu_shared_by, ranks_on_node, root)
        self._begun: dict[Meter, float] = {}

    @property
    def period(self) -> float:
        """The seconds within which `tick` or `end` must follow `begin` or `tick`; infinite without such a limit."""
        return min((meter.period for meter in self.meters), default=math.inf)

    def begin(self) -> None:
        """Read the counters at the start of an evaluation."""
        self._begun = self._read()

    def tick(self) -> None:
        """Read the counters during a long evaluation, at least once in a `period`, so that no wrap-around is missed."""
        self._read()

    def end(self) -> dict[str, float]:
        """Return the joules since `begin`: energy_gpu and energy_cpu where measured, and energy, their sum."""
        now, begun = self._read(), self._begun
        self._begun = {}
        joules: dict[str, float] = {}
        for meter in self.meters:
            if meter in begun:
                key = f"energy_{meter.kind}"
                joules[key] = joules.get(key, 0.0) + (now[meter] - begun[meter]) * meter.share
        return {"energy": sum(joules.values()), **joules} if joules else {}

    def _read(self) -> dict[Meter, float]:
        """Return the joules of each counter, and drop the kinds of those that fail."""
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
    """Return `metrics` with the joules of another attempt, or another member of a team, added."""
    return metrics | {name: metrics[name] + others[name] for name in METRICS if name in metrics and name in others}


def _look(devices: Sequence[str], gpu_shared_by: int, ranks: int, root: Path) -> tuple[list[Meter], list[str]]:
    """Return the node's counters, and a message for each kind that cannot be measured."""
    found: list[Meter] = []
    absent: list[str] = []
    for kind, look in (("gpu", lambda: _gpus(devices, gpu_shared_by)), ("cpu", lambda: _packages(root, ranks))):
        try:
            found += look()
        except (OSError, ValueError) as error:
            absent.append(_absence(kind, error))
    return found, absent


def _absence(kind: str, error: Exception) -> str:
    """Return the message that a kind of sensor is not measured."""
    if isinstance(error, OSError) and error.filename:
        by_root = isinstance(error, PermissionError)
        reason = "is readable by root alone" if by_root else f"cannot be read ({error.strerror})"
        return f"no {kind.upper()} energy: {error.filename} {reason}"
    return f"no {kind.upper()} energy: {error}"


def _gpus(devices: Sequence[str], shared_by: int) -> list[GpuMeter]:
    """Return the counters of these GPUs.

    Raises:
        OSError: nvidia-ml-py or the driver is missing, or a GPU cannot be measured.
    """
    if not devices:
        return []
    try:
        nvml = importlib.import_module("pynvml")  # the module of nvidia-ml-py; it has no types
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
    """Return the handle of a GPU, or of a MIG instance's GPU, and the number of instances that share it.

    Raises:
        OSError: No GPU has this name.
    """
    if name.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(name)), 1  # in the order of the PCI bus
    if name.startswith("MIG-"):
        gpu = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvml.nvmlDeviceGetHandleByUUID(name))
        return gpu, max(_instances(nvml, gpu), 1)
    for index in range(nvml.nvmlDeviceGetCount()):  # CUDA accepts the beginning of a UUID, NVML does not
        gpu = nvml.nvmlDeviceGetHandleByIndex(index)
        if nvml.nvmlDeviceGetUUID(gpu).startswith(name):
            return gpu, 1
    message = f"NVML knows no GPU {name}"
    raise OSError(message)


def _instances(nvml: Any, gpu: Any) -> int:
    """Return the number of a GPU's MIG instances."""
    count = 0
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(gpu)):
        try:
            nvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index)
        except nvml.NVMLError:  # none of this number
            continue
        count += 1
    return count


def _packages(root: Path, ranks: int) -> list[RaplMeter]:
    """Return the counters of the top zones named package-N; other zones are parts of these or, as psys, contain them.

    Raises:
        OSError: There is no such zone, or it cannot be read.
        ValueError: A file of a zone holds no number.
    """
    folder = root / "sys/class/powercap"
    zones = sorted(zone for zone in folder.glob("intel-rapl:*") if re.fullmatch(r"intel-rapl:[0-9]+", zone.name))
    named = [zone for zone in zones if (zone / "name").read_text(encoding="utf-8").startswith("package")]
    if not named:
        message = f"{folder} has no intel-rapl zone of a package"
        raise OSError(message)
    return [RaplMeter(zone, ranks) for zone in named]
