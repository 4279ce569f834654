"""Three hosts on this machine, each with an address, a name, processes and an sshd of its own, behind one switch.

By hand: `python tests/hosts/namespaces.py up`, then for instance `... on h1 mpiexec --version`, `... cut h2`,
`... mend h2`, `... kill h3`, and `... down`. They share the disk, as hosts of a cluster do. Needs root,
iproute2 and sshd.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HOSTS = {f"h{number}": f"10.77.0.{number}" for number in (1, 2, 3)}
NETWORK = "10.77.0.0/24"
FOLDER = Path("/tmp/propulate-like-hosts")
AGENT = FOLDER / "agent"
"""What starts processes on a host: ssh with a key of its own."""

_PREFIX, _SWITCH = "propulate-like-", "propulate-like-switch"
_TMP = "/dev/shm"  # each host's own; Open MPI names its folders there by process numbers, which recur on every host
_LOCK = FOLDER.with_suffix(".lock")
_SSHD = """
HostKey {folder}/key
AuthorizedKeysFile {folder}/key.pub
PidFile none
SetEnv TMPDIR={tmp}
PermitRootLogin yes
StrictModes no
UsePAM no
"""
_UNSHARE = ("unshare", "--uts", "--ipc", "--pid", "--mount", "--fork")
_INIT = """
read process rest < /proc/self/stat
mount -t proc proc /proc && mount -t tmpfs tmpfs {tmp} && hostname {host} && echo $process > {folder}/{host}
while :; do sleep 1; done
"""
_AGENT = """#!/bin/sh
exec ssh -F none -i {folder}/key -o BatchMode=yes -o LogLevel=ERROR \\
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "$@"
"""


def missing():
    """Say why there can be no such hosts here; None where there can."""
    for program in ("ip", "nsenter", "unshare", "ssh", "ssh-keygen", "/usr/sbin/sshd"):
        if shutil.which(program) is None:
            return f"three hosts on one machine need {program}: apt-get install iproute2 openssh-server"
    probe = subprocess.run([*_UNSHARE, "--net", "true"], capture_output=True, text=True, check=False)
    return f"namespaces are not permitted: {probe.stderr.strip()}" if probe.returncode else None


@contextlib.contextmanager
def three_hosts():
    """Have the hosts for a while, alone; everything is gone afterwards."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            up()
            yield
        finally:
            down()


def up():
    down()
    FOLDER.mkdir(mode=0o700)
    Path("/run/sshd").mkdir(exist_ok=True)
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", FOLDER / "key")
    (FOLDER / "sshd_config").write_text(_SSHD.format(folder=FOLDER, tmp=_TMP))
    AGENT.write_text(_AGENT.format(folder=FOLDER))
    AGENT.chmod(0o700)
    _run("ip", "netns", "add", _SWITCH)
    _run("ip", "-n", _SWITCH, "link", "add", "bridge", "type", "bridge")
    _run("ip", "-n", _SWITCH, "link", "set", "bridge", "up")
    for host, address in HOSTS.items():
        space = _PREFIX + host
        _run("ip", "netns", "add", space)
        _run("ip", "-n", space, "link", "set", "lo", "up")
        _run("ip", "-n", _SWITCH, "link", "add", host, "type", "veth", "peer", "name", "ve", "netns", space)
        _run("ip", "-n", _SWITCH, "link", "set", host, "master", "bridge", "up")
        _run("ip", "-n", space, "address", "add", f"{address}/24", "dev", "ve")
        _run("ip", "-n", space, "link", "set", "ve", "up")
        etc = Path("/etc/netns", space)  # which `ip netns exec` puts over /etc
        etc.mkdir(parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost", *(f"{known} {name}" for name, known in HOSTS.items())]
        (etc / "hosts").write_text("\n".join(lines) + "\n")
        (etc / "resolv.conf").write_text("")
        _boot(host)


def down():
    for host in HOSTS:
        kill(host)
        if Path("/run/netns", _PREFIX + host).exists():
            _run("ip", "netns", "delete", _PREFIX + host)
        shutil.rmtree(f"/etc/netns/{_PREFIX}{host}", ignore_errors=True)
    if Path("/run/netns", _SWITCH).exists():
        _run("ip", "netns", "delete", _SWITCH)
    shutil.rmtree(FOLDER, ignore_errors=True)


def on(host, *command):
    """Return the command that runs another one on a host, in the working directory.

    It waits for that one, and passes no signals on: those go to what `processes` finds.
    """
    spaces = ("--net", "--uts", "--ipc", "--pid", "--mount", "--wd=.")
    return ["nsenter", "--target", str(_first_process(host)), *spaces, "env", f"TMPDIR={_TMP}", *map(str, command)]


def cut(host):
    """Take the link of a host's port down: nothing arrives there any more, and nothing comes from there."""
    _run("ip", "-n", _SWITCH, "link", "set", host, "down")


def mend(host):
    """Return a host its link again, and, where it was killed, boot it."""
    _run("ip", "-n", _SWITCH, "link", "set", host, "up")
    if _first_process(host) is None:
        _boot(host)


def kill(host):
    """Kill all that runs on a host, sshd included, without warning; its link stays up."""
    first = _first_process(host)
    if first is not None:
        os.kill(first, signal.SIGKILL)  # the kernel kills all others
        while _first_process(host) is not None:
            time.sleep(0.01)


def processes(host):
    """Return the command of each process on a host, by its number on this machine."""
    space = Path(f"/proc/{_first_process(host)}/ns/pid").readlink()
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "ns/pid").readlink() == space:
                found[int(process.name)] = (process / "cmdline").read_bytes().decode().split("\0")[:-1]
    return found


def _first_process(host):
    """Return the number on this machine of the process that stands for a running host; None where it is down."""
    with contextlib.suppress(OSError, ValueError):
        process = int((FOLDER / host).read_text())
        os.kill(process, 0)
        return process
    return None


def _boot(host):
    (FOLDER / host).unlink(missing_ok=True)
    init = _INIT.format(host=host, folder=FOLDER, tmp=_TMP)
    space = _PREFIX + host
    _run("setsid", "--fork", "ip", "netns", "exec", space, *_UNSHARE, "sh", "-c", init, output=subprocess.DEVNULL)
    _wait_until(lambda: _first_process(host) is not None)
    _run(*on(host, "/usr/sbin/sshd", "-f", FOLDER / "sshd_config"))
    answers = on(host, "bash", "-c", f": </dev/tcp/{HOSTS[host]}/22")
    _wait_until(lambda: subprocess.run(answers, stderr=subprocess.DEVNULL, check=False).returncode == 0)


def _wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


def _run(*command, output=None):
    subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True)


def main(verb, *arguments):
    if verb == "on":
        os.execvp("nsenter", on(*arguments))
    {"up": up, "down": down, "cut": cut, "mend": mend, "kill": kill}[verb](*arguments)


if __name__ == "__main__":
    reason = missing()
    if reason:
        sys.exit(reason)
    main(*sys.argv[1:])
