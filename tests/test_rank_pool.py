"""The ranks that stay run each program as if it were started alone, and fail with it."""

import pytest
from rank_pool import RankPool

pytestmark = pytest.mark.mpi

COUNT = """
    from mpi4py import MPI
    report(MPI.COMM_WORLD.allreduce(1))
"""
FAILURES = {
    "error": "raise ValueError('as told')",
    "death": "os.kill(os.getpid(), 9)",
    "abort": "MPI.COMM_WORLD.Abort(3)",
}


@pytest.fixture
def pool():
    pool = RankPool()
    yield pool
    pool.close()


@pytest.mark.parametrize("how", ["error", *[pytest.param(how, marks=pytest.mark.slow) for how in ("death", "abort")]])
def test_failure_of_one_rank_is_told_and_the_next_program_has_new_ranks(how, pool, script, reports, tmp_path):
    path = script(f"""
        import os
        from mpi4py import MPI
        if MPI.COMM_WORLD.rank == 1:
            {FAILURES[how]}
        MPI.COMM_WORLD.Barrier()
    """)
    ended = pool.run(path, [], 3, tmp_path, 60)
    assert ended.returncode != 0
    assert ("ValueError: as told" in ended.stderr) == (how == "error")
    assert pool.run(script(COUNT), [], 3, tmp_path, 60).returncode == 0
    assert reports() == [["3"]] * 3


def test_programs_have_as_many_ranks_as_they_ask_for_and_nothing_of_each_other(pooled, script, reports):
    path = script("""
        import os, sys
        from mpi4py import MPI
        from propulate_like.parallel.transport import launched
        rank, ranks = launched()
        assert (rank, ranks) == (MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size) and "LEFT" not in os.environ
        os.environ["LEFT"] = "by the one before"
        sys.path.append("nowhere")
        print(f"rank {rank} of", *sys.argv[1:])
        report(ranks, sys.path.count("nowhere"))
    """)
    assert pooled(path, 2, ranks=2).stdout == "rank 0 of 2\nrank 1 of 2\n"
    assert pooled(path, 3, ranks=3).stdout == "rank 0 of 3\nrank 1 of 3\nrank 2 of 3\n"
    assert sorted(reports()) == [["2", "1"]] * 2 + [["3", "1"]] * 3
