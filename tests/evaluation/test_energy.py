"""The joules of an evaluation are those that the node's counters counted, shared out among the ranks."""

import ctypes
import importlib.util
import math
import os
import sys
from types import SimpleNamespace

import pytest

from propulate_like.evaluation.energy import EnergyMeter, GpuMeter

RANGE = 262_143_328_850  # microjoules, as Intel's processors have it


def zone(root, number, microjoules=0, name=None, limit=RANGE):
    folder = root / f"sys/class/powercap/intel-rapl:{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name or f'package-{number}'}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder / "energy_uj"


def nvml(energy, instances=()):
    """Return a stand-in for pynvml: a counter in mJ for each GPU, by UUID; the first GPU has MIG instances."""

    class NVMLError(Exception):
        pass

    def read(gpu):
        if energy[gpu] is None:
            raise NVMLError("Not Supported")
        return energy[gpu]

    def instance(_gpu, index):
        if index >= len(instances):
            raise NVMLError("Not Found")
        return instances[index]

    def by_index(index):
        if index >= len(energy):
            raise NVMLError("Invalid Argument")
        return list(energy)[index]

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetCount=lambda: len(energy),
        nvmlDeviceGetHandleByIndex=by_index,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetUUID=lambda gpu: gpu,
        nvmlDeviceGetDeviceHandleFromMigDeviceHandle=lambda instance: next(iter(energy)),
        nvmlDeviceGetMaxMigDeviceCount=lambda gpu: 7,
        nvmlDeviceGetMigDeviceHandleByIndex=instance,
        nvmlDeviceGetTotalEnergyConsumption=read,
    )


def test_packages_are_added_and_their_parts_are_not_counted_again(tmp_path):
    one, two = zone(tmp_path, 0, 5_000_000), zone(tmp_path, 1, 0)
    part, whole = zone(tmp_path, "0:0", name="core"), zone(tmp_path, 2, name="psys")
    meter = EnergyMeter([], 0, 1, tmp_path)
    assert [sensor.name for sensor in meter.meters] == ["package-0", "package-1"]
    meter.begin()
    for counter, microjoules in ((one, 7_500_000), (two, 250_000), (part, 9_000_000), (whole, 9_000_000)):
        counter.write_text(str(microjoules))
    assert meter.end() == pytest.approx({"energy": 2.75, "energy_cpu": 2.75})
    assert meter.absent == []


def test_evaluations_are_measured_one_by_one(tmp_path):
    counter = zone(tmp_path, 0)
    meter = EnergyMeter([], 0, 1, tmp_path)
    assert meter.end() == {}  # of nothing begun
    measured = []
    for microjoules in (1_000_000, 3_000_000, 3_500_000):
        meter.begin()
        counter.write_text(str(microjoules))
        measured.append(meter.end()["energy"])
        counter.write_text(str(microjoules + 500_000))  # between evaluations
    assert measured == pytest.approx([1.0, 1.5, 0.0])


@pytest.mark.parametrize("ticks", [True, False])
def test_counter_that_begins_again_goes_on(tmp_path, ticks):
    counter = zone(tmp_path, 0, RANGE - 1_000_000)
    meter = EnergyMeter([], 0, 1, tmp_path)
    meter.begin()
    counter.write_text("2000000")
    if ticks:
        meter.tick()
        counter.write_text("1000000")
        meter.tick()
        counter.write_text("4000000")
    assert meter.end()["energy"] == pytest.approx(3.0 + (RANGE / 1e6 + 2.0 if ticks else 0.0))


def test_period_is_shorter_than_any_counter_lasts(tmp_path):
    assert EnergyMeter([], 0, 1, tmp_path).period == math.inf
    zone(tmp_path, 0)
    zone(tmp_path, 1, limit=65_532_610_987)  # as AMD's processors have it
    assert EnergyMeter([], 0, 1, tmp_path).period == pytest.approx(65.5, abs=0.1)


def test_ranks_on_a_node_share_its_processors(tmp_path):
    counter = zone(tmp_path, 0)
    ranks = [EnergyMeter([], 0, 4, tmp_path) for _ in range(4)]
    for meter in ranks:
        meter.begin()
    counter.write_text("8000000")
    assert [meter.end()["energy_cpu"] for meter in ranks] == [2.0] * 4


