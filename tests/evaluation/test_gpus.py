"""Each rank gets its GPUs, whatever started it and whatever list it inherited."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propulate_like.evaluation.gpus import Assignment, Found, Gpus, assign, detect, visible

NONE, FOUR, EIGHT = Found(), Found("nvidia", 4), Found("nvidia", 8)
AMD, INTEL = Found("amd", 8), Found("intel", 6, tiles=2)
AUTO = Gpus()
CUDA, ROCR, HIP, ZE = "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"
PCI = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
HIDDEN = {CUDA: "", HIP: "-1", "ONEAPI_DEVICE_SELECTOR": "*:cpu"}
STEP = {"SLURM_LOCALID": "1", "SLURM_NODEID": "0", "SLURM_STEP_TASKS_PER_NODE": "4"}

# name: inherited environment, (place, ranks on the node), GPUs found, settings
#       -> variables to set, devices of the rank, ranks that share the first of them, a part of the reason
TABLE = {
    "a rank for each GPU": (
        {}, (1, 4), FOUR, AUTO, {CUDA: "1", **PCI}, ["1"], 1, "place 1 of 4 on the node"),
    "the order of devices is the user's": (
        {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, (1, 4), FOUR, AUTO, {CUDA: "1"}, ["1"], 1, ""),
    "more GPUs than ranks": (
        {}, (1, 2), FOUR, AUTO, {CUDA: "1", **PCI}, ["1"], 1, "2 of 4 GPUs unused"),
    "more ranks than GPUs": (
        {}, (5, 8), FOUR, AUTO, {CUDA: "2", **PCI}, ["2"], 2, "place 5 of 8"),
    "ranks that do not divide evenly": (
        {}, (0, 5), FOUR, AUTO, {CUDA: "0", **PCI}, ["0"], 2, ""),
    "half a node by indices": (
        {CUDA: "4,5,6,7"}, (1, 4), EIGHT, AUTO, {CUDA: "5"}, ["5"], 1, ""),
    "in the order inherited": (
        {CUDA: "3,1"}, (0, 2), FOUR, AUTO, {CUDA: "3"}, ["3"], 1, ""),
    "UUIDs stay names": (
        {CUDA: "GPU-8f6e9d2c,GPU-11a2b3c4"}, (1, 2), FOUR, AUTO, {CUDA: "GPU-11a2b3c4"}, ["GPU-11a2b3c4"], 1, ""),
    "MIG instances": (
        {CUDA: "MIG-aa,MIG-bb"}, (2, 4), FOUR, AUTO, {CUDA: "MIG-bb"}, ["MIG-bb"], 2, ""),
    "MIG instances as older drivers name them": (
        {CUDA: "MIG-GPU-8f6e/1/0,MIG-GPU-8f6e/2/0"}, (0, 2), FOUR, AUTO,
        {CUDA: "MIG-GPU-8f6e/1/0"}, ["MIG-GPU-8f6e/1/0"], 1, ""),
    "a list ends at its first invalid entry": (
        {CUDA: "0,2,-1,1"}, (1, 2), FOUR, AUTO, {CUDA: "2"}, ["2"], 1, ""),
    "an index that is no GPU is invalid": (
        {CUDA: "0,9,1"}, (1, 2), FOUR, AUTO, {CUDA: "0"}, ["0"], 2, ""),
    "a list that repeats itself shows CUDA nothing": (
        {CUDA: "0,0"}, (0, 1), FOUR, AUTO, {}, [], 0, "leaves no GPU"),
    "hidden by -1": (
        {CUDA: "-1"}, (0, 4), FOUR, AUTO, {}, [], 0, "CUDA_VISIBLE_DEVICES=-1 leaves no GPU"),
    "hidden by an empty list": (
        {CUDA: ""}, (0, 4), FOUR, AUTO, {}, [], 0, "leaves no GPU"),
    "hidden by Slurm": (
        {CUDA: "NoDevFiles"}, (0, 4), FOUR, AUTO, {}, [], 0, "leaves no GPU"),
    "a node without GPUs": (
        {}, (0, 4), NONE, AUTO, {}, [], 0, "no GPU found"),
    "gpus: none hides them from every runtime": (
        {CUDA: "4,5"}, (0, 4), EIGHT, Gpus("none"), HIDDEN, [], 0, "hidden"),
    "gpus: a list": (
        {}, (1, 2), FOUR, Gpus([2, 3]), {CUDA: "3", **PCI}, ["3"], 1, ""),
    "gpus: indices into what was inherited": (
        {CUDA: "4,5,6,7"}, (1, 2), EIGHT, Gpus([0, 3]), {CUDA: "7"}, ["7"], 1, ""),
    "gpus: UUIDs": (
        {}, (1, 2), FOUR, Gpus(["GPU-8f6e9d2c", "GPU-11a2b3c4"]), {CUDA: "GPU-11a2b3c4"}, ["GPU-11a2b3c4"], 1, ""),
    "two GPUs for each rank": (
        {CUDA: "0,1,2,3"}, (1, 2), FOUR, Gpus(per_rank=2), {CUDA: "2,3"}, ["2", "3"], 1, ""),
    "two ranks for each GPU": (
        {}, (3, 6), FOUR, Gpus(ranks_per_gpu=2), {CUDA: "1", **PCI}, ["1"], 2, "1 of 4 GPUs unused"),
    "two GPUs for every two ranks": (
        {}, (2, 4), FOUR, Gpus(per_rank=2, ranks_per_gpu=2), {CUDA: "2,3", **PCI}, ["2", "3"], 2, ""),
    "srun --gpus-per-task": (
        {**STEP, CUDA: "0", "SLURM_GPUS_PER_TASK": "1"}, (1, 4), FOUR, AUTO, {}, ["0"], 1, "bound by the scheduler"),
    "srun --tres-per-task": (
        {**STEP, CUDA: "2", "SLURM_TRES_PER_TASK": "cpu=8,gres/gpu=1"}, (1, 4), FOUR, AUTO, {}, ["2"], 1, "bound"),
    "srun --gpus-per-task --gpu-bind=none": (
        {**STEP, CUDA: "0,1,2,3", "SLURM_GPUS_PER_TASK": "1", "SLURM_GPU_BIND": "none"}, (1, 4), FOUR, AUTO,
        {CUDA: "1"}, ["1"], 1, "place 1 of 4"),
    "srun --gpu-bind=single:2": (
        {**STEP, CUDA: "0", "SLURM_GPU_BIND": "verbose,single:2"}, (1, 4), FOUR, AUTO, {}, ["0"], 2, "bound"),
    "srun --gpu-bind=map_gpu:0,0,1": (
        {**STEP, CUDA: "0", "SLURM_TRES_BIND": "gres/gpu:map_gpu:0*2,1"}, (1, 4), FOUR, AUTO, {}, ["0"], 3, "bound"),
    "srun --gpus-per-task on a node whose lists nobody writes": (
        {**STEP, "SLURM_GPUS_PER_TASK": "1"}, (1, 4), FOUR, AUTO, {}, [], 0, "bound by the scheduler"),
    "srun --gres=gpu:4 binds nothing": (
        {**STEP, CUDA: "0,1,2,3"}, (1, 4), FOUR, AUTO, {CUDA: "1"}, ["1"], 1, "place 1 of 4"),
    "mpiexec in a job with --gpus-per-task": (
        {**STEP, "OMPI_COMM_WORLD_LOCAL_RANK": "1", CUDA: "0,1,2,3", "SLURM_GPUS_PER_TASK": "1"}, (1, 4), FOUR, AUTO,
        {CUDA: "1"}, ["1"], 1, "place 1 of 4"),
    "AMD": (
        {}, (3, 8), AMD, AUTO, {ROCR: "3"}, ["3"], 1, ""),
    "AMD, a list for ROCr": (
        {ROCR: "4,5,6,7", "GPU_DEVICE_ORDINAL": "0,1"}, (1, 4), AMD, AUTO, {ROCR: "5"}, ["5"], 1, ""),
    "AMD, HIP counts what ROCr leaves": (
        {ROCR: "4,5,6,7", HIP: "1,3"}, (1, 2), AMD, AUTO, {HIP: "3"}, ["7"], 1, ""),
    "AMD, a list as for CUDA": (
        {CUDA: "6,7"}, (0, 2), AMD, AUTO, {CUDA: "6"}, ["6"], 1, ""),
    "a list for AMD's runtime does not concern NVIDIA's": (
        {ROCR: "3"}, (1, 4), FOUR, AUTO, {CUDA: "1", **PCI}, ["1"], 1, ""),
    "Intel, a rank for each tile": (
        {}, (11, 12), INTEL, AUTO, {ZE: "11"}, ["11"], 1, ""),
    "Intel, whole GPUs": (
        {"ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"}, (5, 6), INTEL, AUTO, {ZE: "5"}, ["5"], 1, ""),
    "Intel, a mask of tiles": (
        {ZE: "0.0,0.1,1.0,1.1"}, (1, 4), INTEL, AUTO, {ZE: "0.1"}, ["0.1"], 1, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
def test_rank_gets_its_devices(case):
    environment, (place, ranks), found, settings, variables, devices, shared_by, reason = case
    given_to = assign(environment, place, ranks, found, settings)
    assert given_to == Assignment(variables, tuple(devices), shared_by, given_to.reason)
    assert reason in given_to.reason


def test_table_can_be_read():
    """With pytest -s."""
    for name, (environment, (place, ranks), found, settings, *_) in TABLE.items():
        given_to = assign(environment, place, ranks, found, settings)
        inherited = " ".join(f"{key}={value}" for key, value in environment.items()) or "-"
        changes = " ".join(f"{key}={value}" for key, value in given_to.variables.items()) or "unchanged"
        print(f"\n{name}\n    {inherited}, {found.count} x {found.vendor or 'no GPU'}, place {place} of {ranks}")
        print(f"    -> {changes}; devices {', '.join(given_to.devices) or 'none'}; {given_to.reason}")


def test_neighbours_with_lists_of_their_own_were_bound():
    for lists, sharers in ((["0", "1"], 1), (["0,1", "0,1", "2,3", "2,3"], 2)):
        neighbours = [visible({CUDA: text}, FOUR).names for text in lists]
        given_to = assign({CUDA: lists[0]}, 0, len(lists), FOUR, AUTO, neighbours)
        assert (given_to.variables, given_to.shared_by) == ({}, sharers)
        assert given_to.reason == "bound by the scheduler"
    alike = [("0", "1")] * 2
    assert assign({CUDA: "0,1"}, 1, 2, FOUR, AUTO, alike).variables == {CUDA: "1"}


LISTS = st.one_of(
    st.none(),
    st.permutations([str(index) for index in range(8)]).flatmap(
        lambda p: st.sampled_from([p[:n] for n in range(1, 9)])
    ),
    st.integers(1, 7).map(lambda n: [f"GPU-{index:08x}" for index in range(n)]),
)


@given(inherited=LISTS, ranks=st.integers(1, 40), vendor=st.sampled_from(["nvidia", "amd"]))
def test_ranks_of_a_node_share_evenly_and_keep_to_what_they_inherited(inherited, ranks, vendor):
    environment = {} if inherited is None else {{"nvidia": CUDA, "amd": ROCR}[vendor]: ",".join(inherited)}
    allowed = inherited or [str(index) for index in range(8)]
    all_given = [assign(environment, place, ranks, Found(vendor, 8), AUTO) for place in range(ranks)]
    users = Counter(given_to.devices for given_to in all_given)
    assert set(users) <= {(name,) for name in allowed}
    counts = [users[name,] for name in allowed]
    assert max(counts) - min(counts) <= 1
    assert all(given_to.shared_by == users[given_to.devices] for given_to in all_given)


@given(gpus=st.integers(1, 8), ranks=st.integers(1, 16), per_rank=st.integers(1, 8), sharing=st.integers(1, 16))
def test_explicit_numbers_hold_exactly_or_are_refused(gpus, ranks, per_rank, sharing):
    settings = Gpus(per_rank=per_rank, ranks_per_gpu=sharing)
    if -(-ranks // sharing) * per_rank > gpus:
        with pytest.raises(ValueError, match="GPUs, and there"):
            assign({}, 0, ranks, Found("nvidia", gpus), settings)
        return
    users = Counter()
    for place in range(ranks):
        given_to = assign({}, place, ranks, Found("nvidia", gpus), settings)
        assert len(given_to.devices) == per_rank
        users.update(given_to.devices)
    assert max(users.values()) == min(ranks, sharing)


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("8 ranks on this node at 2 per GPU need 4 GPUs, and there are 3",
         lambda: assign({}, 0, 8, Found("nvidia", 3), Gpus(ranks_per_gpu=2))),
        ("2 ranks on this node at 2 GPUs each need 4 GPUs, and there is 1",
         lambda: assign({}, 0, 2, Found("nvidia", 1), Gpus(per_rank=2))),
        ("2 ranks on this node at 1 per GPU need 2 GPUs, and there are 0",
         lambda: assign({}, 0, 2, NONE, Gpus(per_rank=1))),
        ("4 ranks on this node at 3 GPUs per 2 need 6 GPUs, and there are 4",
         lambda: assign({}, 0, 4, FOUR, Gpus(per_rank=3, ranks_per_gpu=2))),
        ("gpus: 0 is not one of the GPUs visible here: there are none", lambda: assign({}, 0, 2, NONE, Gpus([0, 1]))),
        ("2 MIG instances for each rank cannot be: a CUDA process uses one only",
         lambda: assign({CUDA: "MIG-a,MIG-b"}, 0, 1, FOUR, Gpus(per_rank=2))),
        ("gpus: 4 is not one of the GPUs visible here: 0, 1, 2, 3", lambda: assign({}, 0, 1, FOUR, Gpus([4]))),
        ("gpus: 2 is not one of the GPUs visible here: 4, 5", lambda: assign({CUDA: "4,5"}, 0, 1, EIGHT, Gpus([2]))),
        ("gpus: 'GPU-8f' is not one of the GPUs visible here: 4, 5",
         lambda: assign({CUDA: "4,5"}, 0, 1, EIGHT, Gpus(["GPU-8f"]))),
        ("gpus: 0 is not one of the GPUs visible here: there are none",
         lambda: assign({CUDA: ""}, 0, 1, FOUR, Gpus([0]))),
        ("gpus: 1 is given twice: 0, 1, 2, 3", lambda: assign({}, 0, 1, FOUR, Gpus([1, 1]))),
        ("place 4 is not one of 4 on a node", lambda: assign({}, 4, 4, FOUR, AUTO)),
        ("gpus: 'all' must be auto, none or a list such as [0, 1]", lambda: Gpus("all")),
        ("gpus: [] must be auto, none or a list such as [0, 1]", lambda: Gpus([])),
        ("gpus: -1 must be an index such as 0, or a UUID such as GPU-8f6e9d2c", lambda: Gpus([-1])),
        ("gpus: True must be an index such as 0, or a UUID such as GPU-8f6e9d2c", lambda: Gpus([True])),
        ("ranks per GPU=0 must be a whole number of at least 1", lambda: Gpus(ranks_per_gpu=0)),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(message, make):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def tree(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def intel_card(root, number, address, driver, tiles=0):
    device = root / "sys/devices" / address
    tree(root, {f"sys/bus/pci/drivers/{driver}/bind": "", f"sys/devices/{address}/vendor": "0x8086\n"})
    (device / "driver").symlink_to(root / f"sys/bus/pci/drivers/{driver}")
    for tile in range(tiles):
        (device / f"tile{tile}").mkdir()
    card = root / f"sys/class/drm/card{number}"
    card.mkdir(parents=True)
    (card / "device").symlink_to(device)


def test_nothing_is_found_on_a_node_without_drivers(tmp_path):
    assert detect(tmp_path) == Found()


def test_nvidia_gpus_are_found_by_their_driver_or_their_device_files(tmp_path):
    tree(tmp_path, {"dev/nvidia0": "", "dev/nvidia1": "", "dev/nvidiactl": "", "dev/nvidia-uvm": ""})
    assert detect(tmp_path) == Found("nvidia", 2)
    for address in ("0000:07:00.0", "0000:0b:00.0", "0000:48:00.0"):
        (tmp_path / "proc/driver/nvidia/gpus" / address).mkdir(parents=True)
    assert detect(tmp_path) == Found("nvidia", 3)


def test_amd_gpus_are_the_nodes_that_have_simds(tmp_path):
    nodes = "sys/class/kfd/kfd/topology/nodes"
    properties = {f"{nodes}/0/properties": "cpu_cores_count 64\nsimd_count 0\nmem_banks_count 1\n"}
    properties |= {f"{nodes}/{n}/properties": "cpu_cores_count 0\nsimd_count 440\n" for n in (1, 2)}
    tree(tmp_path, properties)
    (tmp_path / nodes / "3").mkdir()  # of another job: its properties are not to be read
    assert detect(tmp_path) == Found("amd", 2)


def test_intel_gpus_are_those_behind_a_bridge(tmp_path):
    intel_card(tmp_path, 0, "0000:00:02.0", "i915")
    assert detect(tmp_path) == Found()
    intel_card(tmp_path, 1, "0000:18:00.0", "xe", tiles=2)
    intel_card(tmp_path, 2, "0000:2a:00.0", "xe", tiles=2)
    intel_card(tmp_path, 3, "0000:3b:00.0", "vfio-pci")
    assert detect(tmp_path) == Found("intel", 2, tiles=2)
