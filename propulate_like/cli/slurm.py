"""The command `slurm`: a batch script that searches, ends in time, and requeues itself until the budget is met."""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from propulate_like.foundation.durations import seconds_in
from propulate_like.foundation.passwords import masked
from propulate_like.search.config import Config

_ENDING_SECONDS = 60
"""The time for the ranks to end after the grace, even on a slow file system. Slurm's signal is at most 60 s early."""
_WORD = re.compile(r"[\w.,@+-]+", re.ASCII)

_BODY = r"""
# The search starts mpiexec, which learns from Slurm what nodes there are, whichever MPI pip installed. srun can start
# the ranks instead, where it speaks the language of the MPI (see srun --mpi=list; pmi2 for MPICH):
# search=(srun --mpi=pmi2 "${search[@]}")

# Slurm tells this shell alone (B:) that the time is nearly up. The search then ends by itself, with status 130.
told=0 stopped=0 pid=
tell() {
    told=$((told + 1))
    if [ -n "$pid" ]; then kill -USR1 "$pid" 2>/dev/null; fi
}
trap tell USR1
trap 'stopped=1; tell' TERM INT  # somebody ends this job: it is not queued again

evaluations() {
    "${propulate_like[@]}" status "$run" --json 2>/dev/null |
        "$python" -c 'import json, sys; print(json.load(sys.stdin)["evaluations"])' 2>/dev/null || echo 0
}

before=$(evaluations)
"${search[@]}" &
pid=$!
heard=0
if ((told)); then kill -USR1 "$pid"; fi
while
    wait "$pid"
    status=$?
    ((told > heard))
do heard=$told; done # a signal ends wait, but not the search

if ((status != 130 || stopped)); then exit "$status"; fi # 0: the budget is met; 1, 2: queuing again would not help
after=$(evaluations)
if ((after <= before)); then
    echo "not queued again: no evaluation ended within this job, so none would in the next; give it more --time" >&2
    exit 1
fi
echo "queued again with $after evaluations, of which $((after - before)) are this job's"
scontrol requeue "$SLURM_JOB_ID"
"""


class Job(msgspec.Struct, frozen=True):
    """The resources that a job asks of Slurm.

    Attributes:
        nodes: The number of nodes.
        time: The time limit, such as 2h.
        gpus_per_node: The number of GPUs of each node.
        ranks_per_node: The number of ranks of each node, by default one per GPU.
        partition: The partition, or None for Slurm's default.
        account: The account, or None for Slurm's default.
    """

    nodes: int
    time: str
    gpus_per_node: int = 0
    ranks_per_node: int | None = None
    partition: str | None = None
    account: str | None = None


def script(job: Job, source: str, changes: Sequence[str], run: str | None) -> str:
    """Return the batch script for a configuration.

    Args:
        job: The resources.
        source: The configuration's file, or a reference to a function.
        changes: The changes to the configuration, each as KEY=VALUE.
        run: The run's folder, or None for that of the configuration.

    Raises:
        ValueError: The configuration or the resources are not valid.
    """
    config = Config.checked(source, changes, run)
    secret = next((change for change in changes if masked(change) != change), None)
    if secret is not None:
        message = f"--set {masked(secret)}: the script would hold a password: set it in {source} instead"
        raise ValueError(message)
    evaluation = config.specification.evaluation
    ranks = _ranks_per_node(job)
    if job.nodes * ranks % evaluation.ranks_per_worker:
        message = (
            f"--nodes {job.nodes} with {ranks} ranks each are no teams of {evaluation.ranks_per_worker}: "
            "evaluation.ranks_per_worker must divide the number of ranks"
        )
        raise ValueError(message)
    early = math.ceil(evaluation.grace) + _ENDING_SECONDS
    seconds = _seconds(job.time)
    if seconds < 2 * early:
        message = f"--time {job.time}: the ending alone takes up to {early} s of it, with evaluation.grace; give more"
        raise ValueError(message)
    words = [shlex.quote(source), "--run", '"$run"', "-n", str(job.nodes * ranks)]
    for change in [*changes, *(["evaluation.gpus=auto"] if job.gpus_per_node and evaluation.gpus is None else [])]:
        words += ["--set", shlex.quote(change)]
    lines = [
        *_header(job, ranks, seconds, early),
        f"cd -- {shlex.quote(str(Path.cwd()))} || exit 2",
        f"python={shlex.quote(sys.executable)}",
        'propulate_like=("$python" -m propulate_like)',
        f"run={shlex.quote(str(config.run))}",
        f'search=("${{propulate_like[@]}}" run {" ".join(words)})',
    ]
    return "\n".join(lines) + "\n" + _BODY


def _header(job: Job, ranks: int, seconds: int, early: int) -> list[str]:
    """Return the script's first lines, which sbatch reads."""
    minutes = math.ceil(seconds / 60)
    options = [
        "--job-name=propulate-like",
        f"--nodes={job.nodes}",
        f"--ntasks-per-node={ranks}",
        f"--time={minutes // 60}:{minutes % 60:02}:00",
    ]
    if job.gpus_per_node:
        options.append(f"--gpus-per-node={job.gpus_per_node}")
    for name, value in (("partition", job.partition), ("account", job.account)):
        if value is not None:
            if not _WORD.fullmatch(value):
                message = f"--{name} {value!r} must be a name as sinfo and sacctmgr show it"
                raise ValueError(message)
            options.append(f"--{name}={value}")
    options += ["--requeue", "--open-mode=append", f"--signal=B:USR1@{early}"]
    return ["#!/bin/bash", *[f"#SBATCH {option}" for option in options]]


def _ranks_per_node(job: Job) -> int:
    """Return the number of ranks of each node.

    Raises:
        ValueError: Neither ranks nor GPUs are given.
    """
    if job.ranks_per_node is not None:
        return job.ranks_per_node
    if not job.gpus_per_node:
        message = "--ranks-per-node or --gpus-per-node is missing: how many ranks is a node to have?"
        raise ValueError(message)
    return job.gpus_per_node


def _seconds(time: str) -> int:
    """Return a time such as 2h, 1d12h, 90m or 1-12:00:00 in seconds.

    Raises:
        ValueError: It has another form.
    """
    try:
        return math.ceil(seconds_in(time))
    except ValueError:
        message = f"--time {time!r} must be such as 2h, 1d12h, 90m or 1-12:00:00"
        raise ValueError(message) from None
