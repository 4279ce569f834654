"""Hosts: those that a run may use, those that answer, mpiexec's options for them, and the end of a job's processes."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import msgspec

Make = Literal["Open MPI", "MPICH"]
"""The implementation of MPI that an mpiexec belongs to; those of Intel and Cray derive from MPICH."""

_SRUN = ("srun", "--overlap", "--quiet", "--nodes=1", "--ntasks=1", "--nodelist")
_HOST = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*)(?:(?::| slots=)([1-9][0-9]{0,5}))?")
_VALID = "hosts are given as node1:4,node2:4 (name or IPv4 address, and for how many ranks), or as a file of such lines"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_THIS_HOST = re.compile(
    r"(HOSTNAME|DISPLAY|XAUTHORITY|TMPDIR|TERM|PWD|OLDPWD|SHLVL|_|SSH_.*|XDG_.*|DBUS_.*|"
    r"(OMPI|PMIX|PRTE|OPAL|PMI|HYDRA|HYDI|SLURM|PBS|LSB)_.*)"
)
_AT_ONCE = 64  # hosts that are asked concurrently
SHARED_MEMORY = r"/dev/shm/(sm_segment\.|mpich_|ucx_shm_)[^ ]*$"  # noqa: S108 (a pattern)
"""The pattern of MPI's files of shared memory, also within a line of /proc/PID/maps."""
_END = f"""
for turn in 1 2 3 4 5 6 7 8 9 10; do
    found=$(grep -aFls -e "$1" /proc/[0-9]*/environ)
    test -n "$found" || {{ rm -f $memory; exit 0; }}
    for file in $found; do
        process=${{file%/environ}}
        memory="$memory $(sed -nE 's:.* ({SHARED_MEMORY}):\\1:p' "$process/maps")"
        kill -9 "${{process#/proc/}}"
    done
    sleep 0.1
done
exit 1
"""
_LOOK = """
cd /proc || exit 0
for process in %s; do
    read -r line < $process/stat || continue
    case $line in *") Z "*|*") X "*) ;; *) living="$living $process";; esac
done
read -r boot < sys/kernel/random/boot_id
echo "$boot $(readlink self/ns/pid)$living"
"""


