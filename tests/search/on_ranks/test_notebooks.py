"""A notebook defines its loss in a cell, searches on ranks, is interrupted, and continues."""

import os
import signal
import threading
import time

import pytest
from conftest import ROOT, SECONDS

pytestmark = [pytest.mark.mpi, pytest.mark.process]
LOSS = """
import time
import propulate_like as pl

space = {"x": (0.0, 1.0), "k": pl.Int(0, 3)}

def loss(x, k):
    time.sleep(0.05)
    if k > 1:
        time.sleep(60)
    print("evaluated here")
    return (x - 0.3) ** 2 + k
"""
ISOLATED = """
result = pl.minimize(
    loss, space, evaluations=40, seed=0, ranks=4, evaluation={"isolate": True, "timeout": 2}, callbacks=print_best
)
print(result.evaluations, sorted(map(str, result.statuses)), len({i.id.rank for i in result.individuals}))
"""
CALLBACK = """
def print_best(search, individual):
    open("told", "a").write("x")
"""
ENDLESS = """
space = {"x": (0.0, 1.0), "k": (0, 1)}
result = pl.minimize(loss, space, evaluations=100_000, seed=0, ranks=4, run="run", evaluation={"grace": 0.5})
print(result.reason)
"""
CONTINUED = """
before = result.evaluations
result = pl.minimize(loss, space, evaluations=before + 10, seed=0, ranks=4, run="run", evaluation={"grace": 0.5})
print(result.evaluations - before, result.reason)
"""


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Return what executes cells in a kernel and gives the text and HTML that each shows."""
    nbformat = pytest.importorskip("nbformat")
    preprocessors = pytest.importorskip("nbconvert.preprocessors")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]]))

    def execute(cells, interrupted=None, when=lambda: True):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        executor = preprocessors.ExecutePreprocessor(timeout=SECONDS)

        def interrupt():
            ends = time.monotonic() + SECONDS
            while not when() and time.monotonic() < ends:
                time.sleep(0.1)
            os.kill(executor.km.provisioner.pid, signal.SIGINT)  # as the stop button does

        def on_cell(cell, cell_index):
            if cell_index == interrupted:
                threading.Thread(target=interrupt, daemon=True).start()

        executor.on_cell_execute = on_cell
        executor.preprocess(book, {"metadata": {"path": str(tmp_path)}})
        return [(_streams(cell), _pictures(cell)) for cell in book.cells]

    return execute


def _streams(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def _pictures(cell):
    return [output.data.get("text/html", "") for output in cell.outputs if output.output_type == "display_data"]


@pytest.mark.slow
@pytest.mark.xdist_group("notebooks")
def test_a_loss_of_a_cell_is_searched_isolated_interrupted_and_continued(notebook, tmp_path):
    journals = tmp_path / "run" / "journal"

    def evaluates():
        return sum(b'"evaluated"' in path.read_bytes() for path in journals.glob("rank-*.jsonl")) == 4

    cells = [LOSS, CALLBACK, ISOLATED, ENDLESS, CONTINUED]
    _, _, isolated, endless, continued = notebook(cells, interrupted=3, when=evaluates)
    assert "40 ['ok', 'timeout'] 4" in isolated[0]
    assert (tmp_path / "told").stat().st_size == 40
    assert "40 of 40 evaluations, best" in isolated[1][-1]
    assert "ending: evaluations under way have 0.5 s to finish" in endless[0]
    assert endless[0].splitlines()[-1] == "interrupted"
    assert "evaluated here" in endless[0], "what ranks print stands in the cell"
    assert continued[0].splitlines()[-1] == "10 evaluations"