def test_without_sensors_nothing_is_measured_and_it_is_said_why(tmp_path):
    meter = EnergyMeter([], 0, 1, tmp_path)
    meter.begin()
    meter.tick()
    assert meter.end() == {}
    assert meter.absent == [f"no CPU energy: {tmp_path}/sys/class/powercap has no intel-rapl zone of a package"]
    assert meter.meters == []


def test_counter_for_root_alone_is_absent(tmp_path, monkeypatch):
    zone(tmp_path, 0)
    counter = zone(tmp_path, 1)
    counter.chmod(0)
    if os.geteuid() == 0:  # whom the mode does not stop
        read = type(counter).read_text

        def refuse(path, *arguments, **keywords):
            if path == counter:
                raise PermissionError(13, "Permission denied", str(path))
            return read(path, *arguments, **keywords)

        monkeypatch.setattr(type(counter), "read_text", refuse)
    meter = EnergyMeter([], 0, 1, tmp_path)
    assert meter.meters == []  # nor is half of the processors' energy a measure
    assert meter.absent == [f"no CPU energy: {counter} is readable by root alone"]


def test_counter_that_vanishes_takes_its_kind_with_it_and_the_others_go_on(tmp_path, monkeypatch):
    energy = {"GPU-aa": 0}
    monkeypatch.setitem(sys.modules, "pynvml", nvml(energy))
    counter = zone(tmp_path, 0)
    zone(tmp_path, 1)
    meter = EnergyMeter(["0"], 1, 1, tmp_path)
    meter.begin()
    energy["GPU-aa"] = 4000
    counter.unlink()
    assert meter.end() == {"energy": 4.0, "energy_gpu": 4.0}
    assert meter.absent == [f"no CPU energy: {counter} cannot be read (No such file or directory)"]
    meter.begin()
    assert meter.end() == {"energy": 0.0, "energy_gpu": 0.0}


def test_energy_is_the_sum_of_gpus_and_processors(tmp_path, monkeypatch):
    energy = {"GPU-aa11": 1000, "GPU-bb22": 0, "GPU-cc33": 0}
    monkeypatch.setitem(sys.modules, "pynvml", nvml(energy))
    counter = zone(tmp_path, 0)
    meter = EnergyMeter(["0", "GPU-bb"], 2, 4, tmp_path)
    meter.begin()
    energy.update({"GPU-aa11": 21_000, "GPU-bb22": 10_000, "GPU-cc33": 99_000})
    counter.write_text("4000000")
    assert meter.end() == pytest.approx({"energy": 16.0, "energy_gpu": 15.0, "energy_cpu": 1.0})


def test_mig_instance_counts_for_its_part_of_the_gpu():
    energy = {"GPU-aa": 0}
    module = nvml(energy, instances=["MIG-1", "MIG-2", "MIG-3"])
    sensor = GpuMeter(module, "MIG-2", shared_by=2)
    energy["GPU-aa"] = 6000
    assert sensor.joules() * sensor.share == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("energy", "device", "words"),
    [
        ({"GPU-aa": None}, "0", "NVML says of GPU 0: Not Supported"),
        ({"GPU-aa": 0}, "3", "NVML says of GPU 3: Invalid Argument"),
        ({"GPU-aa": 0}, "GPU-ff", "NVML knows no GPU GPU-ff"),
        ({"GPU-aa": 0}, "0.1", "NVML knows no GPU 0.1"),
    ],
)
def test_gpu_that_nvml_cannot_measure_is_absent(tmp_path, monkeypatch, energy, device, words):
    monkeypatch.setitem(sys.modules, "pynvml", nvml(energy))
    assert EnergyMeter([device], 1, 1, tmp_path).absent[0] == f"no GPU energy: {words}"


def test_without_the_package_gpu_energy_is_absent(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    absent = "no GPU energy: nvidia-ml-py is not installed (pip install nvidia-ml-py)"
    assert EnergyMeter(["0"], 1, 1, tmp_path).absent[0] == absent


def driver():
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


@pytest.mark.skipif(importlib.util.find_spec("pynvml") is None, reason="nvidia-ml-py is not installed")
def test_real_nvml_counts_or_says_that_there_is_no_driver(tmp_path):
    meter = EnergyMeter(["0"], 1, 1, tmp_path)
    if not driver():
        assert meter.absent[0].startswith("no GPU energy: there is no NVIDIA driver (")
        pytest.skip("there is no NVIDIA driver")
    meter.begin()
    assert meter.end()["energy_gpu"] >= 0.0