class Hosts(msgspec.Struct, frozen=True):
    """The hosts of a run.

    Attributes:
        slots: The number of ranks for which each host has room. Where it is empty, mpiexec decides itself: it starts
            the ranks on this host, or as the batch system says.
    """

    slots: dict[str, int] = {}

    @classmethod
    def of(cls, given: str | Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> Hosts:
        """Read hosts.

        Args:
            given: Hosts as a:2,b:2, a list of them, or a host file; by default those of the batch system.
            environment: The environment, which names the batch system.

        Raises:
            ValueError: They are not valid, or the file cannot be read.
        """
        if given is None:
            return cls(_of_batch_job(environment))
        if isinstance(given, str):
            file = Path(os.path.expanduser(given))  # noqa: PTH111 (a Path refuses ~ of nobody)
            given = _lines(file) if file.is_file() else given.split(",")
        return cls(_read(given))

    @property
    def ranks(self) -> int:
        """The number of ranks for which there is room."""
        return sum(self.slots.values())

    def ranks_left(self, left: Hosts, wanted: int) -> int:
        """Return the number of ranks to start where only some hosts are left: as many as these have room for.

        Args:
            left: The hosts that are left.
            wanted: The number of ranks on all hosts. Where it exceeds their slots, each host left takes its share.
        """
        if not self.slots:
            return wanted
        return max(1, min(wanted, left.ranks * max(wanted, self.ranks) // self.ranks))

    def answering(self, agent: str | None = None, seconds: float = 10.0) -> Hosts:
        """Return the hosts that answer, asked concurrently.

        Args:
            agent: The program that runs a command on a host, called as ssh is; by default ssh, or srun within a Slurm
                job.
            seconds: The time to answer.
        """
        return self.of_these(self._ask(agent, ["true"], "", seconds))

    def living(
        self, processes: Iterable[int], agent: str | None = None, seconds: float = 10.0
    ) -> tuple[Hosts, dict[str, set[int]]]:
        """Return the hosts that answer, and the processes that live in each process table.

        Args:
            processes: The pids to look for.
            agent: As for `answering`.
            seconds: The time to answer.

        Returns:
            The hosts, and the living pids by process table (see `lease.place`).
        """
        answers = self._ask(agent, ["sh", "-s"], _LOOK % " ".join(map(str, processes)), seconds)
        found: dict[str, set[int]] = {}
        for answer in answers.values():
            boot, space, *living = (answer.splitlines() or [""])[-1].split(" ") + [""] * 2  # a login shell may print
            found[f"{boot} {space}"] = {int(process) for process in living if process.isdigit()}
        return self.of_these(answers), found

    def end(self, token: str, agent: str | None = None, seconds: float = 10.0) -> Hosts:
        """Kill this user's processes with a token on every host, and remove the memory that they shared.

        Args:
            token: A variable in the environment of these processes, as NAME=VALUE, which this process must not have.
            agent: As for `answering`.
            seconds: The time to answer.

        Returns:
            The hosts on which certainly no such process is left.
        """
        return self.of_these(self._ask(agent, ["sh", "-s", token], _END, seconds))

    def options(
        self, make: Make, agent: str | None = None, network: str | None = None, variables: Iterable[str] = ()
    ) -> list[str]:
        """Return the options of mpiexec for these hosts; none where there are no hosts.

        Args:
            make: The implementation of MPI.
            agent: The program that starts its daemons, instead of ssh or the batch system's own.
            network: The network that the hosts share, such as 10.77.0.0/24, or the name of an interface.
            variables: The environment variables that ranks on other hosts receive.

        Raises:
            ValueError: This host does not have the agent or the network.
        """
        if not self.slots:
            return []
        if agent is not None and shutil.which(agent) is None:
            message = f"launch agent {agent!r}: no such program; it is called as ssh is: {agent} HOST COMMAND"
            raise ValueError(message)
        hosts = ",".join(f"{host}:{count}" for host, count in self.slots.items())
        if make == "MPICH":  # which passes the whole environment on
            return _mpich(hosts, agent, network)
        return [*_open_mpi(hosts, agent, network), *(word for name in variables for word in ("-x", name))]

    def of_these(self, names: Collection[str]) -> Hosts:
        """Return the hosts with these names."""
        return Hosts({host: count for host, count in self.slots.items() if host in names})

    def _ask(self, agent: str | None, command: Sequence[str], script: str, seconds: float) -> dict[str, str]:
        """Run a command, with a script as its input, on every host, and return its output where it succeeds."""

        def ask(host: str) -> str | None:
            return _printed([*_way(host, agent), *command], script, seconds)

        if not self.slots:
            return {}
        with ThreadPoolExecutor(min(len(self.slots), _AT_ONCE)) as pool:
            answers = list(pool.map(ask, self.slots))
        return {host: answer for host, answer in zip(self.slots, answers) if answer is not None}


def is_here(host: str) -> bool:
    """Return whether a name or address is this host's, on which a socket can be bound."""
    if host.lower() in {"localhost", socket.gethostname().lower()}:
        return True
    with contextlib.suppress(OSError, UnicodeError):
        for family, kind, protocol, _, address in socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM):
            with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as listening:
                listening.bind(address)
                return True
    return False


def _way(host: str, agent: str | None) -> Sequence[str]:
    """Return the words before a command that runs on a host."""
    if is_here(host):
        return ()
    if agent is None and "SLURM_JOB_ID" in os.environ and shutil.which("srun"):
        return (*_SRUN, host)
    return (agent or "ssh", host)


def exported(environment: Mapping[str, str]) -> list[str]:
    """Return the names of variables that have the same meaning on every host."""
    return [name for name in environment if _NAME.fullmatch(name) and not _OF_THIS_HOST.fullmatch(name)]


def _open_mpi(hosts: str, agent: str | None, network: str | None) -> list[str]:
    """Return the options of Open MPI's mpiexec."""
    options = ["--host", hosts]
    if agent is not None:
        options += ["--prtemca", "plm_ssh_agent", agent]
    if network is not None:
        _interface(network)
        options += ["--prtemca", "prte_if_include", network, "--mca", "btl_tcp_if_include", network]
    return options


def _mpich(hosts: str, agent: str | None, network: str | None) -> list[str]:
    """Return the options of MPICH's mpiexec."""
    options = ["-hosts", hosts]
    if agent is not None:
        options += ["-launcher", "ssh", "-launcher-exec", agent]
    if network is not None:
        options += ["-iface", _interface(network)]
    return options


def _interface(network: str) -> str:
    """Return the name of this host's interface to a network.

    Raises:
        ValueError: It has none.
    """
    import psutil

    interfaces = psutil.net_if_addrs()
    if network in interfaces:
        return network
    with contextlib.suppress(ValueError):
        wanted = ipaddress.ip_network(network, strict=False)
        for name, addresses in interfaces.items():
            for each in addresses:
                if each.family is socket.AF_INET and ipaddress.ip_address(each.address) in wanted:
                    return name
    message = f"network {network!r}: this host ({socket.gethostname()}) has no address there; it has "
    message += ", ".join(
        f"{name} {each.address}"
        for name, addresses in interfaces.items()
        for each in addresses
        if each.family is socket.AF_INET
    )
    raise ValueError(message)


def _printed(command: Sequence[str], script: str, seconds: float) -> str | None:
    """Run a command with a script as its input, in a session of its own, and return its output.

    Args:
        command: The command's words.
        script: The input.
        seconds: The time after which the session is killed.

    Returns:
        The output, or None where the command fails.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None
    with process:
        try:
            printed, _ = process.communicate(script.encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None
    return printed.decode(errors="replace") if process.returncode == 0 else None


def _read(given: Iterable[str]) -> dict[str, int]:
    """Read hosts and their slots, which are added where a host is named more than once.

    Raises:
        ValueError: There is no host, or one is not valid.
    """
    slots: dict[str, int] = {}
    for text in given:
        match = _HOST.fullmatch(" ".join(text.split()))
        if match is None:
            message = f"host {text!r}: {_VALID}"
            raise ValueError(message)
        slots[match[1]] = slots.get(match[1], 0) + int(match[2] or 1)
    if not slots:
        message = f"no host is given: {_VALID}"
        raise ValueError(message)
    return slots


def _lines(file: Path) -> list[str]:
    """Return the lines of a host file without comments.

    Raises:
        ValueError: The file cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"host file {file}: {error}"
        raise ValueError(message) from None
    return [content for line in text.splitlines() if (content := line.partition("#")[0].strip())]


def _of_batch_job(environment: Mapping[str, str]) -> dict[str, int]:
    """Return the hosts of this job and their slots, as Slurm, PBS or LSF says; none outside such a job."""
    if (nodes := environment.get("SLURM_JOB_NODELIST")) and (scontrol := shutil.which("scontrol")):
        command = [scontrol, "show", "hostnames", nodes]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        tasks = environment.get("SLURM_TASKS_PER_NODE") or environment.get("SLURM_JOB_CPUS_PER_NODE") or ""
        return dict(zip(listed, _repeated(tasks) or [1] * len(listed)))
    if file := environment.get("PBS_NODEFILE"):
        return _read(_lines(Path(file)))
    if hosts := environment.get("LSB_HOSTS"):
        return _read(hosts.split())
    return {}


def _repeated(counts: str) -> list[int]:
    """Expand Slurm's form of counts: 2(x3),1 means 2, 2, 2, 1."""
    found = re.findall(r"([0-9]+)(?:\(x([0-9]+)\))?", counts)
    return [int(count) for count, times in found for _ in range(int(times or 1))]
