"""Hosts: how they are said, which answer, what runs on them, and what is ended there."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import namespaces
import pytest
from namespaces import AGENT, HOSTS, NETWORK
from propulate_like_bench.faults.victims import configuration, evaluated

from propulate_like.parallel.launching.hosts import Hosts, exported, is_here
from propulate_like.parallel.launching.mpiexec import Mpiexec, rank_environment
from propulate_like.storage.events import Died, Evaluated
from propulate_like.storage.journal import read

THREE = ",".join(f"{address}:2" for address in HOSTS.values())
SECONDS = 120


@pytest.fixture
def three_hosts(tmp_path):
    """Have three hosts, and run Python code on the first of them."""
    reason = namespaces.missing()
    if reason:
        pytest.skip(reason)

    def first(code):
        module = "propulate_like.parallel.launching.hosts"
        code = f"import json; from {module} import Hosts; hosts = Hosts.of({THREE!r}); {code}"
        command = namespaces.on("h1", sys.executable, "-c", code)
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    with namespaces.three_hosts():
        yield first


@pytest.mark.parametrize(
    ("given", "slots"),
    [
        ("a:2,b:2", {"a": 2, "b": 2}),
        ("node-1.cluster", {"node-1.cluster": 1}),
        (" 10.77.0.1:4 , 10.77.0.2", {"10.77.0.1": 4, "10.77.0.2": 1}),
        (["a:2", "b"], {"a": 2, "b": 1}),
        ("b,a,b", {"b": 2, "a": 1}),
    ],
)
def test_hosts_are_said_in_a_line_or_a_list(given, slots):
    hosts = Hosts.of(given)
    assert list(hosts.slots.items()) == list(slots.items())


@pytest.mark.parametrize("given", ["", "a,,b", "a:0", "a:-1", "a:two", "a:2:3", "a b", "-oProxyCommand=x", "a;b", []])
def test_nonsense_is_one_line_that_says_what_would_be_valid(given):
    with pytest.raises(ValueError, match=r"^(no host is given|host '.*'): .*node1:4,node2:4") as refused:
        Hosts.of(given)
    assert "\n" not in str(refused.value)


def test_host_files_of_both_mpis_are_read(tmp_path):
    file = tmp_path / "hosts.txt"
    file.write_text("# the rack\na slots=2\nb:4  # the large one\n\nc\na\n", encoding="utf-8")
    assert Hosts.of(str(file)).slots == {"a": 3, "b": 4, "c": 1}
    file.write_bytes(b"\xff\n")
    with pytest.raises(ValueError, match=r"host file .*hosts\.txt"):
        Hosts.of(str(file))


def test_batch_system_names_the_hosts_where_nobody_else_does(tmp_path, monkeypatch):
    (tmp_path / "nodes").write_text("a\na\nb\n", encoding="utf-8")
    assert Hosts.of(environment={"PBS_NODEFILE": str(tmp_path / "nodes")}).slots == {"a": 2, "b": 1}
    assert Hosts.of(environment={"LSB_HOSTS": "a b b"}).slots == {"a": 1, "b": 2}
    assert Hosts.of("c", environment={"LSB_HOSTS": "a b b"}).slots == {"c": 1}
    assert not Hosts.of(environment={}).slots

    scontrol = tmp_path / "scontrol"
    scontrol.write_text('#!/bin/sh\ntest "$*" = "show hostnames n[1-4]" && printf "n1\\nn2\\nn3\\nn4\\n"\n')
    scontrol.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    slurm = {"SLURM_JOB_NODELIST": "n[1-4]", "SLURM_TASKS_PER_NODE": "2(x3),1"}
    assert Hosts.of(environment=slurm).slots == {"n1": 2, "n2": 2, "n3": 2, "n4": 1}


@pytest.mark.parametrize(
    ("hosts", "left", "wanted", "ranks"),
    [
        ("a:2,b:2,c:2", "a:2,b:2", 6, 4),
        ("a:2,b:2,c:2", "a:2,b:2", 3, 3),
        ("a,b,c", "a,b", 6, 4),
        ("a:4,b:1", "b:1", 5, 1),
        ("a:2,b:2,c:2", "a:2,b:2,c:2", 6, 6),
    ],
)
def test_as_many_ranks_go_on_as_the_hosts_left_have_room_for(hosts, left, wanted, ranks):
    assert Hosts.of(hosts).ranks_left(Hosts.of(left), wanted) == ranks


def test_without_hosts_mpiexec_decides():
    assert Hosts().options("Open MPI", network=NETWORK) == []
    assert Hosts().answering() == Hosts()
    assert Hosts().ranks_left(Hosts(), 6) == 6


def test_missing_agent_or_network_is_said_before_anything_starts():
    with pytest.raises(ValueError, match="launch agent 'nowhere/ssh': no such program"):
        Hosts.of("a").options("MPICH", agent="nowhere/ssh")
    for make in ("Open MPI", "MPICH"):
        with pytest.raises(ValueError, match=r"network '10\.99\.0\.0/24': this host .* lo 127\.0\.0\.1"):
            Hosts.of("a").options(make, network="10.99.0.0/24")
    assert "lo" in Hosts.of("a").options("MPICH", network="127.0.0.0/8")


def test_this_host_is_known_by_all_its_names():
    assert all(is_here(name) for name in ("localhost", "127.0.0.1", socket.gethostname()))
    assert not any(is_here(name) for name in ("192.0.2.1", "no-such-host.invalid"))


def test_only_hosts_that_can_be_reached_answer(three_hosts):
    ask = f"print(json.dumps(hosts.answering({str(AGENT)!r}, 3).slots))"
    assert list(three_hosts(ask)) == list(HOSTS.values())
    namespaces.cut("h2")
    assert list(three_hosts(ask)) == [HOSTS["h1"], HOSTS["h3"]]
    namespaces.kill("h3")
    assert list(three_hosts(ask)) == [HOSTS["h1"]]
    namespaces.mend("h2")
    namespaces.mend("h3")
    assert list(three_hosts(ask)) == list(HOSTS.values())


def test_processes_of_a_lost_job_are_ended_on_every_host_that_can_be_reached(three_hosts):
    for host in HOSTS:
        for token in ("mine", "another"):
            subprocess.Popen(namespaces.on(host, "env", f"TOKEN={token}", "sleep", "1000")).returncode = 0
    namespaces.cut("h3")
    ended = three_hosts(f"print(json.dumps(hosts.end('TOKEN=mine', {str(AGENT)!r}, 3).slots))")
    assert list(ended) == [HOSTS["h1"], HOSTS["h2"]]
    sleeping = {host: list(namespaces.processes(host).values()).count(["sleep", "1000"]) for host in HOSTS}
    assert sleeping == {"h1": 1, "h2": 1, "h3": 2}


@pytest.mark.mpi
def test_ranks_are_placed_by_slots_and_have_the_launchers_variables(three_hosts, tmp_path):
    mpiexec = Mpiexec()
    words = "a b;c'\"$PATH"
    environment = rank_environment(6) | {"PROPULATE_LIKE_WORDS": words}
    names = [name for name in exported(environment) if name.startswith(("PROPULATE_LIKE_", "OMP_"))]
    options = three_hosts(f"print(json.dumps(hosts.options({mpiexec.make!r}, {str(AGENT)!r}, {NETWORK!r}, {names!r})))")
    script = tmp_path / "script.py"
    script.write_text(
        "import os, socket, sys; from mpi4py import MPI\n"
        "total = MPI.COMM_WORLD.allreduce(MPI.COMM_WORLD.rank)\n"
        f"with open({str(tmp_path)!r} + f'/rank-{{MPI.COMM_WORLD.rank}}', 'w') as file:\n"
        "    print(socket.gethostname(), total, os.environ['OMP_NUM_THREADS'], file=file)\n"
        "    print(os.environ['PROPULATE_LIKE_WORDS'], file=file)\n"
    )
    command = [*mpiexec.command(6), *options, sys.executable, script]
    subprocess.run(namespaces.on("h1", *command), cwd=tmp_path, env=environment, timeout=60, check=True)
    said = [(tmp_path / f"rank-{rank}").read_text().splitlines() for rank in range(6)]
    threads = environment["OMP_NUM_THREADS"]
    assert said == [[f"{host} 15 {threads}", words] for host in HOSTS for _ in range(2)]


def start_search(folder, evaluations):
    """Search from the first host, on two ranks of each, and wait until all six have evaluated."""
    options = ["-n", "6", "--hosts", THREE, "--agent", AGENT, "--network", NETWORK]
    command = [sys.executable, "-m", "propulate_like", "run", configuration(folder, evaluations), *options]
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            namespaces.on("h1", *command),
            cwd=folder,
            env=os.environ | {"MEAN_SECONDS": "0.05"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    wait_for(
        folder,
        lambda: len({rank for rank, event in read(folder / "run") if isinstance(event, Evaluated)}) == 6,
    )
    return process


def wait_for(folder, condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, (folder / "output").read_text()
        time.sleep(0.05)


def ranks_on(host):
    """Return the processes of the search on a host: ranks, and what MPI needs there."""
    words = ("propulate_like", "mpiexec", "prted", "hydra_pmi_proxy")
    return [
        pid for pid, command in namespaces.processes(host).items() if any(word in " ".join(command) for word in words)
    ]


def assert_ended_well(process, folder, evaluations, hosts):
    """Nothing is evaluated twice, no process is left, and no file beside the run."""
    status = process.wait(SECONDS)
    output = (folder / "output").read_text(errors="replace")
    assert status == 0, output
    assert evaluated(folder) == (evaluations, evaluations), output
    assert f"{evaluations} evaluations in" in output
    wait_for(folder, lambda: not any(ranks_on(host) for host in hosts))
    assert {path.name for path in folder.iterdir()} == {"run", "search.yaml", "output"}
    return output


@pytest.mark.mpi
@pytest.mark.usefixtures("three_hosts")
def test_search_goes_on_without_a_host_that_is_killed(tmp_path):
    process = start_search(tmp_path, 240)
    namespaces.kill("h3")
    output = assert_ended_well(process, tmp_path, 240, ["h1", "h2"])
    assert f"starting 4 ranks again from {tmp_path / 'run'}, without {HOSTS['h3']}" in output
    assert not [event for _, event in read(tmp_path / "run") if isinstance(event, Died)]  # nobody else is blamed


@pytest.mark.mpi
@pytest.mark.skipif(not Mpiexec().heals, reason="a minute's test of the launcher, which Open MPI's run has done")
@pytest.mark.usefixtures("three_hosts")
def test_ranks_that_were_cut_off_write_no_more_once_others_have_their_numbers(tmp_path):
    process = start_search(tmp_path, 4200)
    namespaces.cut("h2")
    wait_for(tmp_path, lambda: "starting 4 ranks again" in (tmp_path / "output").read_text(errors="replace"))
    assert ranks_on("h2")
    namespaces.mend("h2")
    output = assert_ended_well(process, tmp_path, 4200, HOSTS)
    assert f"ranks may still run on {HOSTS['h2']}" in output


@pytest.mark.mpi
@pytest.mark.usefixtures("three_hosts")
def test_rank_that_is_killed_on_another_host_costs_nothing_else(tmp_path):
    process = start_search(tmp_path, 400)
    ranks = [pid for pid in ranks_on("h3") if "propulate_like.cli.rank" in namespaces.processes("h3").get(pid, [])]
    os.kill(ranks[0], signal.SIGKILL)
    output = assert_ended_well(process, tmp_path, 400, HOSTS)
    assert ("5 of 6 ranks go on" in output) == Mpiexec().heals
    assert ("starting 6 ranks again" in output) != Mpiexec().heals
