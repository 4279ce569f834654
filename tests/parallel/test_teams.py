"""Teams: ranks that evaluate each individual together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import propulate_like as pl

pytestmark = pytest.mark.mpi
ENDING = """
    import os, signal, threading, time
    from pathlib import Path
    def end_once(files):
        '''Tell this process to end as soon as there are so many files.'''
        def tell():
            while len(list(Path().glob("file-*"))) < files:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)
        threading.Thread(target=tell, daemon=True).start()
"""
HAS_TORCH = bool(__import__("importlib.util").util.find_spec("torch"))


@pytest.mark.every_mpi
def test_params_seeds_and_stops_reach_every_member_of_a_team(script: Any, pooled: Any, reports: Any) -> None:
    path = script("""
        import propulate_like as pl
        from mpi4py import MPI
        same, stops = [], 0
        def loss(x, evaluation):
            global stops
            comm = evaluation.comm
            mine = (x, evaluation.generator.random(), str(evaluation.id), str(evaluation.directory))
            same.append(len(set(comm.allgather(mine))) == 1 and comm.size == evaluation.size == 2)
            for step in range(1, 21):
                total = comm.allreduce(x + 1 / step + evaluation.rank) - 1
                if evaluation.report(total / 2):
                    stops += 1
                    break
            same.append(len(set(comm.allgather(evaluation.should_stop))) == 1)
            return total / 2 if evaluation.rank == 0 else None
        result = pl.minimize(
            loss, {"x": (0.0, 1.0)}, evaluations=100, seed=0, pruner=pl.MedianPruner(),
            evaluation={"ranks_per_worker": 2, "isolate": False}, propagator=pl.UniformInitialization(),
        )
        rank = MPI.COMM_WORLD.rank
        report(rank // 2, all(same), len(same), stops, result.evaluations, result.statuses[pl.Status.STOPPED])
    """)
    pooled(path, ranks=4)
    lines = sorted(reports())
    assert lines[0] == lines[1]
    assert lines[2] == lines[3]
    assert {line[1] for line in lines} == {"True"}
    assert int(lines[0][2]) + int(lines[2][2]) == 200, "two looks in each evaluation"
    assert int(lines[0][3]) + int(lines[2][3]) == int(lines[0][5]) > 10, "about half lie above the median"
    assert {line[4] for line in lines} == {"100"}


def test_yields_of_generators_stop_together(script: Any, pooled: Any, reports: Any) -> None:
    path = script("""
        import os, propulate_like as pl
        def loss(x, evaluation):
            steps = 0
            for step in range(1, 21):
                steps += 1
                (evaluation.directory / f"steps-{os.environ['RANK']}").write_text(str(steps))
                yield x + 1 / step
        if __name__ == "__main__":
            result = pl.minimize(
                loss, {"x": (0.0, 1.0)}, evaluations=60, seed=0, pruner=pl.MedianPruner(), run="run",
                evaluation={"ranks_per_worker": 2},
            )
            for i in result.individuals:
                files = sorted((result.run / "trials" / str(i.id)).glob("steps-*"))
                steps = [int(file.read_text()) for file in files]
                assert steps == [len(i.curve)] * 2, (steps, i.curve)
            report(result.statuses[pl.Status.STOPPED] > 10)
    """)
    pooled(path, ranks=4)
    assert reports() == [["True"]] * 4


@pytest.mark.parametrize("how", ["raise", "exit", "hang"])
def test_a_failure_of_one_member_fails_that_evaluation_only(how: str, script: Any, pooled: Any, reports: Any) -> None:
    path = script(f"""
        import os, socket, time, propulate_like as pl
        HOW = {how!r}
        def loss(x, evaluation):
            if evaluation.rank == 1 and x > 0.7:
                if HOW == "exit":
                    os._exit(9)
                if HOW == "hang":
                    time.sleep(1000)
                raise RuntimeError("member one")
            if x > 0.7:
                time.sleep(1000)  # as a collective call without the other would
            return x
        if __name__ == "__main__":
            result = pl.minimize(
                loss, {{"x": (0.0, 1.0)}}, evaluations=20, seed=0, propagator=pl.UniformInitialization(),
                evaluation={{"ranks_per_worker": 2, "timeout": 3.0 if HOW == "hang" else None}},
            )
            for i in result.individuals:
                assert (i.status is pl.Status.OK) == (i.params["x"] <= 0.7), i
            failed = [i for i in result.individuals if i.failed]
            report(result.evaluations, len(failed) > 2, "_".join(sorted({{str(i.status) for i in failed}})))
    """)
    pooled(path, ranks=4)
    status = {"raise": "error", "exit": "crashed", "hang": "timeout"}[how]
    assert reports() == [["20", "True", status]] * 4


@pytest.mark.parametrize("told", [0, 1])
def test_a_team_of_which_one_member_is_told_to_end_ends_the_search(
    told: int, script: Any, python: Any, reports: Any
) -> None:
    script(ENDING, "ending.py")
    path = script(f"""
        import time, propulate_like as pl
        from pathlib import Path
        from ending import end_once
        from propulate_like.parallel.transport import launched
        def loss(x, evaluation):
            time.sleep(0.01 if evaluation.rank == 0 else 0.05)
            Path(f"file-{{evaluation.id}}").touch()
            return x
        if __name__ == "__main__":
            if launched()[0] == {told}:
                end_once(5)
            result = pl.minimize(
                loss, {{"x": (0.0, 1.0)}}, evaluations=1000, seed=0, run="run", propagator=pl.CoordinateSearch(),
                evaluation={{"ranks_per_worker": 2}},
            )
            report(result.reason, set(map(str, result.statuses)) == {{"ok"}}, result.evaluations > 3)
            again = pl.minimize(
                loss, {{"x": (0.0, 1.0)}}, evaluations=result.evaluations + 3, seed=0, run="run",
                propagator=pl.CoordinateSearch(), evaluation={{"ranks_per_worker": 2}},
            )
            report(again.reason, again.evaluations - result.evaluations)
    """)
    python(path, ranks=2)
    assert sorted(reports()) == [["evaluations", "3"]] * 2 + [["interrupted", "True", "True"]] * 2


def test_a_leader_that_waits_for_a_hanging_member_can_be_interrupted(script: Any, python: Any, reports: Any) -> None:
    script(ENDING, "ending.py")
    path = script("""
        import time, propulate_like as pl
        from pathlib import Path
        from ending import end_once
        from propulate_like.parallel.transport import launched
        def loss(x, evaluation):
            Path(f"file-{evaluation.rank}").touch()
            time.sleep(0 if evaluation.rank == 0 else 1000)
            return x
        if __name__ == "__main__":
            if launched()[0] == 0:
                end_once(2)
            result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=1000, evaluation={"ranks_per_worker": 2})
            report(result.reason, result.evaluations)
    """)
    python(path, ranks=2)
    assert reports() == [["interrupted", "0"]] * 2


def test_followers_may_return_nothing(script: Any, pooled: Any, reports: Any) -> None:
    path = script("""
        import propulate_like as pl
        def loss(x, evaluation):
            return x if evaluation.rank == 0 else None
        if __name__ == "__main__":
            result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=10, evaluation={"ranks_per_worker": 2})
            report(*result.statuses.values())
    """)
    pooled(path, ranks=2)
    assert reports() == [["10"]] * 2


def test_calls_of_the_communicator_are_broken_off_or_refused(script: Any, pooled: Any, reports: Any) -> None:
    path = script("""
        import propulate_like as pl
        from mpi4py import MPI
        CALLS = {
            "sendrecv": lambda comm, other: comm.sendrecv(comm.rank, other, source=other) == other,
            "Sendrecv": lambda comm, other: not comm.Sendrecv(b"12", other, recvbuf=bytearray(2), source=other),
            "scan": lambda comm, other: comm.scan(1) == comm.rank + 1,
            "exscan": lambda comm, other: comm.exscan(1) == (comm.rank or None),
            "allreduce": lambda comm, other: comm.allreduce(1) == 2,
            "Split": lambda comm, other: comm.Split(0),
        }
        def loss(call, fails, evaluation):
            comm = evaluation.comm
            if fails and evaluation.rank == 1:
                raise RuntimeError("as told")
            return {"loss": float(not CALLS[call](comm, 1 - comm.rank))}
        space = {"call": pl.Choice(*CALLS), "fails": pl.Choice(True, False)}
        result = pl.minimize(
            loss, space, evaluations=60, seed=0, propagator=pl.UniformInitialization(),
            evaluation={"ranks_per_worker": 2, "isolate": False},
        )
        for i in result.individuals:
            expected = i.params["fails"] or i.params["call"] == "Split"
            assert i.failed == expected and (expected or i.loss == 0), i
        causes = " ".join(i.cause for i in result.individuals if i.params["call"] == "Split")
        report(result.evaluations, "Split could not be broken off" in causes)
    """)
    pooled(path, ranks=2)
    assert reports() == [["60", "True"]] * 2


@pytest.mark.every_mpi
def test_requests_of_the_communicator_are_watched(script: Any, pooled: Any, reports: Any) -> None:
    """Each once with both members, and once where the other one fails: then no wait lasts forever."""
    path = script("""
        import time, propulate_like as pl
        from array import array
        from mpi4py import MPI
        def begun(comm, other):
            sent, got = array("d", [comm.rank]), array("d", [-1.0])
            return got, [comm.Irecv(got, other), comm.Isend(sent, other)]
        def one(comm, other, way):
            got, requests = begun(comm, other)
            way(requests)
            return got[0] == other
        def each(requests):
            for request in requests:
                request.Wait()
        def tested(requests):
            while not all([request.Test() for request in requests]):
                time.sleep(0.001)
        def by_any(requests):
            while (place := requests[0].Waitany(requests)) != MPI.UNDEFINED:
                pass
        def lower(comm, other):
            requests = [comm.irecv(source=other), comm.isend({"rank": comm.rank}, other)]
            return requests[0].waitall(requests)[0] == {"rank": other}
        def lower_tested(comm, other):
            sent, got = comm.isend(comm.rank, other), comm.irecv(source=other)
            while not (tested := got.test())[0]:
                pass
            sent.wait()
            return tested[1] == other
        def probed(comm, other):
            sent = comm.isend(comm.rank, other)
            while not (comm.iprobe(source=other) and comm.Iprobe(other)):
                pass
            got = comm.recv(source=other)
            sent.wait()
            return got == other
        def matched(comm, other):
            sent = comm.isend(comm.rank, other)
            while (message := comm.improbe(other)) is None:
                pass
            sent.wait()
            return message.recv() == other
        def matched_array(comm, other):
            sent, got = comm.Isend(array("d", [comm.rank]), other), array("d", [-1.0])
            while (message := comm.Improbe(other)) is None:
                pass
            message.Recv(got)
            sent.Wait()
            return got[0] == other
        def has_status(comm, other):
            got, (receive, send) = begun(comm, other)
            while not (receive.Get_status() and send.get_status()):
                pass
            receive.Wait(), send.Wait()
            return got[0] == other
        def summed(comm, other):
            total = array("d", [0.0])
            comm.Iallreduce(array("d", [1.0]), total).Wait()
            return total[0] == 2
        def barrier(comm, other):
            return comm.Ibarrier().Wait()
        def persistent(comm, other):
            got = array("d", [-1.0])
            receive, send = comm.Recv_init(got, other), comm.Send_init(array("d", [comm.rank]), other)
            for _ in range(3):
                receive.Start(), send.Start()
                receive.Wait(), send.Wait()
            receive.Free(), send.Free()
            return got[0] == other
        def persistent_sum(comm, other):
            total = array("d", [0.0])
            request = comm.Allreduce_init(array("d", [1.0]), total)
            request.Start()
            request.Wait()
            return total[0] == 2
        CALLS = {
            "each": lambda comm, other: one(comm, other, each),
            "all": lambda comm, other: one(comm, other, lambda requests: requests[0].Waitall(requests)),
            "tested": lambda comm, other: one(comm, other, tested),
            "any": lambda comm, other: one(comm, other, by_any),
            "probed": probed, "has_status": has_status,
            "matched": matched, "matched_array": matched_array,
            "summed": summed, "barrier": barrier, "lower": lower, "lower_tested": lower_tested,
        }
        if hasattr(MPI.Intracomm, "Allreduce_init") and MPI.VERSION >= 4:
            CALLS["persistent_sum"] = persistent_sum
        CALLS["persistent"] = persistent
        def loss(call, fails, evaluation):
            comm = evaluation.comm
            if fails and evaluation.rank == 1:
                raise RuntimeError("as told")
            return float(not CALLS[call](comm, 1 - comm.rank))
        result = pl.minimize(
            loss, {"call": pl.Choice(*CALLS), "fails": pl.Choice(True, False)}, evaluations=2 * len(CALLS), seed=0,
            evaluation={"ranks_per_worker": 2, "isolate": False}, propagator=pl.CoordinateSearch(),
        )
        seen = {(i.params["call"], i.params["fails"]) for i in result.individuals}
        for i in result.individuals:
            assert i.failed == i.params["fails"] and (i.failed or i.loss == 0), i
        report(len(seen) == 2 * len(CALLS))
    """)
    pooled(path, ranks=2)
    assert reports() == [["True"]] * 2


@pytest.mark.every_mpi
@pytest.mark.parametrize("how", ["failure", "timeout"])
def test_buffers_of_requests_that_were_given_up_are_kept(how: str, script: Any, pooled: Any, reports: Any) -> None:
    """A late message is written to them, whoever waits for it."""
    path = script(f"""
        import gc, time, weakref, propulate_like as pl
        from array import array
        kept = []
        def loss(x, evaluation):
            comm = evaluation.comm
            if not kept:
                kept.append(None)
                if comm.rank == 1 and "{how}" == "failure":
                    raise RuntimeError("as told")
                buffers = [array("d", [0.0]) for _ in range(2)]
                kept[:] = map(weakref.ref, buffers)
                requests = [comm.Irecv(buffer, 1 - comm.rank, tag) for tag, buffer in enumerate(buffers)]
                requests[0].Waitall(requests) if "{how}" == "failure" else time.sleep(1000)
            return 0.0
        result = pl.minimize(
            loss, {{"x": (0.0, 1.0)}}, evaluations=3,
            evaluation={{"ranks_per_worker": 2, "isolate": False, "timeout": 0.5}},
        )
        gc.collect()
        report(sum(i.failed for i in result.individuals), all(each is None or each() is not None for each in kept))
    """)
    pooled(path, ranks=2)
    assert reports() == [["1", "True"]] * 2


@pytest.mark.every_mpi
def test_team_in_its_ranks_has_a_time_limit(script: Any, pooled: Any, reports: Any) -> None:
    """Whoever hangs: in the communicator, beside it, or catching what ends it."""
    path = script("""
        import time, propulate_like as pl
        from array import array
        def waits(comm):
            comm.Recv(array("d", [0.0]), source=1 - comm.rank)
        def waits_for_a_request(comm):
            comm.Irecv(array("d", [0.0]), source=1 - comm.rank).Wait()
        def sleeps(comm):
            time.sleep(1000)
        def catches(comm):
            try:
                time.sleep(1000)
            except BaseException:
                pass
        def catches_what_the_wait_raises(comm):
            try:
                waits(comm)
            except Exception:
                pass
        def returns(comm):
            pass
        WAYS = [waits, waits_for_a_request, sleeps, catches, catches_what_the_wait_raises, returns]
        names = [way.__name__ for way in WAYS]
        def loss(leader, follower, evaluation):
            {way.__name__: way for way in WAYS}[leader if evaluation.rank == 0 else follower](evaluation.comm)
            return 0.0
        space = {"leader": pl.Choice("waits", "sleeps", "returns"), "follower": pl.Choice(*names)}
        result = pl.minimize(
            loss, space, evaluations=18, seed=0, propagator=pl.CoordinateSearch(),
            evaluation={"ranks_per_worker": 2, "isolate": False, "timeout": 0.2},
        )
        seen = {(i.params["leader"], i.params["follower"]): i for i in result.individuals}
        for params, individual in seen.items():
            good = set(params) == {"returns"}
            assert individual.status == (pl.Status.OK if good else pl.Status.TIMEOUT), individual
            assert good or "it took longer than 0.2 s" in individual.cause
        report(len(seen))
    """)
    pooled(path, ranks=2)
    assert reports() == [["18"]] * 2


def test_what_cannot_be_watched_is_refused_by_name(script: Any, pooled: Any, reports: Any) -> None:
    path = script("""
        import propulate_like as pl
        from array import array
        from mpi4py import MPI
        NAMES = ["Create_group", "Split", "Dup", "Idup", "Create", "Create_cart", "Clone", "Free", "Psend_init"]
        def loss(x, evaluation):
            comm, words = evaluation.comm, []
            for name in NAMES:
                try:
                    getattr(comm, name)()
                except RuntimeError as error:
                    words.append(f"evaluation.comm.{name} could not be broken off" in str(error))
            requests = [comm.Ibarrier()]
            try:
                MPI.Request.Waitall(requests)
            except TypeError as error:
                words.append("its own Wait or Waitall" in str(error))
            requests[0].Wait()
            return {"loss": x, "refused": sum(words)}
        result = pl.minimize(
            loss, {"x": (0.0, 1.0)}, evaluations=2, evaluation={"ranks_per_worker": 2, "isolate": False}
        )
        report(*[i.metrics["refused"] for i in result.individuals], len(NAMES) + 1)
    """)
    pooled(path, ranks=2)
    assert reports() == [["10", "10", "10"]] * 2


def test_a_number_of_ranks_that_makes_no_teams_is_refused(script: Any, python: Any) -> None:
    path = script("""
        import propulate_like as pl
        pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=9, evaluation={"ranks_per_worker": 2, "isolate": False})
    """)
    ended = python(path, ranks=3, check=False)
    assert ended.returncode != 0
    assert "3 ranks cannot form teams of 2: start a multiple of 2 ranks" in ended.stderr
    ended = python(path, check=False)
    assert "teams of 2 ranks need several" in ended.stderr


@pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed: pip install torch==2.13.0")
def test_teams_train_with_torch_distributed_through_failures_and_stops(script: Any, python: Any, reports: Any) -> None:
    """Two teams of two: DDP models, one member raising at random, evaluations stopped early, and nothing hangs."""
    path = script(
        """
        import os, random, propulate_like as pl
        def loss(rate, evaluation):
            import torch
            import torch.distributed as dist
            from torch.nn.parallel import DistributedDataParallel
            torch.set_num_threads(1)
            dist.init_process_group("gloo")
            torch.manual_seed(0)
            model = DistributedDataParallel(torch.nn.Linear(8, 1))
            optimizer = torch.optim.SGD(model.parameters(), lr=rate)
            inputs = torch.randn(64, 8, generator=torch.Generator().manual_seed(dist.get_rank()))
            targets = inputs.sum(1, keepdim=True)
            careless = random.Random(f"{evaluation.id}-{evaluation.rank}")
            for step in range(10):
                if evaluation.rank == 1 and careless.random() < 0.01:
                    raise RuntimeError("by chance")
                optimizer.zero_grad()
                error = torch.nn.functional.mse_loss(model(inputs), targets)
                error.backward()
                optimizer.step()
                mean = error.detach().clone()
                dist.all_reduce(mean)
                yield mean.item() / 2
        if __name__ == "__main__":
            result = pl.minimize(
                loss, {"rate": pl.Float(1e-4, 0.3, log=True)}, evaluations=EVALUATIONS, seed=0,
                pruner=pl.MedianPruner(), evaluation={"ranks_per_worker": 2, "timeout": 60}, progress=False,
            )
            report(result.evaluations, *(result.statuses.get(s, 0) for s in pl.Status))
    """.replace("EVALUATIONS", "50")
    )
    python(path, ranks=4)
    lines = reports()
    assert len(lines) == 4
    assert len(set(map(tuple, lines))) == 1
    counts = dict(zip(pl.Status, map(int, lines[0][1:]), strict=True))
    assert sum(counts.values()) == 50
    assert counts[pl.Status.ERROR] > 0
    assert counts[pl.Status.STOPPED] > 0
    assert counts[pl.Status.OK] > 0
    assert counts[pl.Status.TIMEOUT] == counts[pl.Status.CRASHED] == 0
    print(Path(path).name, {str(status): count for status, count in counts.items() if count})
