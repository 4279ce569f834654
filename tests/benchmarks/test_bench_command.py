"""`propulate-like bench` is a command of the benchmarks' distribution, by its entry point."""

from importlib import metadata

import pytest
from conftest import ROOT
from installing import declare_project


def test_bench_is_listed_and_has_its_options_where_the_benchmarks_are_installed(command, tmp_path, monkeypatch):
    site = declare_project(ROOT / "benchmarks", tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", site["PYTHONPATH"])
    monkeypatch.setenv("COLUMNS", "120")
    assert "Measure beside Optuna" in command("--help").stdout
    options = command("bench", "--help").stdout
    assert all(word in options for word in ("NAME", "--output", "--quick", "--show", "--page", "--propulate"))


@pytest.mark.skipif(
    any(found.name == "propulate-like-bench" for found in metadata.distributions()), reason="the benchmarks are there"
)
def test_bench_says_in_one_line_what_to_install_where_they_are_not(command):
    ended = command("bench", "overhead", "--quick", check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "the command 'bench' is a distribution of its own, which no package index has: "
        "pip install -e benchmarks in a clone\n"
    )
    assert "bench" not in command("--help").stdout
