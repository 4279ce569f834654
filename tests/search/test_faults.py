"""Ranks are killed, and searches end all the same: by themselves, with their whole budget, and nothing twice."""

import time
from collections import Counter

import psutil
import pytest
from propulate_like_bench.faults.victims import configuration, evaluated, ranks_of, start

from propulate_like.parallel.launching.mpiexec import Mpiexec
from propulate_like.storage.events import Died, Evaluated, Started
from propulate_like.storage.journal import read

pytestmark = pytest.mark.mpi
HEALS = Mpiexec().heals
SECONDS = 120


def wait_for(found, what="it"):
    deadline = time.monotonic() + SECONDS
    while not (value := found()):
        assert time.monotonic() < deadline, f"waited for {what} in vain"
        time.sleep(0.02)
    return value


def searching(folder, ranks):
    """Wait until every rank has evaluated."""
    started = set()

    def all_have():
        started.update(rank for rank, event in read(folder / "run") if isinstance(event, Evaluated))
        return len(started) == ranks

    wait_for(all_have, "every rank's first evaluation")


@pytest.mark.parametrize("victims", [[2], pytest.param([0], marks=pytest.mark.every_mpi), [0, 1], [3, 1, 2]])
def test_search_ends_with_its_budget_whichever_ranks_die(victims, tmp_path):
    process = start(configuration(tmp_path, 800), 4, 0.01)
    searching(tmp_path, 4)
    for victim in victims:
        ranks_of(process)[victim].kill()
        if not HEALS:
            break
        time.sleep(0.2)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    assert evaluated(tmp_path) == (800, 800)
    assert "800 evaluations in" in output
    assert ("go on" in output) == HEALS
    assert ("again from" in output) != HEALS


def test_rank_killed_as_it_starts_does_not_keep_the_search_from_its_end(tmp_path):
    process = start(configuration(tmp_path, 200), 3, 0.005)
    next(iter(wait_for(lambda: ranks_of(process), "a rank").values())).kill()
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    assert evaluated(tmp_path) == (200, 200)


def test_what_a_dead_rank_was_evaluating_is_evaluated_by_another(tmp_path):
    process = start(configuration(tmp_path, 60), 3, 0.3)
    searching(tmp_path, 3)
    ranks_of(process)[1].kill()
    output, _ = process.communicate(timeout=SECONDS)
    deaths = {event.rank: event.id for _, event in read(tmp_path / "run") if isinstance(event, Died)}
    assert not HEALS or list(deaths) == [1], output  # MPICH may end before anybody sees who died, or take others along
    again = {event.id for _, event in read(tmp_path / "run") if isinstance(event, Started) and event.deaths == 1}
    assert again == set(deaths.values())
    assert again <= {event.id for _, event in read(tmp_path / "run") if isinstance(event, Evaluated)}
    assert evaluated(tmp_path) == (60, 60)


def test_individual_that_kills_ranks_is_not_tried_a_third_time(tmp_path):
    (tmp_path / "poison.py").write_text(
        "import os, time\n"
        "def loss(kind, x):\n"
        "    time.sleep(0.02)\n"
        "    if kind == 'deadly':\n"
        "        os.kill(os.getpid(), 9)\n"
        "    return x\n"
    )
    path = tmp_path / "search.yaml"
    path.write_text(
        f"objective: {tmp_path}/poison.py:loss\nbudget: {{evaluations: 60}}\nseed: 3\nrun: {tmp_path}/run\n"
        "space: {kind: {choice: [a, b, c, d, e, f, g, h, i, deadly]}, x: {float: [0, 1]}}\n"
        "propagator: uniform_initialization\n"
    )
    process = start(path, 3, 0.0)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    assert evaluated(tmp_path) == (60, 60)
    fatal = Counter(event.id for _, event in read(tmp_path / "run") if isinstance(event, Died) and event.id)
    marked = {
        event.id for _, event in read(tmp_path / "run") if isinstance(event, Evaluated) and event.individual.failed
    }
    assert marked
    assert max(fatal.values()) == 2
    assert marked == {ident for ident, deaths in fatal.items() if deaths == 2}
    assert "2 ranks died while they evaluated it" in output


def test_team_dies_as_a_whole_and_the_others_go_on(tmp_path):
    process = start(configuration(tmp_path, 100, evaluation="{ranks_per_worker: 2}"), 4, 0.05)
    searching(tmp_path, 2)
    ranks_of(process)[3].kill()
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    assert evaluated(tmp_path) == (100, 100)


def test_error_of_the_program_is_not_tried_again(tmp_path):
    (tmp_path / "wrong.py").write_text("def loss(x):\n    return x\nraise RuntimeError('at import')\n")
    path = tmp_path / "search.yaml"
    path.write_text(
        f"objective: {tmp_path}/wrong.py:loss\nspace: {{x: {{float: [0, 1]}}}}\nbudget: {{evaluations: 6}}\n"
        f"run: {tmp_path}/run\n"
    )
    output, _ = start(path, 2, 0.0).communicate(timeout=SECONDS)
    assert "at import" in output
    assert "again from" not in output


def test_search_that_breaks_again_and_again_is_given_up(tmp_path):
    (tmp_path / "fatal.py").write_text("import os\ndef loss(x):\n    os.kill(os.getpid(), 9)\n")
    path = tmp_path / "search.yaml"
    path.write_text(
        f"objective: {tmp_path}/fatal.py:loss\nspace: {{x: {{float: [0, 1]}}}}\nbudget: {{evaluations: 600}}\n"
        f"run: {tmp_path}/run\n"
    )
    process = start(path, 2, 0.0, options=["--restarts", "0"])
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert output.splitlines()[-1].startswith("the search has not ended; to try again: propulate-like run")
    assert not [
        child for child in psutil.process_iter(["cmdline"]) if str(path) in " ".join(child.info["cmdline"] or [])
    ]
